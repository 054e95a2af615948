"""How much processor time training has used: this process and its workers, evaluation left out."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


class Meter:
    """Core-seconds and wall-clock seconds of training, interruptions left out.

    A core-second is a second of processor time of this process or of its children, finished or
    alive. A loader's workers do not show in the main process's own time, so they are added from
    ``/proc`` while they live and from the kernel's account of finished children afterwards.
    Validation, sampling and writing files run inside :meth:`paused`; the workers keep preparing
    training batches meanwhile and stay counted.

    Args:
        core_seconds: used before this process started, from a checkpoint.
        wall_seconds: likewise.
        not_counted: process numbers of children that count their own time (other ranks).

    Notes:
        Where there is no ``/proc`` (macOS, Windows) workers are counted only when they have
        finished; :attr:`sees_living_children` says which holds.

    Example:
        >>> meter = Meter(core_seconds=10.0)
        >>> with meter.paused():
        ...     _ = sum(range(100_000))
        >>> 10.0 <= meter.core_seconds() < 11.0
        True
    """

    def __init__(
        self,
        core_seconds: float = 0.0,
        wall_seconds: float = 0.0,
        not_counted: Collection[int] = (),
    ) -> None:
        self._not_counted = frozenset(not_counted)
        self._core_start = time.process_time() + self._children_seconds() - core_seconds
        self._wall_start = time.perf_counter() - wall_seconds
        self._pause: tuple[float, float] | None = None

    @property
    def sees_living_children(self) -> bool:
        """Whether the time of living children can be read on this system."""
        return Path("/proc/self/stat").exists()

    def core_seconds(self) -> float:
        """Core-seconds so far, those of earlier processes of the run included."""
        own = time.process_time() if self._pause is None else self._pause[0]
        return own + self._children_seconds() - self._core_start

    def wall_seconds(self) -> float:
        """Seconds on the clock so far, likewise."""
        now = time.perf_counter() if self._pause is None else self._pause[1]
        return now - self._wall_start

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves what this process does inside the block out of the count; blocks may nest."""
        if self._pause is not None:
            yield
            return
        self._pause = core, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self._core_start += time.process_time() - core
            self._wall_start += time.perf_counter() - wall
            self._pause = None

    def _children_seconds(self) -> float:
        finished = os.times()
        living = _living_descendants_seconds(os.getpid(), self._not_counted)
        return finished.children_user + finished.children_system + living


def _living_descendants_seconds(pid: int, not_counted: frozenset[int]) -> float:
    total = 0.0
    for child in _children_of(pid):
        if child in not_counted:
            continue
        try:
            # Field 2 is the command in brackets and may hold spaces; utime is field 14.
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended; its time is in the account of finished children
            continue
        # utime, stime and those of its own finished children, in clock ticks
        total += sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
        total += _living_descendants_seconds(child, not_counted)
    return total


def _children_of(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:
        return []
