"""Pre-emphasis and resampling."""

from __future__ import annotations

import math

import pytest
import torch

from wavestack.signal import de_emphasis, pre_emphasis, resample


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.95, 0.999])
def test_de_emphasis_undoes_pre_emphasis(coefficient: float) -> None:
    x = torch.randn(3, 5000, dtype=torch.float64)
    # The inverse sums about 1 / (1 - coefficient) rounding errors of double precision.
    torch.testing.assert_close(
        de_emphasis(pre_emphasis(x, coefficient), coefficient), x, rtol=0, atol=1e-11
    )


def test_pre_emphasis_is_the_weighted_difference() -> None:
    x = torch.tensor([1.0, 3.0, 2.0])
    torch.testing.assert_close(pre_emphasis(x, 0.5), torch.tensor([1.0, 2.5, 0.5]))


def test_coefficient_one_is_refused() -> None:
    with pytest.raises(ValueError, match="coefficient"):
        pre_emphasis(torch.zeros(3), 1.0)


@pytest.mark.parametrize(("from_rate", "to_rate"), [(8000, 16000), (22050, 16000), (44100, 8000)])
def test_resampling_keeps_a_tone_and_scales_the_length(from_rate: int, to_rate: int) -> None:
    tone = torch.sin(2 * math.pi * 440 * _seconds(from_rate))
    expected = torch.sin(2 * math.pi * 440 * _seconds(to_rate))
    y = resample(tone, from_rate, to_rate)
    assert y.shape == (to_rate,)
    inner = slice(to_rate // 10, -to_rate // 10)  # the ends see the silence outside
    torch.testing.assert_close(y[inner], expected[inner], rtol=0, atol=1e-3)


def test_resampling_removes_what_the_lower_rate_cannot_carry() -> None:
    tone = torch.sin(2 * math.pi * 6000 * _seconds(16000))
    assert resample(tone, 16000, 8000)[800:-800].abs().max() < 1e-3


def _seconds(rate: int) -> torch.Tensor:
    # In single precision the phase of a tone would drift by more than the filter's error.
    return torch.arange(rate, dtype=torch.float64) / rate


def test_equal_rates_give_the_same_tensor() -> None:
    x = torch.randn(10)
    assert resample(x, 8000, 8000) is x


def test_a_rate_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="to_rate must be > 0 Hz, got 0"):
        resample(torch.zeros(3), 8000, 0)
