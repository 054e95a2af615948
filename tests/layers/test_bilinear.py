"""Learned upsampling: bilinear interpolation to begin with, and its place in the field."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from wavestack.layers import BilinearConvTranspose2d
from wavestack.receptive_field import analyze


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 8, 16, 32])
@pytest.mark.parametrize("depthwise", [True, False])
def test_it_starts_as_bilinear_interpolation(stride, depthwise):
    up = BilinearConvTranspose2d(3, stride, depthwise=depthwise)
    x = torch.randn(2, 3, 5, 4)
    y = up(x)
    expected = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    assert y.shape == expected.shape
    border = stride // 2
    inside = (..., slice(border, 5 * stride - border), slice(border, 4 * stride - border))
    torch.testing.assert_close(y[inside], expected[inside], atol=1e-5, rtol=0)
    if stride > 1:
        assert not torch.allclose(y, expected, atol=1e-2)


def test_channels_stay_on_their_own_or_may_mix():
    assert BilinearConvTranspose2d(3, 2).weight.shape == (3, 1, 4, 4)
    mixing = BilinearConvTranspose2d(3, 2, depthwise=False)
    assert mixing.weight.shape == (3, 3, 4, 4)
    mixing(torch.randn(1, 3, 4, 4)).square().sum().backward()
    assert mixing.weight.grad[0, 1].abs().sum() > 0


def test_it_can_be_kept_as_it_is():
    assert BilinearConvTranspose2d(2, 8).weight.requires_grad
    assert not BilinearConvTranspose2d(2, 8, trainable=False).weight.requires_grad


def test_the_calculator_sees_steps_of_1_over_stride_and_two_neighbours():
    axis = analyze(BilinearConvTranspose2d(1, 4), torch.zeros(1, 1, 8, 8)).axes["H"]
    assert (axis.size, axis.jump, axis.period) == (2, Fraction(1, 4), 4)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="channels must be >= 1, got 0"):
        BilinearConvTranspose2d(0, 2)
    with pytest.raises(ValueError, match="stride must be >= 1, got 0"):
        BilinearConvTranspose2d(2, 0)
