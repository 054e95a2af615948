"""Records finished, evaluated runs of one recipe as its committed figures: mean, median, spread.

    python -m bench.record_recipe RUN [RUN ...] --data "FSDD, official split"
    python -m bench.record_recipe RUN [RUN ...] --data "ESC-10" --by data.fold --name esc10
    python -m bench.record_recipe THIRD --stages FIRST SECOND --data "CamVid, SegNet's split"

Reads config.yaml, summary.json and evaluation.json of each run and writes
bench/results/recipe_NAME.json. The runs may differ in the keys of ``--by`` (the seed by default)
and in the place of their data, and in nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from bench.common import write_result

# Where a run and its data lie says nothing about what was trained.
_PLACES = ("data.root", "data.source.root", "resume")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, nargs="+", help="run folders, evaluated")
    parser.add_argument("--data", required=True, help="the data in a few words, for the table")
    parser.add_argument("--by", nargs="+", default=["seed"], help="keys in which the runs differ")
    parser.add_argument(
        "--stages", type=Path, nargs="+", default=[], help="runs that a single run began from"
    )
    parser.add_argument("--name", help="name of the row; the recipe's by default")
    parser.add_argument("--note", help="what the table adds to the row in a few words")
    given = parser.parse_args()
    figures, settings = gather([read(run) for run in given.run], given.by)
    add_stages(figures, [read_summary(run) for run in given.stages])
    settings["data"] = given.data
    if given.note:
        settings["note"] = given.note
    name = given.name or settings["recipe"]
    print(write_result(f"recipe_{name}", figures, settings, ("torch", "lightning")))


def read(run: Path) -> dict[str, Any]:
    """What a run folder says: its config, summary and evaluation."""
    return {
        "config": OmegaConf.to_container(OmegaConf.load(run / "config.yaml")),
        "summary": read_summary(run),
        "evaluation": json.loads((run / "evaluation.json").read_text()),
    }


def read_summary(run: Path) -> dict[str, Any]:
    """What a run folder says of its training."""
    return json.loads((run / "summary.json").read_text())


def add_stages(figures: dict[str, float], summaries: Sequence[dict[str, Any]]) -> None:
    """Count the training of earlier stages into a row's."""
    for key in ("steps", "core_seconds", "wall_seconds"):
        figures[key] += sum(summary[key] for summary in summaries)


def gather(
    runs: Sequence[dict[str, Any]], by: Sequence[str]
) -> tuple[dict[str, float], dict[str, Any]]:
    """Figures and settings of a row.

    Args:
        runs: as `read` returns them.
        by: full names of the keys in which the runs differ.

    Raises:
        ValueError: when the runs differ in anything else, or two are of the same values.
    """
    labels = [", ".join(f"{k.split('.')[-1]} {_select(r['config'], k)}" for k in by) for r in runs]
    if len(set(labels)) < len(labels):
        raise ValueError(f"two runs are of the same {' and '.join(by)}: {sorted(labels)}")
    for run in runs[1:]:
        differing = _differences(runs[0]["config"], run["config"]) - {*by, *_PLACES}
        if differing:
            raise ValueError(f"the runs differ in {', '.join(sorted(differing))}, not only in {by}")
    evaluations = [run["evaluation"] for run in runs]
    for key in ("metric", "split", "adapted"):
        if len({evaluation.get(key) for evaluation in evaluations}) > 1:
            raise ValueError(f"the runs' evaluations differ in {key}")

    values = [evaluation["value"] for evaluation in evaluations]
    figures: dict[str, float] = {"value": statistics.mean(values)}
    if len(runs) > 1:
        figures |= {"value_min": min(values), "value_max": max(values), "runs": len(runs)}
        figures["value_median"] = statistics.median(values)
        figures |= {f"value: {label}": v for label, v in zip(labels, values, strict=True)}
    first = evaluations[0]
    for part, word in (
        ("figures", "figure"),
        ("baselines", "baseline"),
        ("published", "published"),
    ):
        for name in first.get(part, {}):
            if (word, name) != ("figure", first["metric"]):
                figures[f"{word}: {name}"] = statistics.mean(e[part][name] for e in evaluations)
    # What the figure is made of (the IoU of each class), where all runs have the same.
    for name in first.get("parts", {}):
        if all(name in e["parts"] for e in evaluations):
            figures[f"part: {name}"] = statistics.mean(e["parts"][name] for e in evaluations)
    for name, row in first.get("baseline_figures", {}).items():
        for figure in (f for f in row if f != first["metric"]):
            figures[f"baseline: {name}, {figure}"] = statistics.mean(
                e["baseline_figures"][name][figure] for e in evaluations
            )
    summaries = [run["summary"] for run in runs]
    for key in ("steps", "core_seconds", "wall_seconds"):
        figures[key] = _mean([summary[key] for summary in summaries])
    if len(runs) > 1:
        figures["core_seconds_max"] = max(summary["core_seconds"] for summary in summaries)
    for key in ("parameters", "receptive_field_samples"):
        if summaries[0][key] is not None:
            figures[key] = summaries[0][key]
    figures["test_samples"] = _mean([evaluation["samples"] for evaluation in evaluations])
    settings = {
        "recipe": summaries[0]["name"],
        "metric": first["metric"],
        "lower_is_better": first["lower_is_better"],
        "split": first["split"],
        "adapted": first.get("adapted", False),
        "baselines": list(first["baselines"]),
        "published": list(first.get("published", {})),
        "by": list(by),
        "runs": labels,
        "device": summaries[0]["device"],
        "precision": runs[0]["config"]["trainer"]["precision"],
    }
    return figures, settings


def _mean(values: Sequence[float]) -> float:
    """The mean, whole where all values are one whole number."""
    return values[0] if len(set(values)) == 1 else statistics.mean(values)


def _select(config: dict[str, Any], key: str) -> Any:
    return OmegaConf.select(OmegaConf.create(config), key)


def _differences(a: Any, b: Any, key: str = "") -> set[str]:
    """Full names of the values in which two configs differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        inner = (
            _differences(a.get(name), b.get(name), f"{key}.{name}" if key else name)
            for name in a.keys() | b.keys()
        )
        return set().union(*inner)
    return set() if a == b else {key}


if __name__ == "__main__":
    main()
