"""The tables of recipes: all that was recorded, and one row a recipe for a first look."""

from __future__ import annotations

from typing import Any

from bench.tables.form import markdown, recorded

Table = tuple[list[str], list[list[str]]]


def recipes() -> str:
    """One row for each recorded set of runs."""
    return markdown(*recipe_rows(recorded("recipe_*")))


def highlights() -> str:
    """One row for each recipe as it stands, without its variants."""
    return markdown(*highlight_rows(recorded("recipe_*")))


def recipe_rows(results: list[dict[str, Any]]) -> Table:
    """One row for each result: our figure beside its yardsticks, and what it cost.

    Args:
        results: of `bench.record_recipe`, as read from bench/results.
    """
    rows = []
    for result in results:
        figures, settings = result["figures"], result["settings"]
        known = [
            *(f"{name} {_number(figures[f'baseline: {name}'])}" for name in settings["baselines"]),
            *(f"*{name}, published: {value}*" for name, value in _published(figures, settings)),
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
    return ["recipe", "data", "parameters", "test figure", "yardsticks", "training"], rows


def highlight_rows(results: list[dict[str, Any]]) -> Table:
    """One row for each recipe: of its results the first without changed settings.

    Beside the figure stands the best yardstick that our own code computes on the same split.

    Args:
        results: as of `recipe_rows`.
    """
    rows, seen = [], set()
    for result in results:
        figures, settings = result["figures"], result["settings"]
        name = settings["recipe"]
        if name in seen or "`" in settings.get("note", ""):
            continue
        seen.add(name)
        sticks = {stick: figures[f"baseline: {stick}"] for stick in settings["baselines"]}
        best = (min if settings.get("lower_is_better", True) else max)(
            sticks, key=lambda s: sticks[s]
        )
        runs = f", {figures['runs']} runs" if "runs" in figures else ""
        rows.append(
            [
                f"`{name}`",
                settings["data"],
                f"**{_number(figures['value'])}** {settings['metric']}{runs}",
                f"{best} {_number(sticks[best])}",
                ", ".join(f"*{name} {value}*" for name, value in _published(figures, settings)),
                f"{figures['core_seconds']:,.0f}",
            ]
        )
    return ["recipe", "data", "test figure", "yardstick", "published", "core-s"], rows


def _published(figures: dict[str, float], settings: dict[str, Any]) -> list[tuple[str, str]]:
    names = settings.get("published", ())
    return [(name, _number(figures[f"published: {name}"])) for name in names]


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
