"""What every table is made of: results as they were recorded, and rows in Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.common import RESULTS


def recorded(*patterns: str) -> list[dict[str, Any]]:
    """The results whose names fit, in the order of the patterns, then of the names."""
    paths: list[Path] = []
    for pattern in patterns:
        paths += sorted(RESULTS.glob(f"{pattern}.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table of a page."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
