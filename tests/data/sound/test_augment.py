"""Variations of sounds: repeatable, bounded, and what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavestack.data import FeatureMasks, SoundAugmentation
from wavestack.data.sound.augment import coloured, mix, rms, stretch

ALL = SoundAugmentation(
    speed=0.2,
    colour_db=5.0,
    shift_seconds=0.05,
    crop_seconds=0.09,
    noise_probability=1.0,
    gain_db=6.0,
    rotate=True,
)


def sound(length: int = 1000) -> np.ndarray:
    return np.sin(np.arange(length) * 0.3).astype(np.float32)


def test_the_same_generator_gives_the_same_sound_and_another_gives_another():
    first, again, other = (ALL(sound(), 8000, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert first.dtype == np.float32


def test_a_colour_has_its_gains_at_its_frequencies_and_no_delay():
    gains_db = np.array([0.0, 6.0, -6.0, 3.0])
    top = np.log1p(4000 / 700)
    time = np.arange(8000) / 8000
    for knot in (1, 2):
        frequency = 700 * np.expm1(top * knot / 3)
        tone = np.sin(2 * np.pi * frequency * time).astype(np.float32)
        y = coloured(tone, gains_db, 8000)
        assert y.shape == tone.shape
        inside = slice(1000, 7000)
        expected = 10 ** (gains_db[knot] / 20) * tone[inside]
        np.testing.assert_allclose(y[inside], expected, atol=0.03)


def test_the_end_of_a_sound_does_not_ring_into_its_beginning():
    x = np.zeros(800, dtype=np.float32)
    x[-1] = 1
    y = coloured(x, np.array([0.0, 12.0, -12.0, 12.0, -12.0, 0.0]), 8000)
    assert np.abs(y[-40:]).max() > 0.5
    assert np.abs(y[:300]).max() < 1e-3


def test_nothing_is_changed_without_a_setting_and_never_in_place():
    x = sound()
    np.testing.assert_array_equal(SoundAugmentation()(x, 8000, np.random.default_rng(0)), x)
    before = x.copy()
    for seed in range(10):
        ALL(x, 8000, np.random.default_rng(seed))
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("length", [1, 2, 5, 400])
def test_short_sounds_survive_every_step(length: int):
    for seed in range(30):
        y = ALL(sound(length), 8000, np.random.default_rng(seed))
        assert len(y) >= 1
        assert np.isfinite(y).all()


def test_speed_moves_the_pitch():
    augment = SoundAugmentation(speed=0.3)
    ratios = set()
    for seed in range(8):
        y = augment(sound(4000), 8000, np.random.default_rng(seed))
        ratio = 4000 / len(y)
        peak = np.abs(np.fft.rfft(y * np.hanning(len(y)), 16384)).argmax() * 2 * np.pi / 16384
        assert peak == pytest.approx(0.3 * ratio, rel=0.01)
        assert np.exp(-0.3) * 0.999 <= ratio <= np.exp(0.3) * 1.001
        ratios.add(ratio)
    assert len(ratios) == 8


def test_noise_has_the_level_asked_for():
    augment = SoundAugmentation(noise_probability=1.0, noise_db=(20, 20))
    x = sound(20000)
    noise = augment(x, 8000, np.random.default_rng(0)) - x
    assert 20 * np.log10(rms(x) / rms(noise)) == pytest.approx(20, abs=0.3)


def test_a_crop_is_a_part_of_the_sound():
    augment = SoundAugmentation(crop_seconds=0.01)
    x = np.arange(1000, dtype=np.float32)
    starts = set()
    for seed in range(20):
        y = augment(x, 8000, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.diff(y), 1)
        assert len(y) == 80
        starts.add(float(y[0]))
    assert len(starts) > 10


def test_masks_hide_whole_bands_and_whole_stretches_of_the_row_itself():
    masks = FeatureMasks(count=1, band_share=0.5, time_share=0.5)
    hidden = []
    for seed in range(40):
        x = torch.ones(10, 30)
        masks(x, 20, np.random.default_rng(seed))
        assert (x[:, 20:].sum(0) == x[:, 20:].sum(0)[0]).all()  # time masks end with the row
        bands = (x[:, 29] == 0).sum()
        steps = (x[:, :20].sum(0) == 0).sum()
        assert bands <= 5
        assert steps <= 10
        hidden.append((int(bands), int(steps)))
    assert len(set(hidden)) > 10
    raw = torch.ones(1, 30)
    FeatureMasks(count=1, time_share=0.0, band_share=1.0)(raw, 30, np.random.default_rng(0))
    assert raw.all()


def test_a_stretched_row_is_the_same_line_with_another_slope():
    steps = torch.arange(12.0)
    x = torch.stack([steps, 3 * steps])[:, None] * (steps < torch.tensor([[12], [6]]))[:, None]
    lengths = torch.tensor([12, 6])
    y, longer = stretch(x, lengths, torch.tensor([1.5, 2.0]))
    assert longer.tolist() == [18, 12]
    torch.testing.assert_close(y[0, 0, 1:17].diff(), torch.full((15,), 1 / 1.5))
    torch.testing.assert_close(y[1, 0, 1:11].diff(), torch.full((9,), 1.5))
    assert not y[1, 0, 12:].any()
    same, unchanged = stretch(x, lengths, torch.ones(2))
    assert torch.equal(same, x)
    assert torch.equal(unchanged, lengths)
    assert stretch(x, lengths, torch.tensor([0.001, 0.001]))[1].tolist() == [1, 1]


def test_a_mix_holds_both_in_their_shares():
    first, second = sound(1000), 7 * np.cos(np.arange(600) * 0.5).astype(np.float32)
    mixed = mix(first, second, 0.75)
    assert len(mixed) == 1000
    np.testing.assert_allclose(mixed[600:], 0.75 * first[600:], rtol=1e-5)
    rest = mixed[:600] - 0.75 * first[:600]
    np.testing.assert_allclose(rest, 0.25 * second * rms(first) / rms(second), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speed": 2.0}, r"speed must be in \[0, 1\], got 2"),
        ({"noise_probability": -0.1}, r"noise_probability must be in \[0, 1\]"),
        ({"crop_seconds": 0.0}, r"crop_seconds must be > 0 or null, got 0"),
        ({"noise_db": (40, 10)}, r"noise_db must be \[lowest, highest\], got \[40, 10\]"),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        SoundAugmentation(**settings)


def test_a_rotated_sound_begins_anywhere_and_keeps_its_samples():
    waveform = np.arange(50, dtype=np.float32)
    turned = SoundAugmentation(rotate=True)(waveform, 8000, np.random.default_rng(0))
    assert turned[0] > 0
    np.testing.assert_array_equal(np.roll(turned, int(turned[0])), waveform)
