"""Kills a training with SIGKILL at random moments, resumes it, and compares the end.

    python -m bench.kill_resume [--kills 20]

A small ``wavestack train recipe=quickstart`` with worker processes, shuffling and random crops is
run once to its end. Then the same training is killed at moments drawn evenly over the duration of
that run, starting up and writing files included, and resumed after each. A run that reaches its end
before its kill is compared with the first, and another is begun, until all kills are done.
After every kill each checkpoint on the disk must be readable; at the end the weights must have the
same SHA-256 and the folder must hold the same files.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.common import write_result
from wavestack.errors import UserError
from wavestack.training.checkpoint import CheckpointFolder

TRAINING = (
    "recipe=quickstart",
    "model.num_layers=6",
    "model.residual_channels=8",
    "model.dilation_channels=8",
    "model.skip_channels=8",
    "model.end_channels=16",
    "model.dropout=0.1",
    "data.source.num_train=24",
    "data.source.num_val=2",
    "data.segment_samples=1024",
    "data.num_workers=2",
    "trainer.max_steps=120",
    "trainer.num_threads=1",
    "trainer.checkpoint_every_steps=5",
    "trainer.val_every_steps=40",
    "trainer.sample_every_steps=60",
    "trainer.sample_seconds=0.02",
)


def start(run_dir: Path, resume: bool) -> subprocess.Popen:
    """Starts the training in ``run_dir``, or continues it."""
    words = [f"resume={run_dir}"] if resume else [*TRAINING, f"hydra.run.dir={run_dir}"]
    return subprocess.Popen(
        [sys.executable, "-m", "wavestack", "train", *words], stdout=subprocess.DEVNULL
    )


def files(run_dir: Path) -> list[str]:
    """All files of a run but TensorBoard's, whose number is that of the processes."""
    paths = (p.relative_to(run_dir) for p in run_dir.rglob("*") if p.is_file())
    return sorted(str(p) for p in paths if p.parts[0] not in ("tensorboard", ".hydra"))


def unreadable(run_dir: Path) -> int:
    """Checkpoints on the disk that cannot be read."""
    folder, bad = CheckpointFolder(run_dir / "checkpoints"), 0
    for step in folder.steps():
        try:
            folder.load(step)
        except UserError as error:
            print(f"unreadable: {error}")
            bad += 1
    return bad


def weights(run_dir: Path) -> str:
    """SHA-256 of the final weights."""
    return json.loads((run_dir / "summary.json").read_text())["weights_sha256"]


def main() -> int:
    """Runs the kills, prints what was found and writes bench/results/kill_resume.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    counts = dict.fromkeys(("kills", "kills_before_first_checkpoint", "runs_compared"), 0)
    faults = dict.fromkeys(("unreadable_checkpoints", "orphan_files", "different_weights"), 0)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        begin = time.monotonic()
        if start(whole, resume=False).wait() != 0:
            return 1
        duration = time.monotonic() - begin
        print(f"uninterrupted: {duration:.1f} s, weights {weights(whole)[:16]}")
        run_dir = Path(folder) / "killed0"
        while True:
            resume = (run_dir / "config.yaml").exists()
            process = start(run_dir, resume)
            try:
                last = counts["kills"] >= arguments.kills
                status = process.wait(None if last else moments.uniform(0, duration))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                counts["kills"] += 1
                steps = CheckpointFolder(run_dir / "checkpoints").steps()
                counts["kills_before_first_checkpoint"] += not steps
                faults["unreadable_checkpoints"] += unreadable(run_dir)
                print(f"kill {counts['kills']}: newest checkpoint {steps[-1] if steps else None}")
                continue
            if status != 0:
                print(f"a resumed training ended with status {status}")
                return 1
            counts["runs_compared"] += 1
            faults["orphan_files"] += len(set(files(run_dir)) ^ set(files(whole)))
            faults["different_weights"] += weights(run_dir) != weights(whole)
            if last:
                break
            run_dir = Path(folder) / f"killed{counts['runs_compared']}"
    print(counts, faults)
    settings = {"training": " ".join(TRAINING), "seed": arguments.seed}
    print(write_result("kill_resume", {**counts, **faults}, settings, ("torch", "lightning")))
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main())
