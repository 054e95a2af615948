"""Memory and time of tiled inference beside the whole picture: python -m bench.tiling

Large pictures through a small net of hybrid dilated convolutions and through DeepLabV3+ (its
image pooling left out, which no tile can give exactly), whole and in tiles, each in a process of
its own. Memory is the peak above what the process held before the first tile, the result of 11
classes (176 MiB at 2048 x 2048) included; large blocks are mapped one by one, so that what glibc
keeps of freed memory is not counted. The tiled result is compared with the whole one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.common import core_seconds, print_table, write_result
from wavestack.inference import Tiling, tiled
from wavestack.layers import ASPP
from wavestack.models import DeepLabV3Plus, HDCNet

NUM_CLASSES = 11
# Net, side of the picture, tiles (None: whole).
CASES: list[tuple[str, int, tuple[int | None, ...]]] = [
    ("hdc", 2048, (None, 512, 1024)),
    ("hdc", 4096, (None, 1024)),
    ("deeplabv3plus_resnet18", 2048, (None, 1024)),
]
# Blocks of at least so many bytes go back to the system when they are freed.
MAPPED = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}


def make_model(name: str) -> nn.Module:
    """One of the two nets, untrained, in eval mode."""
    torch.manual_seed(0)
    if name == "hdc":
        return HDCNet(NUM_CLASSES).eval()
    model = DeepLabV3Plus(NUM_CLASSES, backbone="resnet18")
    width = model.backbone.out_channels[-1]
    model.aspp = ASPP(width, (6, 12, 18), 256, separable=True, image_pooling=False)
    return model.eval()


@torch.inference_mode()
def measure(name: str, side: int, tile: int | None, whole: Path) -> dict[str, Any]:
    """One pass; writes the whole result to a file, or compares a tiled one with it."""
    model = make_model(name)
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    figures: dict[str, Any] = {}
    began = core_seconds()
    tiling = None if tile is None else Tiling(model, x.shape, tile)
    figures["plan_core_seconds"] = core_seconds() - began
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
    held, began = _memory("VmRSS"), core_seconds()
    y = model(x) if tiling is None else tiled(model, x, side, tiling=tiling)
    figures["core_seconds"] = core_seconds() - began
    figures["peak_mib"] = _memory("VmHWM") - held
    if tiling is None:
        np.save(whole, y.numpy())
    else:
        figures["largest_difference"] = float((y - torch.from_numpy(np.load(whole))).abs().max())
        figures["margin"] = max(tiling.margin)
        figures["tiles"] = len(tiling)
        figures["overlap"] = tiling.overlap
    return figures


def _memory(kind: str) -> float:
    """Memory of this process in MiB: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def main() -> None:
    """Measure every case in a process of its own and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args().case
    torch.set_num_threads(1)
    if given is not None:
        name, side, tile, whole = given
        size = None if tile == "whole" else int(tile)
        print(json.dumps(measure(name, int(side), size, Path(whole))))
        return
    figures: dict[str, float] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, side, tiles in CASES:
            for tile in tiles:
                size = "whole" if tile is None else str(tile)
                command = [sys.executable, "-m", "bench.tiling", "--case", name, str(side), size]
                done = subprocess.run(
                    [*command, str(Path(folder) / f"{name}_{side}.npy")],
                    stdout=subprocess.PIPE,
                    check=True,
                    env={**os.environ, **MAPPED},
                )
                found = json.loads(done.stdout)
                if tile is None:
                    del found["plan_core_seconds"]
                key = f"{name}_{side}_{'whole' if tile is None else f'tile_{tile}'}"
                figures.update({f"{key}_{figure}": value for figure, value in found.items()})
                rows.append(
                    [f"{name} {side} {size}", round(found["peak_mib"])]
                    + [f"{found['core_seconds']:.1f}"]
                    + [found.get(f, "") for f in ("margin", "tiles", "overlap")]
                    + [found.get("largest_difference", "")]
                )
    header = ["", "peak MiB", "core-seconds", "margin", "tiles", "overlap", "difference"]
    print_table(header, rows)
    settings = {"classes": NUM_CLASSES, "threads": 1, "dtype": "float32", **MAPPED}
    print(write_result("tiling", figures, settings))


if __name__ == "__main__":
    main()
