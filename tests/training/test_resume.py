"""A run that was interrupted ends like one that was not, bit by bit."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from wavestack.errors import UserError
from wavestack.training import train

# Everything that could make a difference: shuffling and crops (always), dropout, an average,
# a schedule, validation at odd moments; worker processes in the test that kills.
RUN = {"model__dropout": 0.2, "max_steps": 8, "val_every_steps": 3, "checkpoint_every_steps": 1}


def files_left(run_dir: Path) -> list[str]:
    return sorted(path.name for path in (run_dir / "checkpoints").iterdir())


def test_resumed_run_has_the_same_weights_and_metrics(tmp_path, tiny_config):
    whole = train(tiny_config(**RUN), tmp_path / "whole")
    half = tmp_path / "half"
    train(tiny_config(**{**RUN, "max_steps": 5}, scheduler__max_steps=8), half)
    resumed = train(tiny_config(**RUN, resume=half), half)
    assert resumed["weights_sha256"] == whole["weights_sha256"]

    def losses(run_dir: Path) -> list[list[str]]:
        lines = (run_dir / "metrics.csv").read_text().splitlines()
        return [line.split(",")[:2] for line in lines if line.split(",")[1]]

    assert losses(half) == losses(tmp_path / "whole")


def test_three_kills_at_random_moments_change_nothing(tmp_path, tiny_config, processes):
    cfg = {**RUN, "data__num_workers": 1, "max_steps": 40}
    whole = train(tiny_config(**{**cfg, "data__num_workers": 0}), tmp_path / "whole")
    killed = tmp_path / "killed"
    moments = random.Random(0)
    kills = 0
    for _ in range(12):
        resume = killed if (killed / "config.yaml").exists() else None
        process = processes.start(tiny_config(**cfg, resume=resume), killed)
        if kills == 3:
            wait_until_gone(process.pid)
            break
        wait_for_steps(killed, process, more=moments.randint(1, 6))
        time.sleep(moments.uniform(0, 0.03))
        kills += kill(process.pid)
    summary = (killed / "summary.json").read_text()
    assert f'"weights_sha256": "{whole["weights_sha256"]}"' in summary
    assert files_left(killed) == files_left(tmp_path / "whole")
    assert not list(killed.rglob("*.partial"))


def kill(pid: int) -> bool:
    """Kills a process and waits until it is gone; False when it was gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    wait_until_gone(pid)
    return True


def wait_until_gone(pid: int) -> None:
    """Not by ``join``: a loader's orphaned worker holds its pipe for some seconds more."""
    end = time.monotonic() + 60
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.005)


def wait_for_steps(run_dir: Path, process, more: int) -> None:
    """Until the run has written some more rows, or has ended."""

    def rows() -> int:
        file = run_dir / "metrics.csv"
        return len(file.read_text().splitlines()) if file.exists() else 0

    time.sleep(0.3)
    start = rows()
    while rows() < start + more and process.is_alive():
        time.sleep(0.005)


def test_a_folder_without_a_checkpoint_starts_from_the_beginning(tmp_path, tiny_config):
    whole = train(tiny_config(**RUN), tmp_path / "whole")
    (tmp_path / "empty").mkdir()
    resumed = train(tiny_config(**RUN, resume=tmp_path / "empty"), tmp_path / "empty")
    assert resumed["weights_sha256"] == whole["weights_sha256"]


def test_a_damaged_checkpoint_is_passed_over(tmp_path, tiny_config, capsys):
    run_dir = tmp_path / "run"
    whole = train(tiny_config(**RUN), run_dir)
    newest = run_dir / "checkpoints" / "step00000008.ckpt"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    resumed = train(tiny_config(**RUN, resume=run_dir), run_dir)
    assert "passing over a damaged checkpoint" in capsys.readouterr().out
    assert resumed["weights_sha256"] == whole["weights_sha256"]


def test_a_finished_run_resumed_is_written_again(tmp_path, tiny_config):
    whole = train(tiny_config(**RUN), tmp_path)
    again = train(tiny_config(**RUN, resume=tmp_path), tmp_path)
    assert again["weights_sha256"] == whole["weights_sha256"]


def test_a_used_folder_is_not_overwritten(tmp_path, tiny_config):
    train(tiny_config(max_steps=1), tmp_path)
    with pytest.raises(UserError, match=r"already holds a training; continue it with resume="):
        train(tiny_config(max_steps=1), tmp_path)


def test_fewer_steps_than_were_done_are_refused(tmp_path, tiny_config):
    train(tiny_config(**{**RUN, "max_steps": 3}), tmp_path)
    before = (tmp_path / "config.yaml").read_text()
    with pytest.raises(UserError, match=r"trainer\.max_steps=2: .* has already done 3 steps"):
        train(tiny_config(**{**RUN, "max_steps": 2}, resume=tmp_path), tmp_path)
    assert (tmp_path / "config.yaml").read_text() == before
