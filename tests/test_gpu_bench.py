"""The GPU's benchmarks where there is none: they say so, and one failing part loses no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "bench" / "gpu.sh"


def test_time_limits_add_up_to_less_than_nine_minutes():
    limits = re.findall(r"^ *(?:part|train) \w+ (\d+) ", SCRIPT.read_text("utf-8"), re.MULTILINE)
    assert len(limits) == 8
    # Five more seconds for each part that does not stop when it is asked to.
    assert sum(map(int, limits)) <= 540


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_the_script_says_so_and_writes_nothing(tmp_path):
    done = subprocess.run(
        ["sh", str(SCRIPT), sys.executable],
        env={**os.environ, "OUT": str(tmp_path / "out")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no CUDA device here: nothing was measured" in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_way_that_fails_loses_no_other(tmp_path, monkeypatch, capsys):
    from bench import generation_gpu

    monkeypatch.setenv("BENCH_RESULTS", str(tmp_path))
    ways = ["eager", "fused", "graph"]
    monkeypatch.setattr(sys, "argv", ["bench", "--dry", "--repeats", "1", "--ways", *ways])
    with pytest.raises(SystemExit, match="4 of the measurements failed: fused, fused fed"):
        generation_gpu.main()  # a kernel cannot run here
    result = json.loads((tmp_path / "generation_gpu.json").read_text("utf-8"))
    failed = {"fused", "fused fed", "fused_batch_1", "fused_batch_3"}
    assert set(result["settings"]["errors"]) == failed
    figures = result["figures"]
    for way in ("eager", "graph"):
        assert figures[f"{way}_regret"] < 1e-5
        for batch_size in (1, 3):
            assert figures[f"{way}_batch_{batch_size}_samples_per_second"] > 0
    assert not any(key.startswith("fused") for key in figures)
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"fused +1 +43,000", line) for line in lines)
