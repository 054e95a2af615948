"""Variations of training sounds; each a pure function of the sound and a random generator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_COLOUR_KNOTS = 6
_QUIET = 1e-4  # root mean square that a sound is taken to have at least


class SoundAugmentation:
    """Another speed, colour, beginning, level and background for a waveform.

    The draws come in this order, so that the result is a pure function of waveform and generator:
    speed, colour, shift, crop, noise, gain. A setting of 0 (or None) leaves its step out.

    Args:
        speed: largest change of speed and pitch together, as logarithm of their ratio: 0.15 plays
            at 0.86 to 1.16 times the speed.
        colour_db: standard deviation of the gain, in decibels, that a random smooth filter has at
            each of six frequencies, as if another microphone had listened in another room.
        shift_seconds: longest silence put before.
        crop_seconds: longest part that is kept, from a random place; None: all of it.
        noise_probability: how often white noise is added.
        noise_db: lowest and highest ratio of sound to noise, in decibels.
        gain_db: largest change of level.
        rotate: begin at a random place and put what was before it at the end (for textures, where
            the order of events does not matter).

    Raises:
        ValueError: when a number is out of its range.

    References:
        Ko et al. (2015), "Audio augmentation for speech recognition", for the speed.

    Example:
        >>> augment = SoundAugmentation(speed=0.1, gain_db=6.0)
        >>> augment(np.ones(1000, dtype=np.float32), 8000, np.random.default_rng(0)).dtype
        dtype('float32')
    """

    def __init__(
        self,
        speed: float = 0.0,
        colour_db: float = 0.0,
        shift_seconds: float = 0.0,
        crop_seconds: float | None = None,
        noise_probability: float = 0.0,
        noise_db: Sequence[float] = (10.0, 40.0),
        gain_db: float = 0.0,
        rotate: bool = False,
    ) -> None:
        for name, value, most in (
            ("speed", speed, 1.0),
            ("colour_db", colour_db, math.inf),
            ("shift_seconds", shift_seconds, math.inf),
            ("noise_probability", noise_probability, 1.0),
            ("gain_db", gain_db, math.inf),
        ):
            if not 0 <= value <= most:
                raise ValueError(f"{name} must be in [0, {most:g}], got {value}")
        if crop_seconds is not None and crop_seconds <= 0:
            raise ValueError(f"crop_seconds must be > 0 or null, got {crop_seconds}")
        if len(noise_db) != 2 or noise_db[0] > noise_db[1]:
            raise ValueError(f"noise_db must be [lowest, highest], got {list(noise_db)}")
        self.speed = speed
        self.colour_db = colour_db
        self.shift_seconds = shift_seconds
        self.crop_seconds = crop_seconds
        self.noise_probability = noise_probability
        self.noise_db = (float(noise_db[0]), float(noise_db[1]))
        self.gain_db = gain_db
        self.rotate = rotate

    def __call__(
        self, waveform: np.ndarray, sample_rate: int, rng: np.random.Generator
    ) -> np.ndarray:
        """A variation of a waveform (T,), itself float32 and of another length, at least 1."""
        x = waveform
        if self.speed:
            ratio = math.exp(rng.uniform(-self.speed, self.speed))
            places = np.arange(max(1, int(len(x) / ratio))) * ratio
            x = np.interp(places, np.arange(len(x)), x).astype(np.float32)
        if self.colour_db:
            gains_db = self.colour_db * rng.standard_normal(_COLOUR_KNOTS)
            x = coloured(x, gains_db, sample_rate)
        if self.rotate:
            x = np.roll(x, rng.integers(len(x)))
        if self.shift_seconds:
            limit = round(self.shift_seconds * sample_rate)
            x = np.concatenate([np.zeros(rng.integers(limit + 1), np.float32), x])
        if self.crop_seconds is not None:
            length = max(1, round(self.crop_seconds * sample_rate))
            start = int(rng.integers(max(0, len(x) - length) + 1))
            x = x[start : start + length]
        if self.noise_probability and rng.random() < self.noise_probability:
            level = rms(x) * 10 ** (-rng.uniform(*self.noise_db) / 20)
            x = x + np.float32(level) * rng.standard_normal(len(x), dtype=np.float32)
        if self.gain_db:
            x = x * np.float32(10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20))
        return np.ascontiguousarray(x, dtype=np.float32)


def coloured(waveform: np.ndarray, gains_db: np.ndarray, sample_rate: int) -> np.ndarray:
    """A waveform (T,) through a filter without delay that has given gains at given frequencies.

    Args:
        waveform: (T,) float32.
        gains_db: (K,) gains in decibels, K at least 2, at places that are equally far from each
            other in mel, from 0 Hz to half the sample rate; linear between them.
        sample_rate: in Hz.

    Returns:
        (T,) float32.

    Example:
        >>> x = np.random.default_rng(0).standard_normal(100, dtype=np.float32)
        >>> np.allclose(coloured(x, np.array([20.0, 20.0]), 8000), 10 * x, atol=1e-5)
        True
    """
    # Zeros behind the sound take up the filter's ringing, which would come round to the beginning;
    # a power of two is transformed several times as fast as a number with a large prime factor.
    length = 1 << (len(waveform) + sample_rate // 50 - 1).bit_length()
    spectrum = np.fft.rfft(waveform, length)
    mel = np.log1p(np.linspace(0, sample_rate / 2, len(spectrum)) / 700)
    gains = np.interp(mel, np.linspace(0, mel[-1], len(gains_db)), gains_db)
    filtered = np.fft.irfft(spectrum * 10 ** (gains / 20), length)
    return filtered[: len(waveform)].astype(np.float32)


class FeatureMasks:
    """Silences a few bands and a few stretches of time (SpecAugment).

    Args:
        count: masks of either kind.
        band_share: largest share of the channels that one mask covers; a single channel (raw audio)
            is never covered.
        time_share: largest share of a row's length that one mask covers.

    Raises:
        ValueError: when a number is out of its range.

    References:
        Park et al. (2019), "SpecAugment: a simple data augmentation method for automatic speech
        recognition".
    """

    def __init__(self, count: int = 1, band_share: float = 0.2, time_share: float = 0.2) -> None:
        if count < 0:
            raise ValueError(f"count must be >= 0, got {count}")
        for name, value in (("band_share", band_share), ("time_share", time_share)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {value}")
        self.count = count
        self.band_share = band_share
        self.time_share = time_share

    def __call__(self, x: Tensor, length: int, rng: np.random.Generator) -> None:
        """Put zeros into one row of features (C, T), in place; its first `length` steps count."""
        C = len(x)
        for _ in range(self.count):
            if C > 1:
                start, stop = _span(C, self.band_share, rng)
                x[start:stop] = 0
            start, stop = _span(length, self.time_share, rng)
            x[:, start:stop] = 0


def stretch(x: Tensor, lengths: Tensor, ratios: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of features drawn out or pressed together in time, by linear interpolation.

    Of log-mel frames this changes the tempo and leaves pitch and formants alone.

    Args:
        x: (B, C, T), zero behind each row's length.
        lengths: (B,) steps of each row.
        ratios: (B,) new length over the old one.

    Returns:
        The new x, zero behind each row's new length, and the new lengths, at least 1.

    Example:
        >>> x = torch.tensor([[[0.0, 1.0, 2.0, 3.0]]])
        >>> stretch(x, torch.tensor([4]), torch.tensor([0.5]))[0].tolist()
        [[[0.5, 2.5]]]
    """
    new = (lengths * ratios).round().long().clamp(min=1)
    steps = torch.arange(int(new.max()))
    # Step j of the new row has its middle at (j + 1/2) of it, which is that share of the old one.
    places = (steps + 0.5) * (lengths / new)[:, None] - 0.5
    places = places.clamp(min=0).minimum(lengths[:, None] - 1.0)
    before = places.floor().long()
    after = (before + 1).minimum(lengths[:, None] - 1)
    share = (places - before)[:, None]
    before, after = (index[:, None].expand(-1, x.shape[1], -1) for index in (before, after))
    y = x.gather(2, before) * (1 - share) + x.gather(2, after) * share
    return y.masked_fill((steps >= new[:, None])[:, None], 0), new


def mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Two sounds at once, brought to one level, the first with weight `share`.

    References:
        Zhang et al. (2018), "mixup: beyond empirical risk minimization"; Tokozume et al. (2018),
        "Learning from between-class examples for deep sound recognition", for the level.

    Example:
        >>> mix(np.ones(3, np.float32), np.full(2, 5.0, np.float32), 0.5).tolist()
        [1.0, 1.0, 0.5]
    """
    longer = np.zeros(max(len(first), len(second)), dtype=np.float32)
    longer[: len(first)] += np.float32(share / rms(first)) * first
    longer[: len(second)] += np.float32((1 - share) / rms(second)) * second
    return longer * np.float32(rms(first))


def rms(x: np.ndarray) -> float:
    """Root mean square, at least that of near silence."""
    return max(math.sqrt(float(np.square(x, dtype=np.float64).mean())), _QUIET)


def _span(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(int(length * share) + 1))
    start = int(rng.integers(length - width + 1))
    return start, start + width
