"""FCN: a classifier on every patch, skips that start at zero, torchvision's form of it."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import segmentation

from tests.models.backbones.helpers import shaken
from tests.models.dense_tester import DensePredictionTester
from wavestack.errors import UserError
from wavestack.models.segmentation import FCN
from wavestack.models.segmentation.vgg_head import VGGHead
from wavestack.receptive_field import analyze

VGG = {"base_channels": 4, "channels": 16}
RESNET = {"backbone": "resnet18", "base_channels": 8}


class TestFCN8s(DensePredictionTester):
    model = FCN
    arguments = VGG
    output_strides = ()  # where deep features are as large as shallow ones, nothing upsamples


class TestFCN8sOnResNet(DensePredictionTester):
    model = FCN
    arguments = RESNET
    output_strides = ()


class TestFCN32sWithBatchNorm(DensePredictionTester):
    model = FCN
    arguments: ClassVar = {**VGG, "backbone": "vgg16_bn", "skips": 0}


@torch.no_grad()
@pytest.mark.parametrize("aux", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("depth", [50, pytest.param(101, marks=pytest.mark.slow)])
def test_torchvision_s_weights_give_torchvision_s_logits(depth, aux):
    build = getattr(segmentation, f"fcn_resnet{depth}")
    theirs = shaken(build(weights=None, weights_backbone=None, num_classes=5, aux_loss=aux)).eval()
    ours = FCN(5, f"resnet{depth}", output_stride=8, skips=0, aux=aux).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 3, 41, 56)
    expected = theirs(x)
    found = ours(x) if aux else {"out": ours(x)}
    assert set(found) == set(expected)
    for name, logits in expected.items():
        error = (found[name] - logits).abs().max() / logits.abs().max()
        assert error < 1e-5


@pytest.mark.parametrize(
    ("options", "count"),
    [
        # VGG-16's 14,714,688 and fc6 and fc7 as convolutions: the paper's "134M".
        ({"skips": 0}, 14_714_688 + 102_764_544 + 16_781_312 + 21 * 4097),
        # Scores of pool 4 and pool 3, two learned upsamplings by 2 for each class alone.
        ({"skips": 2}, 134_346_581 + 21 * (512 + 1 + 256 + 1) + 2 * 21 * 16),
        # torchvision's num_params.
        ({"backbone": "resnet50", "output_stride": 8, "skips": 0, "aux": True}, 35_322_218),
        ({"backbone": "resnet50", "output_stride": 8, "skips": 0}, 32_957_013),
    ],
)
def test_parameters_as_published(options, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in FCN(21, **options).parameters()) == count


def test_receptive_field_of_the_scores_is_the_paper_s():
    """404 pixels at stride 32, as Long et al. state for their VGG-16 (table 1)."""
    model = FCN(2, **VGG).eval()
    axis = analyze(model, model.example_input(512, 512), layer="classifier").axes["H"]
    assert (axis.size, axis.jump) == (404, 32)
    assert axis.start == -(404 - 32) // 2  # in the middle of the pixels that it stands for


@torch.no_grad()
def test_skips_start_from_the_net_without_them():
    model = FCN(3, **VGG).eval()
    x = torch.randn(1, 3, 64, 96)
    y = model.classifier(model.backbone(x)[-1])
    for upsample in model.upsamples:
        y = upsample(y)
    assert y.shape[-2:] == (8, 12)
    without = F.interpolate(y, scale_factor=8.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(model(x), without, rtol=0, atol=1e-6)
    for score in model.scores:
        score.weight.normal_()
        assert (model(x) - without).abs().max() > 0.1
        score.weight.zero_()


def test_skips_out_of_range_are_refused():
    with pytest.raises(ValueError, match="skips must be between 0 and 4, got 5"):
        FCN(3, skips=5, **VGG)


@torch.no_grad()
def test_linear_layers_become_convolutions_of_the_same_function():
    """On 7x7 features the head is the classifier; on larger ones it is the classifier of each."""
    linear = torch.nn.Sequential(
        *(torch.nn.Linear(5 * 49, 6), torch.nn.ReLU(), torch.nn.Dropout()),
        *(torch.nn.Linear(6, 6), torch.nn.ReLU(), torch.nn.Dropout()),
        torch.nn.Linear(6, 1000),
    ).eval()
    head = VGGHead(5, 3, channels=6, padding="valid").eval()
    head.load_linear(linear.state_dict())
    x = torch.randn(2, 5, 8, 10)
    found = torch.nn.Sequential(*list(head)[:6])(x)
    for i, j in ((0, 0), (1, 3)):
        expected = linear[:6](x[:, :, i : i + 7, j : j + 7].flatten(1))
        torch.testing.assert_close(found[:, :, i, j], expected, rtol=0, atol=1e-6)


def test_linear_layers_that_do_not_fit_are_refused():
    head = VGGHead(5, 3, channels=6)
    with pytest.raises(ValueError, match=r"0.weight must have 1470 values, got nothing"):
        head.load_linear({})
    with pytest.raises(ValueError, match=r"0.weight must have 1470 values, got shape \(2, 2\)"):
        head.load_linear({"0.weight": torch.zeros(2, 2)})


def _vgg_file(path, base_channels, hidden):
    """A VGG-16 as torchvision saves it, narrow."""
    features = FCN(2, base_channels=base_channels, channels=4).backbone.state_dict()
    width = 8 * base_channels * 49
    linear = {
        "classifier.0.weight": torch.randn(hidden, width),
        "classifier.0.bias": torch.randn(hidden),
        "classifier.3.weight": torch.randn(hidden, hidden),
        "classifier.3.bias": torch.randn(hidden),
        "classifier.6.weight": torch.randn(1000, hidden),
        "classifier.6.bias": torch.randn(1000),
    }
    state = {name: tensor + 1 for name, tensor in features.items()} | linear
    torch.save(state, path)
    return state


def test_a_vgg_s_file_gives_features_and_fully_connected_layers(tmp_path):
    state = _vgg_file(tmp_path / "vgg.pth", 2, 6)
    model = FCN(3, base_channels=2, channels=6, weights=tmp_path / "vgg.pth")
    own = model.state_dict()
    for name in ("features.0.weight", "features.28.bias"):
        assert torch.equal(own[f"backbone.{name}"], state[name])
    assert torch.equal(own["classifier.0.weight"].flatten(1), state["classifier.0.weight"])
    assert torch.equal(own["classifier.3.weight"].flatten(1), state["classifier.3.weight"])
    assert own["classifier.6.weight"].shape == (3, 6, 1, 1)


def test_a_head_of_another_width_keeps_its_own_weights(tmp_path):
    _vgg_file(tmp_path / "vgg.pth", 2, 6)
    torch.manual_seed(3)
    with_file = FCN(3, base_channels=2, channels=5, weights=tmp_path / "vgg.pth")
    torch.manual_seed(3)
    without = FCN(3, base_channels=2, channels=5)
    assert torch.equal(with_file.classifier[0].weight, without.classifier[0].weight)
    assert not torch.equal(
        with_file.backbone.features[0].weight, without.backbone.features[0].weight
    )


def test_a_file_that_does_not_fit_is_named(tmp_path):
    torch.save({"features.0.weight": torch.zeros(2)}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match=r"bad\.pth"):
        FCN(3, base_channels=2, weights=tmp_path / "bad.pth")


def test_the_last_upsampling_is_bilinear():
    model = FCN(3, skips=0, **VGG).eval()
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        scores = model.classifier(model.backbone(x)[-1])
        expected = F.interpolate(scores, size=(64, 96), mode="bilinear", align_corners=False)
        torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
