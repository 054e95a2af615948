"""Parameters and receptive fields of the backbones, and their cost beside torchvision's own.

    python -m bench.backbones            # all figures: about a minute on one core
    python -m bench.backbones --quick    # no timings, nothing written

Fields are the calculator's, of the last features; they do not depend on widths, so that slim
networks are traced. Timings alternate on one thread; figures are ratios of core-seconds, ours over
torchvision's, at the same output stride, so that below 1 is faster.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn

from bench.common import print_table, summarize, time_in_turns, write_result
from wavestack.models.backbones import BACKBONES, Backbone, make_backbone
from wavestack.receptive_field import analyze

OUTPUT_STRIDES = (32, 16, 8)
TIMED = (("resnet18", 32), ("resnet50", 32), ("resnet50", 8), ("vgg16", 32))
IMAGES = (2, 3, 160, 160)
REPEATS = 7


class LastFeatures(nn.Module):
    """A backbone's last features alone: one output for the calculator."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone(x)[-1]


def geometry(name: str) -> dict[str, float]:
    """Parameters, and the field at three output strides."""
    with torch.device("meta"):
        backbone = make_backbone(name)
    figures = {"parameters": sum(p.numel() for p in backbone.parameters())}
    for stride in OUTPUT_STRIDES:
        slim = make_backbone(name, output_stride=stride, base_channels=1).eval()
        report = analyze(LastFeatures(slim), torch.zeros(1, 3, 64, 64))
        figures[f"field_{stride}"] = report.axes["H"].size
    return figures


def peer(name: str, output_stride: int) -> nn.Module:
    """torchvision's network up to the same features."""
    build = getattr(torchvision.models, name)
    if name.startswith("vgg"):
        return build().features
    dilate = [False, output_stride < 16, output_stride < 32]
    model = build(replace_stride_with_dilation=dilate) if "50" in name else build()
    model.avgpool = model.fc = nn.Identity()
    return model


def cost(name: str, output_stride: int) -> dict[str, float]:
    """Ratios of the forward pass and of the training step."""
    x = torch.randn(IMAGES)
    models = {
        "ours": LastFeatures(make_backbone(name, output_stride=output_stride)),
        "theirs": peer(name, output_stride),
    }

    def forward(model: nn.Module) -> Callable[[], object]:
        return torch.no_grad()(lambda: model(x))

    def step(model: nn.Module) -> Callable[[], object]:
        return lambda: model(x).mean().backward()

    figures = {}
    for what, function, training in (("forward", forward, False), ("training", step, True)):
        for model in models.values():
            model.train(training)
        calls = {who: function(model) for who, model in models.items()}
        seconds = time_in_turns(calls, REPEATS)
        ratios = [a / b for a, b in zip(seconds["ours"], seconds["theirs"], strict=True)]
        figures |= summarize(f"{name}_{output_stride}_{what}", ratios)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no timings, nothing written")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows, figures = [], {}
    for name in BACKBONES:
        found = geometry(name)
        figures |= {f"{name}_{key}": value for key, value in found.items()}
        rows.append([name, *(f"{value:,}" for value in found.values())])
    print_table(["backbone", "parameters", *(f"field at {s}" for s in OUTPUT_STRIDES)], rows)
    if quick:
        return
    rows = []
    for name, stride in TIMED:
        found = cost(name, stride)
        figures |= {f"cost: {key}": value for key, value in found.items()}
        rows += [[key, f"{value:.3f}"] for key, value in found.items()]
    print_table(["ours / torchvision", "core-seconds"], rows)
    settings = {
        "names": list(BACKBONES),
        "timed": [f"{name}_{stride}" for name, stride in TIMED],
        "output_strides": list(OUTPUT_STRIDES),
        "images": list(IMAGES),
        "repeats": REPEATS,
        "threads": 1,
    }
    print(write_result("backbones", figures, settings, ("torch", "torchvision")))


if __name__ == "__main__":
    main()
