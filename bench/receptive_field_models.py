"""What every segmentation and super-resolution network sees, and its undilated control beside it.

    python -m bench.receptive_field_models [WORD ...]    # only networks whose name has the word

asks the calculator for the default configuration of each network at each output stride. Nothing is
computed but shapes. Writes bench/results/receptive_field_models.json when no word is given.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from bench.common import core_seconds, print_table, write_result
from wavestack import layers, models
from wavestack.receptive_field import analyze

IMAGE = 512
CLASSES = 11


@dataclass(frozen=True)
class Case:
    """One network at one output stride.

    Attributes:
        name: how the table calls it.
        build: makes it; takes ``dilated``.
        layer: whose output is asked about: the scores before they are brought to image size (in
            FCN-8s the deepest ones); None for a layer that is asked about itself.
        channels: of its input.
        stated: the field that the papers state, in pixels of the image; None where they state none.
    """

    name: str
    build: Callable[..., nn.Module]
    layer: str | None
    channels: int = 3
    stated: int | None = None


def alone(title: str, build: Callable[..., nn.Module], channels: int, stated: int) -> Case:
    """A dilated layer by itself, in positions of its input."""
    return Case(title, build, None, channels, stated)


def segmentation(
    title: str,
    kind: type[nn.Module],
    strides: tuple[int, ...],
    layer: str = "classifier",
    **options: Any,
) -> list[Case]:
    """A network at its output strides."""
    return [
        Case(f"{title}, {s}", partial(kind, CLASSES, output_stride=s, **options), layer)
        for s in strides
    ]


def dilated_vgg(title: str, layer: str, stated: int | None, **options: Any) -> Case:
    """A form of Yu and Koltun's network, which has one output stride."""
    return Case(title, partial(models.DilatedVGG, CLASSES, **options), layer, stated=stated)


CASES = (
    alone("context module", partial(layers.ContextModule, CLASSES), CLASSES, 67),
    alone("large context module", partial(layers.ContextModule, CLASSES, "large"), CLASSES, 67),
    alone("ASPP 6, 12, 18", partial(layers.ASPP, 256, (6, 12, 18)), 256, 37),
    alone("HDC 1, 2, 5", partial(layers.HybridDilatedConv2d, 64, 64, rates=(1, 2, 5)), 64, 17),
    *segmentation("FCN-8s VGG-16", models.FCN, (32, 16, 8)),
    *segmentation("FCN ResNet-50", models.FCN, (32, 16, 8), backbone="resnet50", skips=0),
    dilated_vgg("VGG-16 front end, 8", "front_end", 380, stage="front_end"),
    dilated_vgg("Dilation7, 8", "context", None, variant="dilation7"),
    dilated_vgg("Dilation8, 8", "context", None),
    dilated_vgg("Dilation10, 8", "context", None, variant="dilation10"),
    *segmentation("DeepLabV3 ResNet-50", models.DeepLabV3, (32, 16, 8)),
    *segmentation("DeepLabV3+ ResNet-50", models.DeepLabV3Plus, (32, 16, 8)),
    *segmentation("LinkNet ResNet-18", models.LinkNet, (32, 16, 8)),
    *segmentation("HDCNet", models.HDCNet, (8, 4)),
    *(
        Case(f"SuperResolutionNet x{scale}", partial(models.SuperResolutionNet, scale), "last", 1)
        for scale in (2, 4)
    ),
)  # fmt: skip


def measure(case: Case) -> dict[str, Any]:
    """Numbers of one network and of its control.

    Parameters and operations are those of the whole network; the field is that of the scores.
    """
    found: dict[str, Any] = {}
    for dilated in (True, False):
        with torch.device("meta"):
            model = case.build(dilated=dilated).eval()
        report = analyze(model, torch.zeros(1, case.channels, IMAGE, IMAGE), layer=case.layer)
        axis = report.axes["H"]
        if report.unknown or axis.local_size is None:
            raise RuntimeError(f"{case.name}: {report}")
        if dilated:
            found |= {
                "field": axis.local_size,
                "global": int(axis.size == math.inf),
                "parameters": report.params,
                "gigamacs": report.macs / 1e9,
            }
            if axis.jump is not None:
                found["jump"] = float(axis.jump)
            if report.area is not None and report.area.coverage is not None:
                found["coverage"] = report.area.coverage
        else:
            found["undilated_field"] = axis.local_size
            if report.params != found["parameters"]:
                raise RuntimeError(f"{case.name}: its control has {report.params} parameters")
    if case.stated is not None:
        found["stated"] = case.stated
    return found


def main() -> None:
    """Measure, print and write."""
    words = sys.argv[1:]
    rows, figures = [], {}
    columns = ("field", "stated", "global", "jump", "coverage", "undilated_field", "parameters")
    columns += ("gigamacs",)
    for case in CASES:
        if words and not any(word.lower() in case.name.lower() for word in words):
            continue
        start = core_seconds()
        found = measure(case)
        figures |= {f"{case.name}: {key}": value for key, value in found.items()}
        rows.append([case.name, *(f"{found.get(c, math.nan):,.6g}" for c in columns)])
        print(*rows[-1], f"({core_seconds() - start:.1f} core-s)", flush=True)
    print_table(["network, output stride", *columns], rows)
    if not words:
        settings = {
            "networks": [case.name for case in CASES],
            "layers": {case.name: case.layer for case in CASES},
            "image": [IMAGE, IMAGE],
            "classes": CLASSES,
        }
        print(write_result("receptive_field_models", figures, settings, ("torch",)))


if __name__ == "__main__":
    main()
