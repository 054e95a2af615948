"""A training so small that a test may run several, and clean processes to run them in."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from wavestack.config import config_folder


def tiny_config(*, resume: Path | None = None, **changes: Any) -> DictConfig:
    """A whole configuration; ``changes`` name keys of the trainer, or ``part__key`` of a part."""
    trainer = OmegaConf.load(config_folder() / "trainer" / "default.yaml")
    trainer.update(
        max_steps=6,
        device="cpu",
        num_threads=1,
        val_every_steps=3,
        checkpoint_every_steps=2,
        log_every_steps=1,
        sample_count=0,
        ema_decay=0.9,
    )
    cfg = OmegaConf.create(
        {
            "name": "tiny",
            "seed": 0,
            "resume": None if resume is None else str(resume),
            "model": {
                "_target_": "wavestack.models.WaveNet",
                "residual_channels": 4,
                "dilation_channels": 4,
                "skip_channels": 4,
                "end_channels": 8,
                "num_layers": 4,
                "num_stacks": 1,
                "num_labels": [6],
                "quantization_channels": 32,
            },
            "data": {
                "_target_": "wavestack.data.AudioData",
                "source": {
                    "_target_": "wavestack.data.SyntheticAudio",
                    "num_train": 6,
                    "num_val": 2,
                    "num_test": 2,
                    "min_seconds": 0.1,
                    "max_seconds": 0.2,
                },
                "batch_size": 4,
                "segment_samples": 512,
                "context_samples": 15,
                "num_workers": 0,
            },
            "task": {"_target_": "wavestack.tasks.AutoregressiveAudioTask"},
            "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.01},
            "scheduler": {
                "_target_": "wavestack.training.schedules.OneCycle",
                "_partial_": True,
                "max_steps": "${trainer.max_steps}",
            },
            "trainer": trainer,
        }
    )
    for key, value in changes.items():
        OmegaConf.update(cfg, key.replace("__", ".") if "__" in key else f"trainer.{key}", value)
    return cfg


@pytest.fixture(name="tiny_config")
def _tiny_config() -> Callable[..., DictConfig]:
    return tiny_config


def _run(cfg: dict[str, Any], run_dir: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    from wavestack.training import train

    train(OmegaConf.create(cfg), run_dir)


class Processes:
    """Starts trainings in processes that imported everything beforehand and did nothing else.

    A fork of the test process itself would not do: it may have run a backward pass, after which
    autograd refuses to work in forks.
    """

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["wavestack.training.fit", "wavestack.models"])

    def start(self, cfg: DictConfig, run_dir: Path, **environment: str) -> Any:
        plain = OmegaConf.to_container(cfg, resolve=True)
        return self._start(_run, plain, run_dir, environment)

    def run_ranks(self, cfg: DictConfig, run_dir: Path, count: int) -> None:
        plain = OmegaConf.to_container(cfg, resolve=True)
        self.call_ranks(count, _run, plain, run_dir)

    def call_ranks(self, count: int, function: Callable[..., None], *arguments: Any) -> None:
        """Calls a function in every rank, with the rank's environment as its last argument."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
        started = [
            self._start(
                function, *arguments, {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            )
            for rank in range(count)
        ]
        for process in started:
            process.join(60)
            process.kill()
        assert [process.exitcode for process in started] == [0] * count

    def _start(self, function: Callable[..., None], *arguments: Any) -> Any:
        process = self._context.Process(target=function, args=arguments)
        process.start()
        return process


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    return Processes()
