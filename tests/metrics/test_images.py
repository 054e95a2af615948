"""PSNR and SSIM beside the formulas of their papers, window by window."""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest
import torch

import wavestack.metrics.images as images
from wavestack.metrics import psnr, shave, ssim


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Two smooth pictures and the same with noise."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 1, 6, 7, generator=generator)
    x = torch.nn.functional.interpolate(x, size=(40, 48), mode="bilinear")
    noise = 0.1 * torch.randn(x.shape, generator=generator)
    return (x + noise * torch.tensor([1.0, 0.3])[:, None, None, None]).clamp(0, 1), x


def test_examples_in_docstrings():
    assert doctest.testmod(images, extraglobs={"torch": torch}).failed == 0


def test_psnr_is_that_of_the_mean_squared_error(pair):
    error = (pair[0].double() - pair[1]).square().mean(dim=(1, 2, 3))
    expected = 10 * torch.log10(1 / error)
    torch.testing.assert_close(psnr(*pair), expected, rtol=0, atol=1e-9)
    assert psnr(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.01)).item() == pytest.approx(40)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_the_mean_over_windows_of_the_papers_formula(pair, channels):
    image, reference = (x[:, :, :15, :17].expand(-1, channels, -1, -1).double() for x in pair)
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = 0.01**2, 0.03**2
    for x, y, found in zip(image.numpy(), reference.numpy(), ssim(image, reference), strict=True):
        values = []
        for c, i, j in itertools.product(range(channels), range(5), range(7)):
            a, b = x[c, i : i + 11, j : j + 11], y[c, i : i + 11, j : j + 11]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            both = (window * (a - mean_a) * (b - mean_b)).sum()
            similar = (2 * mean_a * mean_b + c1) * (2 * both + c2)
            values.append(similar / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
        assert float(found) == pytest.approx(np.mean(values), abs=1e-10)


def test_equal_pictures_are_perfect(pair):
    assert psnr(pair[0], pair[0]).tolist() == [float("inf")] * 2
    assert ssim(pair[0], pair[0]).tolist() == pytest.approx([1, 1])


def test_shaving_takes_pixels_from_every_side():
    x = torch.arange(30.0).reshape(1, 1, 5, 6)
    assert shave(x, 2).tolist() == [[[[14, 15]]]]
    assert shave(x, 0).shape == x.shape


def test_pictures_must_fit(pair):
    with pytest.raises(ValueError, match="must have one shape"):
        psnr(pair[0], pair[1][..., 1:])
    with pytest.raises(ValueError, match="11 x 11 pixels or more"):
        ssim(*(x[..., :10] for x in pair))
