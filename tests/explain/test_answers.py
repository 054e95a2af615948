"""What the pictures claim of filters and networks holds for the tensors behind them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavestack.explain.compare import enlarge, luminance, strongest
from wavestack.explain.extraction import EdgeNet
from wavestack.explain.filtering import ResizeThenFilter, derivative, derivative_filter
from wavestack.explain.scene import scene
from wavestack.layers import densify
from wavestack.receptive_field import analyze


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return scene(height=96)


def test_the_scene_is_the_same_every_time_and_full_of_contrast(picture):
    assert picture.shape == (96, 128, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert np.array_equal(picture, scene(96))
    assert not np.array_equal(picture, scene(96, seed=4))
    assert picture.std() > 0.15


def test_the_filter_is_blind_to_even_light_and_to_changes_from_top_to_bottom():
    kernel = derivative_filter()[0, 0]
    torch.testing.assert_close(kernel, -kernel.flip(1), atol=1e-7, rtol=0)
    torch.testing.assert_close(kernel, kernel.flip(0), atol=1e-7, rtol=0)
    assert kernel.clamp(min=0).sum().item() == pytest.approx(1)
    ramp = torch.arange(20.0).repeat(20, 1)[None, None]
    inside = (..., slice(5, 15), slice(5, 15))
    assert (derivative(1)(ramp)[inside] > 0.5).all()
    torch.testing.assert_close(
        derivative(1)(ramp.mT)[inside], torch.zeros(1, 1, 10, 10), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("rate", [2, 3, 5])
def test_atrous_answers_are_those_of_the_smaller_picture_where_it_has_any(picture, rate):
    x = luminance(picture)
    resized = ResizeThenFilter(rate)
    dense = derivative(rate)(x)
    torch.testing.assert_close(dense[..., ::rate, ::rate], resized.sparse(x), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        resized(x)[..., ::rate, ::rate], resized.sparse(x), atol=1e-6, rtol=0
    )
    assert analyze(derivative(rate), x).axes["H"].size == 6 * rate + 1


@pytest.mark.parametrize("size", [(1, 1), (9, 12), (10, 16), (11, 7)])
@pytest.mark.parametrize("stride", [1, 2, 8])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_enlarged_answers_stay_where_they_were(size, stride, mode):
    x = torch.randn(1, 1, *size)
    sparse = x[..., ::stride, ::stride]
    dense = enlarge(sparse, stride, size, mode)
    assert dense.shape == x.shape
    torch.testing.assert_close(dense[..., ::stride, ::stride], sparse, atol=1e-6, rtol=0)


def test_the_strongest_part_holds_the_strongest_answers():
    answer = torch.zeros(1, 1, 30, 40)
    answer[0, 0, 12:15, 20:23] = -5
    part = strongest(answer, 6)
    assert answer[0, 0][part.window].square().sum() == answer.square().sum()
    assert strongest(answer, 100).side == 30


def test_the_dense_network_keeps_every_answer_of_the_strided_one(picture):
    net, x = EdgeNet().eval(), luminance(picture)[..., 5:88, 10:110]
    axis = analyze(net, x).axes["H"]
    assert (axis.size, axis.jump) == (43, 8)
    dense = densify(net, 1, example_input=x)(x)
    assert dense.shape == x.shape
    torch.testing.assert_close(dense[..., ::8, ::8], net(x), atol=1e-5, rtol=0)


def test_the_network_answers_alike_to_a_turned_picture():
    net, x = EdgeNet(), torch.randn(1, 1, 41, 41)  # outputs at 0, 8, ..., 40 from either side
    torch.testing.assert_close(net(x.rot90(1, (2, 3))), net(x).rot90(1, (2, 3)), atol=1e-4, rtol=0)
