"""Several processes at the same global batch give the losses of one."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from wavestack.errors import UserError
from wavestack.training import train


def losses(run_dir: Path) -> dict[str, torch.Tensor]:
    with (run_dir / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {
        name: torch.tensor([float(row[name]) for row in rows if row[name]], dtype=torch.float64)
        for name in ("train/bits_per_sample", "val/bits_per_sample", "gradient_norm")
    }


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_give_the_losses_of_one(strategy, tmp_path, tiny_config, processes):
    # So much context that some steps evaluate the last outputs alone.
    context = {"data__context_samples": 128}
    train(tiny_config(**context), tmp_path / "one")
    processes.run_ranks(tiny_config(devices=2, strategy=strategy, **context), tmp_path / "two", 2)
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one["train/bits_per_sample"]) == 6
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-6, atol=1e-6)


def test_a_sharded_run_continues_on_one_process(tmp_path, tiny_config, processes):
    train(tiny_config(), tmp_path / "one")
    # Killed after step 4 of 6, as it were: two ranks write the checkpoint, one process goes on.
    whole = tmp_path / "two"
    half = tiny_config(devices=2, strategy="fsdp", scheduler__max_steps=6, max_steps=4)
    processes.run_ranks(half, whole, 2)
    train(tiny_config(resume=whole), whole)
    one, two = losses(tmp_path / "one"), losses(whole)
    for name in one:
        torch.testing.assert_close(two[name][-1:], one[name][-1:], rtol=1e-6, atol=1e-6)
    assert json.loads((whole / "summary.json").read_text())["steps"] == 6


@pytest.mark.slow
def test_processes_are_started_and_resumed_from_python(tmp_path, tiny_config):
    train(tiny_config(), tmp_path / "one")
    two_devices = {"devices": 2, "strategy": "ddp"}
    half = tiny_config(**two_devices, scheduler__max_steps=6, max_steps=4)
    train(half, tmp_path / "two")
    assert "LOCAL_RANK" not in os.environ
    train(tiny_config(**two_devices, resume=tmp_path / "two"), tmp_path / "two")
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    for name in ("train/bits_per_sample", "gradient_norm"):
        torch.testing.assert_close(two[name], one[name], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_the_command_line_starts_processes(tmp_path, tiny_config):
    words = ["recipe=quickstart", "debug=smoke", f"hydra.run.dir={tmp_path}"]
    words += ["trainer.devices=2", "trainer.strategy=ddp"]
    command = [sys.executable, "-m", "wavestack", "train", *words]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    assert json.loads((tmp_path / "summary.json").read_text())["steps"] == 2


def test_batch_that_does_not_divide_is_a_plain_error(tmp_path, tiny_config):
    with pytest.raises(UserError, match="must be a multiple of the 2 processes, got 3"):
        train(tiny_config(num_nodes=2, data__batch_size=3), tmp_path)
