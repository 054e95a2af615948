"""Starts the other processes of a distributed training, each on a fresh interpreter.

Lightning's own launcher runs the program's command line once more for every rank. That suits
neither a Python session nor a notebook nor a test, and under the ``wavestack`` dispatcher it
depends on the state of ``sys.argv``. Here a rank reads the run folder's ``config.yaml`` instead, so
a training starts the same way from everywhere. Under torchrun or SLURM the processes exist already
and nothing is started.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from wavestack.safety.trust import trusted_packages

_OURS = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK", "LOCAL_RANK", "NODE_RANK")


def started_from_outside() -> bool:
    """Whether torchrun, SLURM or :func:`other_ranks` started this process as one of several."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", "1")) > 1


def global_rank() -> int:
    """This process's rank; 0 when it is alone."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if name in os.environ:
            return int(os.environ[name])
    return 0


@contextmanager
def other_ranks(run_dir: Path, devices: int, resume: bool) -> Iterator[list[int]]:
    """Runs ranks 1 .. ``devices - 1`` on this machine beside the block, which is rank 0.

    When one of them dies the others are stopped, this process included: a collective operation
    would wait for it forever.

    Args:
        run_dir: holds the ``config.yaml`` that every rank reads.
        devices: number of processes, this one included.
        resume: whether they continue from the run's newest checkpoint.

    Yields:
        The process numbers of the other ranks.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(devices),
        "NODE_RANK": "0",
    }
    before = {name: os.environ.get(name) for name in _OURS}
    what = [str(run_dir), "resume" if resume else "start", *trusted_packages()]
    command = [sys.executable, "-m", "wavestack.training.other_rank", *what]
    ranks = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for rank in range(1, devices)
    ]
    over = threading.Event()
    threading.Thread(target=_watch, args=(ranks, over), daemon=True).start()
    os.environ.update(shared, RANK="0", LOCAL_RANK="0")
    try:
        yield [rank.pid for rank in ranks]
        over.set()
        for rank in ranks:
            rank.wait(timeout=60)
    finally:
        over.set()
        if torch.distributed.is_initialized():  # the next training connects to other processes
            torch.distributed.destroy_process_group()
        for rank in ranks:
            rank.kill()
            rank.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _watch(ranks: list[subprocess.Popen], over: threading.Event) -> None:
    while not over.wait(0.5):
        if any(rank.poll() not in (None, 0) for rank in ranks) and not over.wait(2.0):
            failed = [rank.returncode for rank in ranks if rank.poll()]
            print(f"wavestack: a training process ended with status {failed[0]}", file=sys.stderr)
            os.kill(os.getpid(), signal.SIGTERM)
            return
