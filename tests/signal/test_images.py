"""Bicubic resizing as MATLAB does it, and YCbCr of BT.601."""

from __future__ import annotations

import doctest
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import wavestack.signal.bicubic as bicubic
import wavestack.signal.colour as colour
import wavestack.signal.image as image
from wavestack.signal import luma, resize_bicubic, rgb_to_ycbcr, ycbcr_to_rgb

SETS = Path(os.environ.get("WAVESTACK_DATA", "")) / "sr"


@pytest.mark.parametrize("module", [bicubic, colour, image])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module, extraglobs={"np": np, "torch": torch}).failed == 0


@pytest.mark.skipif(not SETS.is_dir(), reason="WAVESTACK_DATA has no sr/")
@pytest.mark.parametrize("scale", [2, 4])
def test_small_pictures_of_set5_are_met_bit_by_bit(scale):
    from PIL import Image

    for path in sorted((SETS / "Set5" / f"x{scale}_HR").iterdir())[1:4]:  # the smaller ones
        small = np.asarray(Image.open(SETS / "Set5" / f"x{scale}_LR" / path.name))
        np.testing.assert_array_equal(
            resize_bicubic(np.asarray(Image.open(path)), 1 / scale), small
        )


@pytest.mark.parametrize(("length", "scale"), [(12, 0.5), (13, 0.5), (40, 0.25), (9, 0.37), (7, 3)])
def test_every_output_is_the_sum_of_the_kernel_around_it(length, scale):
    x = np.random.default_rng(0).uniform(-1, 1, length)
    padded = np.concatenate([np.full(50, x[0]), x, np.full(50, x[-1])])
    squeeze = min(scale, 1)
    expected = []
    for i in range(int(np.ceil(length * scale))):
        centre = (i + 0.5) / scale - 0.5
        weights = bicubic.cubic_kernel(squeeze * (centre - (np.arange(len(padded)) - 50)))
        expected.append(weights @ padded / weights.sum())
    np.testing.assert_allclose(resize_bicubic(x[:, None], scale)[:, 0], expected, atol=1e-12)


def test_enlarging_goes_through_a_plane_exactly():
    rows, columns = np.mgrid[0:12, 0:10].astype(float)
    large = resize_bicubic(3 * rows - 2 * columns, 2)
    rows, columns = (np.mgrid[0:24, 0:20] + 0.5) / 2 - 0.5
    inner = (slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(large[inner], (3 * rows - 2 * columns)[inner], atol=1e-12)


@pytest.mark.parametrize(("length", "scale"), [(0, 2), (4, 0), (4, -1)])
def test_impossible_sizes_are_refused(length, scale):
    with pytest.raises(ValueError, match="length and scale must be > 0"):
        bicubic.bicubic_taps(length, scale)


def test_ycbcr_of_the_eight_corners_is_that_of_the_standard():
    # ITU-R BT.601, 8-bit values of black, white, red, green and blue.
    rgb = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).double()
    expected = [[16, 128, 128], [235, 128, 128], [81, 90, 240], [145, 54, 34], [41, 240, 110]]
    found = 255 * rgb_to_ycbcr(rgb[:, :, None, None])
    assert found.round().flatten(1).tolist() == expected
    torch.testing.assert_close(255 * luma(rgb[:, :, None, None]), found[:, :1])


def test_colours_come_back():
    x = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ycbcr_to_rgb(rgb_to_ycbcr(x)), x, rtol=0, atol=1e-6)


def test_colours_need_three_channels():
    with pytest.raises(ValueError, match=r"image must have shape \(\.\.\., 3, H, W\)"):
        luma(torch.zeros(1, 1, 4, 4))
