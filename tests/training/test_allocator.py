"""Freed memory stays in the process: later steps fetch hardly any new pages."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from wavestack.models import WaveNet
from wavestack.training.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    print(keep_freed_memory())
torch.set_num_threads(1)
model = WaveNet(16, 16, 32, 32, num_layers=8, num_stacks=1)
waveform = torch.zeros(4, 4096)

def step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    params = model(model.distribution.encode(waveform))
    model.distribution.nll(params, waveform).mean().backward()
    model.zero_grad()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(sum([step() for _ in range(8)][5:]))
"""


def run(mode: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, mode]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_large_blocks_are_used_again():
    understood, kept = run("keep")
    (left,) = run("leave")
    assert understood == "True"
    assert int(kept) < 0.5 * int(left)
