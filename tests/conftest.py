"""What every test shares: seeds, one thread, and where real data lies."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same random state, on one thread."""
    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (third-party code reads the global state)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the real data sets (fsdd/, ljspeech32/, ...), named by WAVESTACK_DATA."""
    root = os.environ.get("WAVESTACK_DATA")
    if not root:
        pytest.skip("WAVESTACK_DATA names no folder with the real data sets")
    return Path(root)
