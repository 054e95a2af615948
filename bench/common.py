"""What every benchmark shares: CPU time, repeats with their spread, and the result file.

A result file holds {"name", "date", "commit", "machine", "versions", "figures": {key: number},
"settings"}; the tables in README and recipes/README.md are written from these files.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import math
import os
import platform
import resource
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def core_seconds() -> float:
    """CPU seconds that this process, its threads and its finished children have used."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def time_call(function: Callable[[], Any]) -> float:
    """Core-seconds of one call."""
    start = core_seconds()
    function()
    return core_seconds() - start


def time_in_turns(
    functions: Mapping[str, Callable[[], Any]],
    repeats: int,
    clock: Callable[[Callable[[], Any]], float] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each function, called in turns so that a drifting machine meets all alike.

    A first round warms up and is not counted. The clock gives one call's seconds: core-seconds,
    unless another is given.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for i in range(repeats + 1):
        for name, function in functions.items():
            spent = (clock or time_call)(function)
            if i:
                seconds[name].append(spent)
    return seconds


def summarize(name: str, values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest of repeated measurements, as figures.

    Example:
        >>> summarize("x", [3.0, 1.0, 2.0])
        {'x': 2.0, 'x_min': 1.0, 'x_max': 3.0}
    """
    return {name: statistics.median(values), f"{name}_min": min(values), f"{name}_max": max(values)}


def machine() -> dict[str, Any]:
    """The kind of machine, without its name: CPU, cores, memory, and GPU where there is one."""
    found: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
    }
    import torch

    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def write_result(
    name: str,
    figures: Mapping[str, float],
    settings: Mapping[str, Any],
    packages: Sequence[str] = ("torch", "numpy"),
) -> Path:
    """Write bench/results/NAME.json and return its path; BENCH_RESULTS names another folder.

    Raises:
        ValueError: when a figure is not a finite number.
    """
    for key, value in figures.items():
        if not math.isfinite(value):
            raise ValueError(f"figure {key} of {name} must be finite, got {value}")
    result = {
        "name": name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in packages},
        },
        "figures": {key: _rounded(value) for key, value in figures.items()},
        "settings": dict(settings),
    }
    # A machine that is lent hands back one folder.
    folder = Path(os.environ.get("BENCH_RESULTS", RESULTS))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Plain aligned columns; the first to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        first, *others = (
            cell.ljust(widths[0]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row)
        )
        print("  ".join([first, *others]).rstrip())


def _rounded(value: float) -> float:
    """Four significant digits: more would only be noise in the diff."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # a machine without git
        return "unknown"
    return found.stdout.strip() or "unknown"
