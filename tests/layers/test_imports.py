"""What importing the light packages loads: torch, and nothing that is heavier."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("hydra", "lightning", "torchaudio", "matplotlib", "numba", "omegaconf", "torchvision")


@pytest.mark.parametrize(
    "package", ["wavestack.layers", "wavestack.models", "wavestack.receptive_field"]
)
def test_light_packages_load_nothing_heavier_than_torch(package):
    code = (
        f"import sys, {package}\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(', '.join(found) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, f"import {package} loads {result.stderr}"
