"""The depthwise-separable convolution: the full kernel it stands for, and what it saves."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wavestack.layers import AtrousConv2d, DepthwiseSeparableConv2d
from wavestack.receptive_field import analyze


@pytest.mark.parametrize("depth_multiplier", [1, 3])
@pytest.mark.parametrize("dilation", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_a_convolution_whose_kernel_is_a_product(depth_multiplier, dilation, stride):
    conv = DepthwiseSeparableConv2d(
        4, 5, 3, stride, dilation, depth_multiplier=depth_multiplier
    ).double()
    depth = conv.depthwise.weight.reshape(4, depth_multiplier, 3, 3)
    point = conv.pointwise.weight.reshape(5, 4, depth_multiplier)
    full = torch.einsum("kcm,cmij->kcij", point, depth)
    x = torch.randn(2, 4, 15, 12, dtype=torch.float64)
    expected = F.conv2d(x, full, conv.pointwise.bias, stride, dilation, dilation)
    torch.testing.assert_close(conv(x), expected, atol=1e-12, rtol=0)


def test_multiplications_of_the_textbook_case():
    assert AtrousConv2d(3, 256, 5).multiplications(8, 8) == 1_228_800
    conv = DepthwiseSeparableConv2d(3, 256, 5)
    parts = [part.multiplications(8, 8) for part in (conv.depthwise, conv.pointwise)]
    assert parts == [4_800, 49_152]
    assert conv.multiplications(8, 8) == 53_952


@pytest.mark.parametrize("conv", [
    AtrousConv2d(6, 10, (3, 5), 2, bias=False, groups=2),
    DepthwiseSeparableConv2d(6, 10, 3, dilation=2, bias=False, depth_multiplier=2),
], ids=lambda conv: type(conv).__name__)  # fmt: skip
def test_multiplications_are_the_calculators(conv):
    report = analyze(conv, torch.zeros(1, 6, 16, 16))
    assert conv.multiplications(*report.output_shape[2:]) == report.macs


def test_between_stands_between():
    norm = nn.BatchNorm2d(4)
    norm.bias.data.fill_(2.0)
    conv = DepthwiseSeparableConv2d(4, 2, 3, between=norm).eval()
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(conv(x), conv.pointwise(norm(conv.depthwise(x))))
    assert len(conv.state_dict()) == 8


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="depth_multiplier must be >= 1, got 0"):
        DepthwiseSeparableConv2d(3, 3, 3, depth_multiplier=0)
    with pytest.raises(ValueError, match="kernel_size must be >= 1, got 0"):
        DepthwiseSeparableConv2d(3, 3, 0)
