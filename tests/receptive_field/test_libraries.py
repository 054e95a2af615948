"""Models of torchvision and torchaudio as they are."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch

from wavestack.receptive_field import Report, analyze

torchvision = pytest.importorskip("torchvision")


def build(name: str, **options: Any) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torchvision.models.get_model(name, weights=None, **options).eval()


def ask(name: str, size: int = 224, layer: str | None = None, **options: Any) -> Report:
    return analyze(build(name, **options), torch.zeros(1, 3, size, size), layer=layer)


@pytest.mark.parametrize(
    ("name", "size", "jump", "start"),
    [
        ("resnet18", 435, 32, -217),
        ("resnet50", 427, 32, -213),
        ("densenet121", 2071, 32, -1021),
        ("vgg16", 212, 32, -90),
        ("alexnet", 195, 32, -66),
        ("inception_v3", 1311, 32, -618),
        ("mobilenet_v2", 491, 32, -245),
        ("shufflenet_v2_x0_5", 527, 32, -263),
        ("squeezenet1_1", 207, 16, -88),
    ],
)
def test_classifiers(name: str, size: int, jump: int, start: int) -> None:
    report = ask(name, 299 if name == "inception_v3" else 224)
    assert report.unknown == []
    for axis in report.axes.values():
        assert math.isinf(axis.size)
        assert (axis.local_size, axis.jump, axis.start, axis.period) == (size, jump, start, 1)
        assert axis.collapsed
        assert axis.coverage == 1.0


def test_layer_asks_for_the_last_tensor_with_space() -> None:
    axis = ask("resnet50", layer="layer4").axes["H"]
    assert (axis.size, axis.jump, axis.start, axis.output_size) == (427, 32, -213, 7)
    # Too small an input changes nothing: the claim is about the network, not about the picture.
    axis = ask("resnet50", 32, layer="layer4").axes["W"]
    assert (axis.size, axis.jump, axis.start, axis.output_size) == (427, 32, -213, 1)


def test_squeeze_and_excitation_is_global() -> None:
    report = ask("mobilenet_v3_small", layer="features")
    assert math.isinf(report.axes["H"].size)
    assert any(module.endswith("avgpool") for module, *_ in report.global_ops)


def test_windowed_attention_is_alike_on_both_axes() -> None:
    report = ask("swin_t", layer="features")
    assert report.unknown == []
    assert report.axes["H"].phases == report.axes["W"].phases
    assert report.axes["H"].jump == 32


def test_segmentation_model_returns_one_tensor_in_a_dict() -> None:
    report = ask("fcn_resnet50", 96, weights_backbone=None)
    axis = report.axes["H"]
    assert (axis.jump, axis.period, axis.output_size) == (1, 8, 96)
    assert axis.local_size == 451
    assert axis.size == 451


def test_global_pooling_of_deeplab() -> None:
    report = ask("deeplabv3_resnet50", 96, weights_backbone=None)
    assert math.isinf(report.axes["W"].size)
    assert report.axes["W"].local_size == 1027


def test_video() -> None:
    report = analyze(build("r3d_18"), torch.zeros(1, 3, 8, 32, 32))
    assert [axis.local_size for axis in report.axes.values()] == [109, 219, 219]
    assert [axis.jump for axis in report.axes.values()] == [8, 16, 16]


def test_verify_on_a_real_model() -> None:
    result = ask("squeezenet1_1", 96, layer="features.5").verify(num_outputs=2)
    assert result.agrees, str(result)


def test_conv_tasnet() -> None:
    torchaudio = pytest.importorskip("torchaudio")
    model = torchaudio.models.ConvTasNet(
        enc_num_feats=4, msk_num_feats=4, msk_num_hidden_feats=4, msk_num_layers=3, msk_num_stacks=2
    )
    report = analyze(model.eval(), torch.zeros(1, 1, 800))
    axis = report.axes["T"]
    assert math.isinf(axis.size)  # its norms run over time
    # Encoder and decoder: kernel 16, stride 8; the masks see 1 + 2 * 2 * (1 + 2 + 4) frames.
    assert (axis.jump, axis.period) == (1, 8)
    assert axis.local_size == 8 * (2 * 2 * 7) + 8 + 16
    assert report.unknown == []


def test_wav2vec2() -> None:
    torchaudio = pytest.importorskip("torchaudio")
    model = torchaudio.models.wav2vec2_base().eval()
    report = analyze(model, torch.zeros(1, 4000), layer="feature_extractor", sample_rate=16000)
    axis = report.axes["T"]
    assert (axis.local_size, axis.jump, axis.start) == (400, 320, 0)
    assert report.unknown == []


def test_spectrogram_counts_samples() -> None:
    torchaudio = pytest.importorskip("torchaudio")
    axis = analyze(
        torchaudio.transforms.MelSpectrogram(16000, n_mels=20), torch.zeros(1, 1, 4000)
    ).axes["T"]
    assert (axis.size, axis.jump, axis.start) == (400, 200, -200)
