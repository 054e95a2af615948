"""What a run folder holds, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wavestack.config import read_run_config
from wavestack.files import atomic_write, remove_partials
from wavestack.training.checkpoint import CheckpointFolder


class RunFolder:
    """The folder of one training run.

    ::

        config.yaml             the resolved configuration
        checkpoints/            step00001000.ckpt with its .sha256, best.json
        metrics.csv             one row for each logged step, see MetricsFile
        tensorboard/            scalars and audio
        samples/                step00001000_0.wav with its .png; real_0.wav beside for comparison
        receptive_field.html    what the model sees
        model.safetensors       the trained (averaged) weights, the configuration as metadata
        summary.json            steps, core_seconds, wall_seconds, samples_per_second, ...
        evaluation.json         figures on held-out data beside their yardsticks
        report.html             all of it on one page

    Args:
        path: the folder; it need not exist yet.
        keep_checkpoints: newest checkpoints kept beside the best.
    """

    def __init__(self, path: Path | str, keep_checkpoints: int = 2) -> None:
        self.path = Path(path)
        self.checkpoints = CheckpointFolder(self.path / "checkpoints", keep_checkpoints)
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.csv"
        self.tensorboard = self.path / "tensorboard"
        self.samples = self.path / "samples"
        self.receptive_field = self.path / "receptive_field.html"
        self.weights = self.path / "model.safetensors"
        self.summary = self.path / "summary.json"
        self.evaluation = self.path / "evaluation.json"

    def prepare(self, cfg: DictConfig) -> None:
        """Makes the folder, clears what a killed process left there and writes ``config.yaml``."""
        self.samples.mkdir(parents=True, exist_ok=True)
        self.checkpoints.folder.mkdir(exist_ok=True)
        for folder in (self.path, self.samples):
            remove_partials(folder)
        self.checkpoints.clean()
        cfg = cfg.copy()
        cfg.resume = None  # this folder is what will be resumed, wherever it is moved
        text = OmegaConf.to_yaml(cfg, resolve=True).encode()
        atomic_write(self.config, lambda file: file.write(text))

    def read_config(self) -> DictConfig:
        """The configuration that the run was started with, checked: it may be a stranger's.

        Raises:
            UserError: when the folder holds no valid ``config.yaml``.
        """
        return read_run_config(self.path)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes ``content`` as indented JSON, whole or not at all."""
    text = (json.dumps(content, indent=2) + "\n").encode()
    atomic_write(path, lambda file: file.write(text))
