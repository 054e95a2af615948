"""Draw docs/images/super_resolution.png: python -m bench.super_resolution_picture RUN PICTURE

A part of a picture made small by a run's scale, enlarged by bicubic interpolation and by the run,
beside the original. Only a picture that is free to republish may be committed: the page shows
scikit-image's `chelsea.png`, which its photographer (Stéfan van der Walt) gave away under CC0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import wavestack
from bench.common import ROOT
from wavestack.data.pictures.reading import ImageReader
from wavestack.inference.upscale import upscale
from wavestack.signal import resize_bicubic
from wavestack.tasks.comparison import write_comparison

PATH = ROOT / "docs" / "images" / "super_resolution.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument(
        "--place", type=int, nargs=2, default=(40, 110), help="top and left, pixels"
    )
    parser.add_argument("--size", type=int, default=180, help="of the part that is shown, pixels")
    parser.add_argument("--out", type=Path, default=PATH)
    given = parser.parse_args()
    model = wavestack.load(given.run)
    image = ImageReader().read(given.picture)
    height, width = (size // model.scale * model.scale for size in image.shape[:2])
    image = image[:height, :width]
    small = resize_bicubic(image, 1 / model.scale)

    def part(x: np.ndarray) -> Tensor:
        top, left = given.place
        cut = x[top : top + given.size, left : left + given.size]
        return torch.from_numpy(cut.copy()).permute(2, 0, 1)[None] / 255

    panels = {
        f"bicubic x{model.scale}": part(resize_bicubic(small, model.scale)),
        "this model": part(upscale(model, small)),
        "original": part(image),
    }
    write_comparison(given.out, panels, cut=given.size)
    print(given.out)


if __name__ == "__main__":
    main()
