"""Records a finished, evaluated run as the committed figures of its recipe.

    python -m bench.record_recipe runs/fsdd_wavenet/TIME "FSDD, official split"

Reads summary.json and evaluation.json of the run and writes bench/results/recipe_NAME.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from omegaconf import OmegaConf

from bench.common import write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder, evaluated")
    parser.add_argument("data", help="the data in a few words, for the table")
    arguments = parser.parse_args()
    summary = json.loads((arguments.run / "summary.json").read_text())
    evaluation = json.loads((arguments.run / "evaluation.json").read_text())
    config = OmegaConf.load(arguments.run / "config.yaml")
    counts = ("steps", "core_seconds", "wall_seconds", "parameters", "receptive_field_samples")
    figures = {
        "value": evaluation["value"],
        **{f"baseline: {name}": value for name, value in evaluation["baselines"].items()},
        **{key: summary[key] for key in counts},
        "test_samples": evaluation["samples"],
    }
    settings = {
        "recipe": summary["name"],
        "data": arguments.data,
        "metric": evaluation["metric"],
        "split": evaluation["split"],
        "baselines": list(evaluation["baselines"]),
        "seed": config.seed,
        "device": summary["device"],
        "precision": config.trainer.precision,
    }
    print(write_result(f"recipe_{summary['name']}", figures, settings, ("torch", "lightning")))


if __name__ == "__main__":
    main()
