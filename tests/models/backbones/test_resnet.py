"""ResNets: torchvision's function with torchvision's weights, the same weights at every stride."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from tests.models.backbones.helpers import assert_close, every, shaken
from wavestack.models.backbones import ResNet
from wavestack.receptive_field import analyze

BOTTLENECKS = (50, 101)
DEPTHS = (18, 34, *BOTTLENECKS)


def theirs(depth: int, output_stride: int = 32) -> nn.Module:
    dilate = [False, output_stride < 16, output_stride < 32]
    build = getattr(torchvision.models, f"resnet{depth}")
    if depth in BOTTLENECKS:
        return shaken(build(replace_stride_with_dilation=dilate))
    return shaken(build())


def their_features(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    stem = model.relu(model.bn1(model.conv1(x)))
    features = [stem]
    x = model.maxpool(stem)
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = stage(x)
        features.append(x)
    return features


@pytest.mark.parametrize(
    ("depth", "output_stride"), [(18, 32), (34, 32), (50, 16), (50, 8), (101, 8)]
)
@torch.no_grad()
def test_torchvision_s_weights_give_torchvision_s_features(depth, output_stride):
    reference = theirs(depth, output_stride)
    backbone = ResNet(depth, output_stride=output_stride).eval()
    state = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    backbone.load_state_dict(state, strict=True)
    x = torch.randn(1, 3, 49, 33)
    expected = their_features(reference, x)
    outputs = backbone(x)
    assert len(outputs) == len(expected)
    for output, reference_output in zip(outputs, expected, strict=True):
        assert_close(output, reference_output)


@pytest.mark.parametrize(("depth", "multi_grid"), [(18, None), (18, (1, 2)), (50, (1, 2, 4))])
@torch.no_grad()
def test_dense_features_hold_the_strided_ones(depth, multi_grid):
    strided = shaken(ResNet(depth, multi_grid=multi_grid, base_channels=4))
    x = torch.randn(1, 3, 65, 49)
    expected = strided(x)
    for output_stride in (4, 8, 16):
        dense = ResNet(depth, output_stride=output_stride, multi_grid=multi_grid, base_channels=4)
        dense.eval()
        dense.load_state_dict(strided.state_dict(), strict=True)
        for output, small, ours, theirs in zip(
            dense(x), expected, dense.strides, strided.strides, strict=True
        ):
            assert_close(every(output, theirs // ours), small)


@pytest.mark.parametrize(
    ("depth", "millions", "with_classifier"),
    [(18, 11.18, 11.69), (34, 21.28, 21.80), (50, 23.51, 25.56), (101, 42.50, 44.55)],
)
def test_parameters_are_as_published(depth, millions, with_classifier):
    backbone = ResNet(depth)
    count = sum(p.numel() for p in backbone.parameters())
    assert round(count / 1e6, 2) == millions
    classifier = 1000 * (backbone.out_channels[-1] + 1)
    assert round((count + classifier) / 1e6, 2) == with_classifier


@pytest.mark.parametrize(("depth", "size"), [(18, 435), (34, 899), (50, 427)])
def test_receptive_field_is_the_same_at_every_output_stride(depth, size):
    for output_stride in (32, 8):
        backbone = ResNet(depth, output_stride=output_stride, base_channels=1).eval()
        axis = analyze(backbone, backbone.example_input(), layer="layer4").axes["H"]
        assert (axis.size, axis.jump) == (size, output_stride)
        assert axis.start == -(size - 1) // 2


def test_undilated_control_has_the_same_strides_and_parameters_and_no_rates():
    control = ResNet(50, output_stride=8, multi_grid=(1, 2, 4), base_channels=2, dilated=False)
    dilated = ResNet(50, output_stride=8, multi_grid=(1, 2, 4), base_channels=2)
    assert control.strides == dilated.strides
    assert (control.dilation, dilated.dilation) == (1, 4)
    rates = {m.dilation for m in control.modules() if isinstance(m, nn.Conv2d)}
    assert rates == {(1, 1)}
    rates = [m.dilation[0] for m in dilated.layer4.modules() if isinstance(m, nn.Conv2d)]
    assert [r for r in rates if r > 1] == [2, 8, 16]
    shapes = {k: v.shape for k, v in control.state_dict().items()}
    assert shapes == {k: v.shape for k, v in dilated.state_dict().items()}


def test_any_number_of_channels_and_batches_of_one_train():
    backbone = ResNet(18, in_channels=5, output_stride=8).to(memory_format=torch.channels_last)
    outputs = backbone(torch.randn(1, 5, 33, 41).to(memory_format=torch.channels_last))
    assert all(h.is_contiguous(memory_format=torch.channels_last) for h in outputs)
    sum(h.mean() for h in outputs).backward()
    assert all(p.grad is not None for p in backbone.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 20}, "depth must be one of 18, 34, 50, 101, got 20"),
        ({"output_stride": 12}, "output_stride must be one of 4, 8, 16, 32, got 12"),
        ({"multi_grid": (1, 2)}, r"multi_grid must hold 3 rates >= 1.*got \[1, 2\]"),
        ({"multi_grid": (1, 2, 0)}, r"multi_grid must hold 3 rates >= 1.*got \[1, 2, 0\]"),
        ({"in_channels": 0}, "in_channels must be >= 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**arguments)
