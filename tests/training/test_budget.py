"""Time used: this process, its children, and not what happens in pauses."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from wavestack.training.budget import Meter

WORK = "import time\nwhile time.process_time() < {seconds}: pass\nprint('done', flush=True)\n{then}"


def work(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def child(seconds: float, then: str = "") -> subprocess.Popen:
    code = WORK.format(seconds=seconds, then=then)
    return subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_own_work_counts_and_pauses_do_not():
    meter = Meter(core_seconds=100.0, wall_seconds=1000.0)
    work(0.05)
    with meter.paused():
        before = meter.core_seconds()
        work(0.1)
        with meter.paused():
            work(0.05)
        assert meter.core_seconds() == pytest.approx(before, abs=0.005)
    assert 100.05 <= meter.core_seconds() < 100.12
    assert meter.wall_seconds() >= 1000.05


@pytest.mark.skipif(not Meter().sees_living_children, reason="no /proc on this system")
def test_living_children_count_also_during_pauses():
    meter = Meter()
    with meter.paused():
        process = child(0.2, then="input()")
        process.stdout.readline()
        assert 0.15 < meter.core_seconds() < 0.5
    process.communicate(b"\n")
    assert 0.15 < meter.core_seconds() < 0.5  # finished now, and counted once


def test_finished_children_count():
    meter = Meter()
    child(0.2).communicate()
    assert 0.15 < meter.core_seconds() < 0.5


@pytest.mark.skipif(not Meter().sees_living_children, reason="no /proc on this system")
def test_ranks_that_count_themselves_are_left_out():
    process = child(0.2, then="input()")
    meter = Meter(not_counted=[process.pid])
    process.stdout.readline()
    assert meter.core_seconds() < 0.1
    process.communicate(b"\n")
