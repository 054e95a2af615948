"""Plucked strings and sung vowels, made on the fly: the data set that is always there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wavestack.data.sound.recording import Recording
from wavestack.data.splits import SPLITS, Split, check_split

# Formants of Peterson and Barney's male speakers, in Hz.
_VOWELS: dict[str, tuple[float, float, float]] = {
    "a": (730.0, 1090.0, 2440.0),
    "e": (530.0, 1840.0, 2480.0),
    "i": (270.0, 2290.0, 3010.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}
_SOUNDS = ("pluck", *_VOWELS)


class SyntheticAudio:
    """Seeded synthetic recordings: Karplus-Strong plucks and formant vowels, labelled by sound.

    Pitch, timbre, gain and duration vary from one recording to the next, and a little noise lies
    under all of them. Recording i of a split is a pure function of (seed, split, i), so a larger
    set begins with the smaller one.

    Args:
        sample_rate: in Hz, at least 8000 (the highest formant needs it).
        num_train: recordings in the training split; half of all recordings are plucks.
        num_val: recordings in the validation split.
        num_test: recordings in the test split.
        min_seconds: shortest recording.
        max_seconds: longest recording.
        seed: not negative.
        label_sizes: instead of the sound, labels of this many classes each, without meaning: the
            form of another data set's labels, for trying out what was made for it.

    Attributes:
        label_names: one kind of label, the sound: pluck, a, e, i, o, u; numbers for `label_sizes`.
        report: how many recordings each split has.

    Raises:
        ValueError: when a number is out of its range.

    References:
        Karplus and Strong (1983), "Digital synthesis of plucked-string and drum timbres";
        Jaffe and Smith (1983), "Extensions of the Karplus-Strong plucked-string algorithm";
        Peterson and Barney (1952), "Control methods used in a study of the vowels", table II.

    Example:
        >>> recording = SyntheticAudio(num_train=2).split("train")[0]
        >>> recording.waveform.dtype, recording.labels
        (dtype('float32'), (0,))
    """

    def __init__(
        self,
        sample_rate: int = 8000,
        num_train: int = 300,
        num_val: int = 30,
        num_test: int = 60,
        min_seconds: float = 0.5,
        max_seconds: float = 1.0,
        seed: int = 0,
        label_sizes: Sequence[int] | None = None,
    ) -> None:
        if sample_rate < 8000:
            raise ValueError(f"sample_rate must be >= 8000 Hz, got {sample_rate}")
        if not 0.1 <= min_seconds <= max_seconds:
            raise ValueError(
                "min_seconds and max_seconds must satisfy 0.1 <= min_seconds <= max_seconds, "
                f"got {min_seconds:g} and {max_seconds:g}"
            )
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.sample_rate = sample_rate
        self.label_names: tuple[tuple[str, ...], ...] = (_SOUNDS,)
        if label_sizes is not None:
            self.label_names = tuple(tuple(map(str, range(size))) for size in label_sizes)
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds
        self.seed = seed
        self.report: dict[str, Any] = {"train": num_train, "val": num_val, "test": num_test}

    def split(self, name: Split) -> list[Recording]:
        """Make the recordings of one split."""
        check_split(name)
        return [self._make(name, index) for index in range(self.report[name])]

    def _make(self, split: Split, index: int) -> Recording:
        rng = np.random.default_rng([self.seed, SPLITS.index(split), index])
        num_samples = int(rng.uniform(self.min_seconds, self.max_seconds) * self.sample_rate)
        # Plucks and vowels take turns, and the vowels among themselves: 0 1 0 2 0 3 0 4 0 5 0 1 ...
        label = 0 if index % 2 == 0 else 1 + index // 2 % len(_VOWELS)
        sound = _SOUNDS[label]
        if sound == "pluck":
            y = pluck(rng, num_samples, self.sample_rate)
        else:
            y = vowel(rng, num_samples, self.sample_rate, _VOWELS[sound])
        y *= 10 ** (rng.uniform(-18, -2) / 20) / np.abs(y).max()
        y += 10 ** (-55 / 20) * rng.standard_normal(num_samples)
        labels: tuple[int, ...] = (label,)
        if self.label_names != (_SOUNDS,):
            labels = tuple(index % len(names) for names in self.label_names)
        return Recording(f"{split}/{index:04d}-{sound}", y.clip(-1, 1).astype(np.float32), labels)


def pluck(rng: np.random.Generator, num_samples: int, sample_rate: int) -> np.ndarray:
    """A plucked string: a burst of noise that circles in a delay line with a two-point average.

    Args:
        rng: draws pitch (82 to 330 Hz), damping, brightness and plucking place.
        num_samples: length of the result.
        sample_rate: in Hz.

    Shape:
        -> (num_samples,) float64, of no particular level.
    """
    frequency = 82.4 * 2 ** rng.uniform(0, 2)
    # The average of two samples delays by half a sample, the interpolation by the fraction.
    period = sample_rate / frequency - 0.5
    delay, fraction = int(period), period % 1
    half_life_seconds = rng.uniform(0.15, 0.6)
    damping = 0.5 ** (period / sample_rate / half_life_seconds)
    loop = damping * np.convolve([0.5, 0.5], [1 - fraction, fraction])

    burst = rng.uniform(-1, 1, delay)
    for _ in range(rng.integers(1, 4)):  # each pass takes brightness away
        burst = (burst + np.roll(burst, 1)) / 2
    # Plucking at a point of the string mutes the harmonics that have a node there.
    burst -= np.roll(burst, max(1, int(rng.uniform(0.1, 0.4) * delay)))

    silence = 2  # the loop filter reaches two samples before its delay
    y = np.zeros(silence + delay + num_samples)
    y[silence : silence + delay] = burst
    # A whole delay line at a time: y[t] = loop[0] y[t-d] + loop[1] y[t-d-1] + loop[2] y[t-d-2].
    for begin in range(silence + delay, len(y), delay):
        end = min(begin + delay, len(y))
        past = y[begin - delay - 2 : end - delay]
        y[begin:end] = loop[0] * past[2:] + loop[1] * past[1:-1] + loop[2] * past[:-2]
    return y[silence : silence + num_samples]


def vowel(
    rng: np.random.Generator,
    num_samples: int,
    sample_rate: int,
    formants: tuple[float, ...],
) -> np.ndarray:
    """A sung vowel: pulses of a gliding pitch and a little breath through a chain of resonators.

    Args:
        rng: draws pitch (90 to 220 Hz), its glide and vibrato, size of the vocal tract and breath.
        num_samples: length of the result.
        sample_rate: in Hz.
        formants: centres of the resonances of a large vocal tract, in Hz.

    Shape:
        -> (num_samples,) float64, of no particular level.
    """
    t = np.arange(num_samples) / sample_rate
    glide = rng.uniform(-0.15, 0.15) * t / t[-1]
    vibrato = rng.uniform(0, 0.015) * np.sin(2 * np.pi * rng.uniform(4, 6) * t)
    pitch = 90 * 2 ** (rng.uniform(0, 1.3) + glide + vibrato)
    phase = np.cumsum(pitch) / sample_rate

    # Each pulse is shared between the two samples next to it, so that the pitch is not rounded.
    source = rng.standard_normal(num_samples) * 10 ** (rng.uniform(-45, -30) / 20)
    wraps = np.flatnonzero(np.diff(np.floor(phase))) + 1
    late = phase[wraps] % 1 * sample_rate / pitch[wraps]
    source[wraps] += 1 - late
    source[wraps - 1] += late

    tract = rng.uniform(1.0, 1.15)
    n_fft = 1 << (2 * num_samples - 1).bit_length()  # long enough not to wrap around
    z = np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) / n_fft)  # z^-1 on the unit circle
    # The glottis falls by 12 dB an octave, the lips raise by 6.
    response = (1 - 0.98 * z) / (1 - 0.94 * z) ** 2
    for formant, bandwidth in zip(formants, (70.0, 100.0, 140.0), strict=True):
        radius = np.exp(-np.pi * bandwidth / sample_rate)
        angle = 2 * np.pi * min(formant * tract, 0.48 * sample_rate) / sample_rate
        gain = 1 - 2 * radius * np.cos(angle) + radius**2  # 1 at frequency 0
        response *= gain / (1 - 2 * radius * np.cos(angle) * z + radius**2 * z**2)
    y = np.fft.irfft(np.fft.rfft(source, n_fft) * response, n_fft)[:num_samples]
    attack, release = 0.03 * sample_rate, 0.08 * sample_rate
    n = np.arange(num_samples)
    return y * np.minimum(1, n / attack) * np.minimum(1, (num_samples - 1 - n) / release)
