"""Rows of the recipe table: mean and spread of runs that differ in nothing but what is named."""

from __future__ import annotations

from typing import Any

import pytest

from bench.record_recipe import add_stages, gather


def run(seed: int, value: float, **config: Any) -> dict[str, Any]:
    return {
        "config": {"seed": seed, "data": {"root": f"/place/{seed}", "fold": 1}, **config}
        | {"trainer": {"precision": "fp32"}},
        "summary": {
            **{"name": "x", "steps": 10, "core_seconds": 1.0 + seed, "wall_seconds": 2.0},
            **{"parameters": 7, "receptive_field_samples": None, "device": "cpu"},
        },
        "evaluation": {
            **{"metric": "loss", "value": value, "split": "test", "samples": 5},
            "lower_is_better": True,
            "figures": {"loss": value, "accuracy": 10 * value},
            "baselines": {"constant": 9.0},
            "baseline_figures": {"constant": {"loss": 9.0, "accuracy": 50.0}},
            "published": {"a paper": 8.0},
            "parts": {"Sky": 2 * value},
        },
    }


def test_mean_and_spread_over_seeds() -> None:
    figures, settings = gather([run(0, 1.0), run(1, 3.0)], ["seed"])
    assert (figures["value"], figures["value_min"], figures["value_max"]) == (2.0, 1.0, 3.0)
    assert (figures["value: seed 0"], figures["value: seed 1"]) == (1.0, 3.0)
    assert (figures["figure: accuracy"], figures["baseline: constant, accuracy"]) == (20.0, 50.0)
    assert (figures["published: a paper"], figures["core_seconds_max"]) == (8.0, 2.0)
    assert figures["part: Sky"] == 4.0
    assert "receptive_field_samples" not in figures
    assert settings["runs"] == ["seed 0", "seed 1"]


def test_the_median_of_three_runs_stands_beside_their_mean() -> None:
    figures, _ = gather([run(0, 1.0), run(1, 3.0), run(2, 11.0)], ["seed"])
    assert (figures["value"], figures["value_median"]) == (5.0, 3.0)


def test_one_run_has_no_spread() -> None:
    assert "value_min" not in gather([run(0, 1.0)], ["seed"])[0]


def test_earlier_stages_count_into_the_training() -> None:
    figures, _ = gather([run(2, 1.0)], ["seed"])
    add_stages(figures, [run(seed, 1.0)["summary"] for seed in (0, 1)])
    assert (figures["core_seconds"], figures["steps"]) == (3.0 + 1.0 + 2.0, 30)


def test_runs_that_differ_in_more_are_refused() -> None:
    with pytest.raises(ValueError, match=r"differ in model\.width, not only"):
        gather([run(0, 1.0, model={"width": 1}), run(1, 1.0, model={"width": 2})], ["seed"])
    adapted = run(1, 2.0)
    adapted["evaluation"]["adapted"] = True
    with pytest.raises(ValueError, match="the runs' evaluations differ in adapted"):
        gather([run(0, 1.0), adapted], ["seed"])
    with pytest.raises(ValueError, match="two runs are of the same seed"):
        gather([run(0, 1.0), run(0, 2.0)], ["seed"])
