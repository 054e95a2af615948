"""The table of segmentation recipes: one column for each net, one row for each figure and class."""

from __future__ import annotations

from typing import Any

from bench.tables.form import markdown, recorded


def camvid() -> str:
    """Street scenes: the hybrid dilated net and its controls, then the nets of the literature."""
    rows = ("hdc", "hdc_undilated", "hdc_holes", "linknet", "deeplabv3plus", "deeplabv3", "fcn")
    names = (f"recipe_camvid_{row}" for row in (*rows, "dilated_vgg"))
    return markdown(*class_table(recorded(*names)))


def isbi_em() -> str:
    """Membranes: the hybrid dilated net and its control."""
    return markdown(*class_table(recorded("recipe_isbi_em", "recipe_isbi_em_undilated")))


def class_table(results: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows for results of `bench.record_recipe` on the same data.

    The first row is the median of a net's runs with the least and the greatest; all others are
    means over the runs. What needs no training stands in the last columns.

    Args:
        results: as read from bench/results, in the order of the columns.
    """
    nets = [result["figures"] for result in results]
    settings = results[0]["settings"]
    yardsticks = settings["baselines"]
    header = ["", *(_title(result["settings"]) for result in results), *yardsticks]
    untrained = [f"{nets[0][f'baseline: {name}']:.1f}" for name in yardsticks]
    none = ["" for _ in yardsticks]
    rows = [
        [f"**{settings['metric']}**", *map(_spread, nets), *untrained],
        ["runs", *(str(figures.get("runs", 1)) for figures in nets), *none],
        ["parameters", *(f"{figures['parameters']:,.0f}" for figures in nets), *none],
        ["steps", *(f"{figures['steps']:,.0f}" for figures in nets), *none],
        ["core-seconds", *(f"{figures['core_seconds']:,.0f}" for figures in nets), *none],
    ]
    for word in ("figure: ", "part: "):
        for key in (key for key in nets[0] if key.startswith(word)):
            name = key.removeprefix(word)
            values = [figures.get(key) for figures in nets]
            values += [nets[0].get(f"baseline: {stick}, {name}") for stick in yardsticks]
            if name != "cross entropy":
                rows.append([name, *("" if v is None else f"{v:.1f}" for v in values)])
    return header, rows


def _title(settings: dict[str, Any]) -> str:
    name = f"`{settings['recipe']}`"
    return f"{name} {settings['note']}" if "note" in settings else name


def _spread(figures: dict[str, float]) -> str:
    if "runs" not in figures:
        return f"**{figures['value']:.1f}**"
    least, greatest = figures["value_min"], figures["value_max"]
    return f"**{figures['value_median']:.1f}** ({least:.1f} to {greatest:.1f})"
