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
        known = [
            *(f"{name} {_number(figures[f'baseline: {name}'])}" for name in settings["baselines"]),
            *(
                f"*{name}, published: {_number(figures[f'published: {name}'])}*"
                for name in settings.get("published", ())
            ),
        ]
        rows.append(
            [
                f"`{settings['recipe']}`" + (f" {settings['note']}" if "note" in settings else ""),
                settings["data"],
                f"{figures['parameters']:,.0f}",
                _figure(figures, settings),
                ", ".join(known),
                f"{figures['core_seconds']:,.0f} core-s, {figures['steps']:,.0f} steps",
            ]
        )
    header = ["recipe", "data", "parameters", "test figure", "yardsticks", "training"]
    return _markdown(header, rows)


def _figure(figures: dict[str, float], settings: dict[str, Any]) -> str:
    """The mean with its spread, and the figures that stand beside it."""
    text = f"**{_number(figures['value'])}** {settings['metric']}"
    if "runs" in figures:
        spread = f"{_number(figures['value_min'])} to {_number(figures['value_max'])}"
        text += f" ({figures['runs']} runs: {spread})"
    others = (key for key in figures if key.startswith("figure: "))
    return "; ".join(
        [text, *(f"{key.removeprefix('figure: ')} {_number(figures[key])}" for key in others)]
    )


def _number(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 0.005 else f"{value:.3f}"


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
