"""`wavestack explain`: pictures that explain atrous convolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from omegaconf import DictConfig

from wavestack.errors import UserError
from wavestack.explain import DRAWINGS, draw

LARGEST, SMALLEST = 512, 48


def check(cfg: DictConfig) -> None:
    """Stop at values that make no sense, before anything is drawn.

    Raises:
        UserError: naming the key.
    """
    for name in cfg.drawings or ():
        if name not in DRAWINGS:
            raise UserError(
                f"drawings: there is no drawing {name} (there are {', '.join(DRAWINGS)})"
            )
    if not 2 <= cfg.rate <= 16:
        raise UserError(f"rate must be from 2 to 16, got {cfg.rate}")


def run(cfg: DictConfig) -> None:
    """Draw, and print of each file what it shows."""
    check(cfg)
    folder = Path(cfg.out)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"out={folder}: is a file; a folder is wanted")
    names = tuple(cfg.drawings or DRAWINGS)
    for path, shown in draw(folder, _picture(cfg.image), names, rate=cfg.rate):
        print(f"{path}: {shown}")


def _picture(image: str | None) -> NDArray[np.float32]:
    """The user's picture, made smaller where it is large, or our own."""
    if image is None:
        from wavestack.explain.scene import scene

        return scene()
    from wavestack.data.pictures.reading import ImageReader

    path = Path(image)
    pixels = torch.from_numpy(ImageReader(sixteen_bit="full").read(path)).permute(2, 0, 1) / 255
    height, width = pixels.shape[1:]
    if min(height, width) < SMALLEST:
        raise UserError(
            f"{path}: {width} x {height} pixels; at least {SMALLEST} x {SMALLEST} are wanted"
        )
    share = min(1.0, LARGEST / max(height, width))
    if share < 1:
        size = [max(SMALLEST, round(height * share)), max(SMALLEST, round(width * share))]
        pixels = F.interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]
    return pixels.permute(1, 2, 0).contiguous().numpy()
