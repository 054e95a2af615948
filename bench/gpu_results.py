"""Gathers the runs of ``bench/gpu.sh`` into bench/results/gpu_training.json.

python -m bench.gpu_results FOLDER      (holds one run folder for each measurement)
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
from pathlib import Path

from bench.common import print_table, write_result


def steady_speed(run_dir: Path) -> float:
    """Samples per second over the second half of a run, when compilation and caches are warm."""
    with (run_dir / "metrics.csv").open() as file:
        speeds = [row["samples_per_second"] for row in csv.DictReader(file)]
    speeds = [float(speed) for speed in speeds if speed]
    return statistics.median(speeds[len(speeds) // 2 :])


def main() -> int:
    """Prints a table and writes the result file."""
    figures: dict[str, float] = {}
    rows = []
    for run_dir in sorted(Path(sys.argv[1]).iterdir()):
        if not (run_dir / "summary.json").exists():
            continue
        summary = json.loads((run_dir / "summary.json").read_text())
        speed, memory = steady_speed(run_dir), summary["peak_memory_bytes"] / 2**30
        figures[f"{run_dir.name}_samples_per_second"] = speed
        figures[f"{run_dir.name}_peak_gib"] = memory
        figures[f"{run_dir.name}_steps"] = summary["steps"]
        rows.append((run_dir.name, f"{speed:,.0f}", f"{memory:.2f}", summary["steps"]))
    if not figures:
        print("no run finished: nothing was written")
        return 1
    print_table(("run", "samples/s", "peak GiB", "steps"), rows)
    settings = {"batch_size": 16, "segment_samples": 16384, "precision": "bf16"}
    print(write_result("gpu_training", figures, settings, ("torch", "lightning")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
