"""The table of segmentation recipes."""

from __future__ import annotations

from typing import Any

from bench.tables.classes import class_table


def result(note: str | None, **figures: float) -> dict[str, Any]:
    return {
        "settings": {"recipe": "x", "metric": "mean iou percent", "baselines": ["constant"]}
        | ({"note": note} if note else {}),
        "figures": {"parameters": 7, "steps": 10, "core_seconds": 1.0, **figures},
    }


def test_columns_are_nets_and_rows_are_figures_and_classes() -> None:
    shown = {"part: Sky": 90.0, "figure: accuracy": 80.0, "figure: cross entropy": 0.4}
    three = {"value_median": 52.0, "value_min": 50.0, "value_max": 57.0, "runs": 3}
    yardstick = {"baseline: constant": 2.0, "baseline: constant, accuracy": 27.0}
    header, rows = class_table(
        [result(None, value=53.0, **three, **shown, **yardstick), result("control", value=51.0)]
    )
    assert header == ["", "`x`", "`x` control", "constant"]
    assert rows[0] == ["**mean iou percent**", "**52.0** (50.0 to 57.0)", "**51.0**", "2.0"]
    assert rows[1] == ["runs", "3", "1", ""]
    assert rows[-2:] == [["accuracy", "80.0", "", "27.0"], ["Sky", "90.0", "", ""]]
