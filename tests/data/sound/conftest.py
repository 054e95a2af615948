"""Small recordings and files that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavestack.data import Recording


@pytest.fixture
def make_recordings() -> Callable[..., list[Recording]]:
    """Recordings whose samples tell where they come from: recording i holds i + t / 10,000."""

    def make(lengths: list[int], labelled: bool = False) -> list[Recording]:
        return [
            Recording(
                f"recording {i}",
                (i + np.arange(length) / 10_000).astype(np.float32),
                (i, i % 2) if labelled else (),
            )
            for i, length in enumerate(lengths)
        ]

    return make


@pytest.fixture
def write_sound(tmp_path: Path) -> Callable[..., Path]:
    """Write noise as a sound file under the test's folder."""

    def write(
        name: str, seconds: float = 0.2, rate: int = 8000, channels: int = 1, **kwargs
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (int(seconds * rate), channels)
        noise = np.random.default_rng(len(name)).uniform(-0.5, 0.5, shape)
        soundfile.write(path, noise, rate, **kwargs)
        return path

    return write
