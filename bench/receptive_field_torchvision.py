"""Every classification, segmentation and video model of torchvision, at both ends.

    python -m bench.receptive_field_torchvision [NAME ...]

asks at the output and at the last layer that has space, counts models with an unknown operator or a
crash, times each analysis on one core, and holds the claim against the model itself (``verify()``)
for a sample of 20. Writes bench/results/receptive_field_torchvision.json when no name is given.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
import warnings
from typing import Any

import torch
import torchvision
from torch import nn

from bench.common import core_seconds, print_table, write_result
from wavestack.receptive_field import Report, analyze

SAMPLE = [
    "alexnet",
    "vgg11",
    "vgg16_bn",
    "squeezenet1_0",
    "squeezenet1_1",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnext50_32x4d",
    "googlenet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mnasnet0_5",
    "shufflenet_v2_x0_5",
    "regnet_y_400mf",
    "efficientnet_b0",
    "densenet121",
    "swin_t",
    "lraspp_mobilenet_v3_large",
    "r3d_18",
]
# A claim that fills the whole picture has no outside to probe: verify where it still has one.
LARGEST_VERIFIED = 150


def names() -> list[str]:
    """All model names of the three kinds."""
    kinds = (torchvision.models, torchvision.models.segmentation, torchvision.models.video)
    return [name for kind in kinds for name in torchvision.models.list_models(module=kind)]


def build(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A model with random weights, and an input of its usual size."""
    segmentation = torchvision.models.list_models(module=torchvision.models.segmentation)
    video = torchvision.models.list_models(module=torchvision.models.video)
    options: dict[str, Any] = {"weights": None}
    if name in segmentation:
        options["weights_backbone"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torchvision.models.get_model(name, **options).eval()
    size = 299 if name == "inception_v3" else 224
    shape: tuple[int, ...] = (1, 3, size, size)
    if name in video:
        small = 112 if name.startswith(("r3d", "mc3", "r2plus1d")) else 224
        shape = (1, 3, 16, small, small)
    return model, torch.zeros(shape)


def last_with_space(report: Report) -> str | None:
    """The last module whose output still has every axis."""
    for row in reversed(report.layers):
        if row.name != "(model)" and all(axis.local_size for axis in row.axes.values()):
            return row.name
    return None


def to_verify(report: Report) -> str | None:
    """The last module whose field is still small enough to have an outside."""
    found = None
    for row in report.layers:
        sizes = [axis.size for axis in row.axes.values()]
        if row.name != "(model)" and all(s and s <= LARGEST_VERIFIED for s in sizes):
            found = row.name
    return found


def measure(name: str) -> dict[str, Any]:
    """One model, twice."""
    model, x = build(name)
    found: dict[str, Any] = {"name": name, "crashed": False, "unknown": 0, "seconds": 0.0}
    try:
        start = core_seconds()
        report = analyze(model, x)
        found["seconds"] = core_seconds() - start
        layer = last_with_space(report)
        start = core_seconds()
        spatial = analyze(model, x, layer=layer)
        found["layer_seconds"] = core_seconds() - start
    except Exception as problem:
        print(f"{name}: {type(problem).__name__}: {problem}")
        return found | {"crashed": True}
    found["unknown"] = len(report.unknown) + len(spatial.unknown)
    found["layer"] = layer
    for label, axis in spatial.axes.items():
        found[label] = (axis.local_size, str(axis.jump), axis.start)
        if not math.isinf(report.axes[label].size or 0):
            found["local"] = True
    if name in SAMPLE:
        asked = to_verify(report)
        result = analyze(model, x, layer=asked).verify(num_outputs=2)
        found["verified"] = bool(result)
        found["verified_at"] = asked
        if not result:
            print(name, asked, result)
    return found


def main() -> None:
    """Sweep, print and write."""
    torch.set_num_threads(1)
    analyze(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 9, 9))  # first-use imports
    chosen = sys.argv[1:] or names()
    begin = time.time()
    rows = []
    for name in chosen:
        rows.append(measure(name))
        row = rows[-1]
        print(
            f"{name:32s} {row['seconds']:6.2f} s",
            *(f"{k}={v}" for k, v in row.items() if k in "THW"),
            flush=True,
        )
    seconds = [row["seconds"] for row in rows]
    verified = [row["verified"] for row in rows if "verified" in row]
    figures = {
        "models": len(rows),
        "crashed": sum(row["crashed"] for row in rows),
        "with_unknown_operator": sum(row["unknown"] > 0 for row in rows),
        "verified": len(verified),
        "verified_agree": sum(verified),
        "core_seconds_median": statistics.median(seconds),
        "core_seconds_max": max(seconds),
        "sweep_minutes": (time.time() - begin) / 60,
    }
    print_table(("figure", "value"), list(figures.items()))
    slow = sorted(rows, key=lambda row: -row["seconds"])[:5]
    settings = {
        "slowest": {row["name"]: round(row["seconds"], 2) for row in slow},
        "last_layer_with_space": {
            row["name"]: {k: v for k, v in row.items() if k in ("layer", "T", "H", "W")}
            for row in rows
        },
        "verified_at": {row["name"]: row["verified_at"] for row in rows if "verified" in row},
    }
    if not sys.argv[1:]:
        write_result("receptive_field_torchvision", figures, settings, ("torch", "torchvision"))


if __name__ == "__main__":
    main()
