"""Pictures enlarged by a super-resolution model, as people look at them: 8-bit RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wavestack.inference.tiling import tiled
from wavestack.signal import resize_bicubic, rgb_to_ycbcr, ycbcr_to_rgb
from wavestack.signal.bicubic import round_to_bytes


@torch.no_grad()
def upscale(model: Any, image: np.ndarray, *, tile: int | None = 512) -> np.ndarray:
    """Enlarge a picture.

    A model of brightness alone enlarges Y; Cb and Cr, in which the eye sees no detail, go through
    bicubic interpolation. A model of RGB enlarges all three.

    Args:
        model: a `SuperResolutionNet`, or another with `scale` and `in_channels`, in eval mode.
        image: the picture.
        tile: a picture of more pixels along an axis goes through the model in tiles of so many,
            each with the margin that makes the result that of the whole; None: never.

    Shape:
        image: (H, W, 3) uint8 -> (scale * H, scale * W, 3) uint8

    Raises:
        ValueError: when the picture is no 8-bit RGB, or the tile is below 1.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if tile is not None and tile < 1:
        raise ValueError(f"tile must be >= 1 or None, got {tile}")
    rgb = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    if model.in_channels == 3:
        enlarged = _apply(model, rgb, tile)
    else:
        x = rgb_to_ycbcr(rgb)
        colours = resize_bicubic(x[0, 1:].permute(1, 2, 0).numpy(), model.scale)
        brightness = _apply(model, x[:, :1], tile)
        cbcr = torch.from_numpy(colours).permute(2, 0, 1)[None].float()
        enlarged = ycbcr_to_rgb(torch.cat([brightness, cbcr], dim=1))
    return round_to_bytes(255 * enlarged[0].permute(1, 2, 0).numpy())


def _apply(model: Any, x: Tensor, tile: int | None) -> Tensor:
    """The model's output on the CPU, in tiles where the picture is larger than one."""
    if tile is not None and max(x.shape[-2:]) > tile:
        return tiled(model, x, tile)
    device = next(model.parameters()).device
    return model(x.to(device)).cpu()
