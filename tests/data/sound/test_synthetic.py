"""The embedded data set: the same everywhere, varied, and of known pitch."""

from __future__ import annotations

import numpy as np
import pytest

from wavestack.data import SyntheticAudio
from wavestack.data.sound.synthetic import pluck, vowel


def test_recordings_are_pure_and_a_larger_set_begins_with_the_smaller() -> None:
    small = SyntheticAudio(num_train=4).split("train")
    large = SyntheticAudio(num_train=8).split("train")
    assert len(large) == 8
    for a, b in zip(small, large[:4], strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.waveform, b.waveform)
    other = SyntheticAudio(num_train=4, seed=1).split("train")
    assert len(other[0].waveform) != len(small[0].waveform)
    assert len(SyntheticAudio().split("val")[0]) != len(small[0])


def test_recordings_are_within_full_scale_and_their_length_within_the_bounds() -> None:
    source = SyntheticAudio(num_test=24, min_seconds=0.2, max_seconds=0.4)
    recordings = source.split("test")
    assert source.label_names == (("pluck", "a", "e", "i", "o", "u"),)
    assert {r.labels[0] for r in recordings} == set(range(6))
    for r in recordings:
        assert r.waveform.dtype == np.float32
        assert 1600 <= len(r) <= 3200
        assert 0.1 < np.abs(r.waveform).max() <= 1
        assert r.name.endswith(source.label_names[0][r.labels[0]])


def _pitch(y: np.ndarray, sample_rate: int) -> float:
    power = np.abs(np.fft.rfft(y, 2 * len(y))) ** 2
    # Zeros in the middle of the spectrum interpolate the autocorrelation eightfold.
    correlation = np.fft.irfft(power, 16 * len(y))
    shortest, longest = (int(8 * sample_rate / pitch) for pitch in (400, 60))
    return 8 * sample_rate / (shortest + int(correlation[shortest:longest].argmax()))


class _Fixed:
    """Draws the middle of every range, so that the pitch is known."""

    def __init__(self) -> None:
        self.noise = np.random.default_rng(0)

    def uniform(self, low: float, high: float, size: int | None = None):
        return (low + high) / 2 if size is None else self.noise.uniform(low, high, size)

    def integers(self, low: int, high: int) -> int:
        return low

    def standard_normal(self, size: int) -> np.ndarray:
        return self.noise.standard_normal(size)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
def test_a_plucked_string_has_its_pitch_and_decays(sample_rate: int) -> None:
    y = pluck(_Fixed(), sample_rate, sample_rate)
    assert abs(_pitch(y, sample_rate) / 164.8 - 1) < 0.01
    quarter = sample_rate // 4
    assert np.abs(y[-quarter:]).max() < 0.3 * np.abs(y[:quarter]).max()


def test_a_vowel_is_loud_at_its_first_formant() -> None:
    for first, second in ((270.0, 2290.0), (730.0, 1090.0)):
        y = vowel(_Fixed(), 8000, 8000, (first, second, 3000.0))
        power = np.abs(np.fft.rfft(y)) ** 2  # 1 Hz a bin
        centre = 1.075 * first  # of a vocal tract of middle size
        near = power[int(centre - 120) : int(centre + 120)].sum()
        assert near > 0.5 * power[100:].sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate": 4000}, "sample_rate must be >= 8000 Hz, got 4000"),
        ({"min_seconds": 2.0}, "min_seconds and max_seconds"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticAudio(**change)
