"""A small run folder, as a training leaves it, without the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from wavestack.config import compose
from wavestack.export.safetensors import save
from wavestack.safety import instantiate

_SMALL = [
    *(f"model.{name}_channels=4" for name in ("residual", "dilation", "skip", "end")),
    *("model.num_layers=3", "model.num_stacks=1"),
]


def make_run(folder: Path, *overrides: str) -> Path:
    """Write config.yaml and model.safetensors of an untrained model."""
    cfg = compose("train", [*overrides, *_SMALL, "debug=smoke"])
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    torch.manual_seed(0)
    plain = OmegaConf.to_container(cfg)
    save(instantiate(cfg.model), folder / "model.safetensors", plain)
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of quickstart: labels by the kind of sound, 8 kHz."""
    return make_run(tmp_path_factory.mktemp("run") / "quickstart", "recipe=quickstart")


@pytest.fixture(scope="session")
def vocoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a vocoder, which listens to mel frames."""
    return make_run(tmp_path_factory.mktemp("run") / "vocoder", "recipe=ljspeech_vocoder")
