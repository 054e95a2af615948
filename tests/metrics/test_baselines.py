"""The three yardsticks together, on synthetic and on real audio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wavestack.data import FSDD, Recording, SyntheticAudio
from wavestack.metrics import audio_baselines


def test_on_the_synthetic_set_each_coder_beats_the_one_before() -> None:
    source = SyntheticAudio(num_train=60, num_test=10, min_seconds=0.2, max_seconds=0.3)
    figures = audio_baselines(source.split("train"), source.split("test"))
    assert list(figures) == ["zero-order entropy", "first-order Markov", "RLS-16"]
    assert 8 > figures["zero-order entropy"] > figures["first-order Markov"] > figures["RLS-16"]


@pytest.mark.parametrize("channels", [16, 1024])
def test_other_numbers_of_codes_work(channels: int) -> None:
    source = SyntheticAudio(num_train=10, num_test=2, max_seconds=0.5)
    figures = audio_baselines(source.split("train"), source.split("test"), channels)
    assert all(0 < bits < np.log2(channels) + 0.5 for bits in figures.values())


def test_sixteen_bit_levels_of_noise_cost_its_entropy() -> None:
    """White noise has nothing to predict: σ√(2πe) levels, 13.73 bits at σ = 0.1."""
    draw = np.random.default_rng(0).normal(0, 0.1, (6, 4000)).astype(np.float32)
    train, test = ([Recording(str(i), x) for i, x in enumerate(p)] for p in (draw[:4], draw[4:]))
    figures = audio_baselines(train, test, None)
    assert list(figures) == ["zero-order entropy", "RLS-16"]
    entropy = np.log2(0.1 * 32768 * np.sqrt(2 * np.pi * np.e))
    assert entropy < figures["RLS-16"] < entropy + 0.25


def test_an_empty_split_is_refused() -> None:
    recording = Recording("noise", np.zeros(100, np.float32))
    with pytest.raises(ValueError, match="train must hold at least one recording"):
        audio_baselines([], [recording])


def test_the_figures_of_fsdd_are_reproduced(data_root: Path) -> None:
    """8-bit mu-law, official test split, full official training split."""
    source = FSDD(data_root / "fsdd", val_takes=())
    figures = audio_baselines(source.split("train"), source.split("test"))
    assert figures["zero-order entropy"] == pytest.approx(7.1814, abs=5e-4)
    assert figures["first-order Markov"] == pytest.approx(5.4480, abs=5e-4)
    # The choice among the grid's constants hangs on which recordings calibrate it.
    assert figures["RLS-16"] == pytest.approx(4.7338, abs=5e-3)
