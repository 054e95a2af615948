"""Aligned Xceptions: published sizes, and the same function at every output stride."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.models.backbones.helpers import assert_close, every, shaken
from wavestack.models.backbones import Xception, make_backbone
from wavestack.receptive_field import analyze


@pytest.mark.parametrize(("depth", "millions"), [(41, 26.97), (65, 39.92), (71, 42.34)])
def test_parameters_are_as_published(depth, millions):
    with torch.device("meta"):
        backbone = Xception(depth)
    count = sum(p.numel() for p in backbone.parameters())
    # Published with a classifier of 1000, by timm as xception41, xception65 and xception71.
    assert round((count + 1000 * (2048 + 1)) / 1e6, 2) == millions
    # The name counts convolutions: a separable one as one, projections not.
    separable = 3 * len(backbone.blocks) + 3
    assert separable + 2 == depth


@pytest.mark.slow
@pytest.mark.parametrize("depth", [41, 71])
@torch.no_grad()
def test_timm_s_files_give_timm_s_features(depth, tmp_path):
    timm = pytest.importorskip("timm")
    reference = shaken(timm.create_model(f"xception{depth}"))
    torch.save(reference.state_dict(), tmp_path / "timm.pth")
    backbone = make_backbone(f"xception{depth}", weights=tmp_path / "timm.pth").eval()
    x = torch.randn(1, 3, 65, 97)
    assert_close(backbone(x)[-1], reference.forward_features(x))


def test_timm_s_names_are_ours():
    backbone = Xception(41, base_channels=1)
    theirs = {
        "stem.0.conv.weight": "stem.0.weight",
        "stem.1.bn.running_var": "stem.4.running_var",
        "blocks.0.shortcut.conv.weight": "blocks.0.shortcut.0.weight",
        "blocks.3.stack.conv2.conv_dw.weight": "blocks.3.conv2.0.depthwise.weight",
        "blocks.3.stack.conv2.bn_dw.bias": "blocks.3.conv2.0.between.bias",
        "blocks.11.stack.conv3.bn_pw.weight": "blocks.11.conv3.1.weight",
        "blocks.12.stack.conv1.bn_dw.weight": "exit.0.0.between.0.weight",
        "blocks.12.stack.conv3.conv_pw.weight": "exit.2.0.pointwise.weight",
        "blocks.12.stack.conv3.bn_pw.bias": "exit.2.1.0.bias",
    }
    own = backbone.state_dict()
    assert set(theirs.values()) <= set(own)
    values = {name: own[ours] for name, ours in theirs.items()}
    assert list(backbone.translate(values)) == list(theirs.values())
    assert backbone.translate(own) == own  # and our own names stay


@pytest.mark.parametrize("depth", [41, 71])
@torch.no_grad()
def test_dense_features_hold_the_strided_ones(depth):
    strided = shaken(Xception(depth, base_channels=2, multi_grid=(1, 2, 4)))
    x = torch.randn(1, 3, 65, 49)
    expected = strided(x)
    assert [h.shape[1] for h in expected] == list(strided.out_channels)
    assert [h.shape[2] for h in expected] == [-(-65 // stride) for stride in strided.strides]
    for output_stride in (4, 8, 16):
        dense = Xception(
            depth, base_channels=2, multi_grid=(1, 2, 4), output_stride=output_stride
        ).eval()
        dense.load_state_dict(strided.state_dict(), strict=True)
        for output, small, ours, theirs in zip(
            dense(x), expected, dense.strides, strided.strides, strict=True
        ):
            assert_close(every(output, theirs // ours), small)


def test_rates_are_deeplab_s():
    def rates(module: nn.Module) -> set[int]:
        found = (m for m in module.modules() if isinstance(m, nn.Conv2d))
        return {m.dilation[0] for m in found if m.kernel_size == (3, 3)}

    backbone = Xception(65, output_stride=8, base_channels=1)
    assert [rates(block) for block in backbone.blocks] == [{1}] * 3 + [{2}] * 17
    assert rates(backbone.exit) == {4}
    assert backbone.dilation == 4
    control = Xception(65, output_stride=8, base_channels=1, dilated=False)
    assert rates(control) == {1}
    assert control.strides == backbone.strides


def test_receptive_field_is_the_same_at_every_output_stride():
    # Two 3x3 convolutions; then blocks of three, each with the jump before its stride.
    size = 3 + 2 * 2 + 6 * (2 + 4 + 8) + 6 * 16 * 8 + 6 * 16 + 6 * 32
    for output_stride in (32, 16):
        backbone = Xception(41, output_stride=output_stride, base_channels=1).eval()
        axis = analyze(backbone, backbone.example_input(), layer="exit").axes["H"]
        assert (axis.size, axis.jump) == (size, output_stride)


def test_an_image_trains_every_parameter_without_overwriting_features():
    backbone = Xception(41, base_channels=2, in_channels=1, output_stride=16)
    features = backbone(torch.randn(2, 1, 33, 49))
    assert any((h < 0).any() for h in features[:4])  # taken before the next ReLU
    sum(h.square().mean() for h in features).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_depths_are_named():
    with pytest.raises(ValueError, match="depth must be one of 41, 65, 71, got 39"):
        Xception(39)
