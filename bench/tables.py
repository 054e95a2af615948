"""Writes the tables of README.md and recipes/README.md from bench/results/.

    python -m bench.tables           # rewrite
    python -m bench.tables --check   # exit 1 when a table is not what the results say

A table stands between ``<!-- table: NAME -->`` and ``<!-- end table -->``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from bench.common import RESULTS, ROOT

# Programs of the speed table, and the unit that ends the names of their figures.
SPEED = {
    "generation": "samples per core second",
    "training_step": "core seconds",
    "import_cost": "core seconds",
}
PAGES = ("README.md", "recipes/README.md")
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end table -->)", re.DOTALL)


def main() -> int:
    stale = []
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        written = BLOCK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)
        if written == text:
            continue
        stale.append(page)
        if "--check" not in sys.argv:
            path.write_text(written, encoding="utf-8")
    print(f"out of date: {', '.join(stale)}" if stale else "all tables are up to date")
    return int(bool(stale) and "--check" in sys.argv)


def recipes() -> str:
    """One row for each recipe: our figure beside its yardsticks, and what it cost."""
    rows = []
    for result in _results("recipe_*"):
        figures, settings = result["figures"], result["settings"]
        yardsticks = ", ".join(
            f"{name} {figures[f'baseline: {name}']:.3f}" for name in settings["baselines"]
        )
        rows.append(
            [
                f"`{settings['recipe']}`",
                settings["data"],
                f"{figures['parameters']:,.0f}",
                f"**{figures['value']:.3f}** {settings['metric']}",
                yardsticks,
                f"{figures['core_seconds']:,.0f} core-s, {figures['steps']:,.0f} steps",
            ]
        )
    header = ["recipe", "data", "parameters", "test figure", "yardsticks", "training"]
    return _markdown(header, rows)


def speed() -> str:
    """The figures of the speed benchmarks that concern a user."""
    rows = []
    for name, unit in SPEED.items():
        (result,) = _results(name)
        for key, value in result["figures"].items():
            words = key.replace("_", " ")
            if words.endswith(unit):
                figure = f"{value:,.0f}" if value >= 100 else f"{value:.3f}"
                program = f"`python -m bench.{name}`"
                rows.append([program, words.removesuffix(f" {unit}"), figure, unit])
    return _markdown(["program", "what", "figure", "unit"], rows)


TABLES = {"recipes": recipes, "speed": speed}


def _results(*patterns: str) -> list[dict[str, Any]]:
    paths: list[Path] = []
    for pattern in patterns:
        paths += sorted(RESULTS.glob(f"{pattern}.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
