"""Segmentation of pictures of any size: whole or tiled, averaged over mirrors and scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.inference.tiling import Tiling, output_of, tiled
from wavestack.signal.image import normalize_image, resize_image

Mode = Literal["whole", "flip", "multi_scale", "multi_scale_flip"]
MODES = ("whole", "flip", "multi_scale", "multi_scale_flip")


class Segmenter:
    """Gives the probability of each class at each pixel of a picture.

    A picture goes the way of evaluation: brought to the model's input size, normalized, through the
    model, logits brought back to the picture's own size. "flip" averages the probabilities with
    those of the mirrored picture, "multi_scale" over several sizes of it, "multi_scale_flip" both.

    Args:
        model: from (B, 3, H, W) to logits (B, K, H', W') or {"out": logits}, in eval mode.
        mode: one of the above, or "whole".
        scales: sizes relative to the model's input, for the multi-scale modes.
        tile: a picture of more pixels along an axis goes through the model in tiles of so many,
            with the result of the whole (`wavestack.inference.tiled`); None: never.
        inexact: as of `tiled`.
        input_size: (height, width) in pixels that the model was trained on; None: pictures keep
            their size.

    Raises:
        ValueError: when the mode is unknown, a number out of its range, or the model cannot be
            tiled.

    References:
        Chen et al. (2018), DeepLab, section 4.1 (multi-scale inputs)
    """

    def __init__(
        self,
        model: nn.Module,
        mode: Mode = "whole",
        *,
        scales: Sequence[float] = (0.75, 1.0, 1.25),
        tile: int | None = None,
        inexact: bool = False,
        input_size: Sequence[int] | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        if tile is not None and tile < 1:
            raise ValueError(f"tile must be >= 1 or None, got {tile}")
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be numbers > 0, got {list(scales)}")
        self.model = model
        self.scales = tuple(scales) if mode.startswith("multi_scale") else (1.0,)
        self.mirrored = mode.endswith("flip")
        self.tile = tile
        self.inexact = inexact
        self.input_size = None if input_size is None else (input_size[0], input_size[1])
        self.tilings: dict[tuple[int, int], Tiling] = {}

    @torch.no_grad()
    def __call__(self, image: np.ndarray) -> Tensor:
        """The probabilities of a picture.

        Shape:
            image: (H, W, 3) uint8 -> (K, H, W) float32 on the CPU

        Raises:
            ValueError: when the picture is no 8-bit RGB, or the model cannot be tiled.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
        own = (image.shape[0], image.shape[1])
        base = self.input_size or own
        planes = torch.from_numpy(image).permute(2, 0, 1).contiguous()
        total: Tensor | None = None
        for scale in self.scales:
            size = [max(1, round(length * scale)) for length in base]
            x = normalize_image(resize_image(planes, size)[None])
            for mirrored in (False, True) if self.mirrored else (False,):
                logits = self._logits(x.flip(-1) if mirrored else x).float()
                if mirrored:
                    logits = logits.flip(-1)
                if logits.shape[-2:] != own:
                    logits = F.interpolate(logits, own, mode="bilinear", align_corners=False)
                probabilities = logits[0].softmax(0)
                total = probabilities if total is None else total.add_(probabilities)
        assert total is not None
        return total.div_(len(self.scales) * (1 + self.mirrored))

    def _logits(self, x: Tensor) -> Tensor:
        """The model's logits on the CPU, in tiles where the picture is larger than one."""
        height, width = x.shape[-2:]
        if self.tile is None or max(height, width) <= self.tile:
            device = next(self.model.parameters()).device
            return output_of(self.model(x.to(device))).cpu()
        tiling = self.tilings.get((height, width))
        if tiling is None:
            tiling = Tiling(self.model, x.shape, self.tile, inexact=self.inexact)
            self.tilings[height, width] = tiling
        return tiled(self.model, x, self.tile, tiling=tiling)


def segment(
    model: nn.Module,
    image: np.ndarray,
    mode: Mode = "whole",
    *,
    tile: int | None = None,
    **more: Any,
) -> Tensor:
    """The probability of each class at each pixel of one picture; see `Segmenter`.

    Args:
        model, mode, tile, more: as of `Segmenter`.
        image: the picture.

    Shape:
        image: (H, W, 3) uint8 -> (K, H, W) float32

    Example:
        >>> model = nn.Conv2d(3, 4, 1)
        >>> segment(model, np.zeros((6, 8, 3), dtype=np.uint8), "flip").argmax(0).shape
        torch.Size([6, 8])
    """
    return Segmenter(model, mode, tile=tile, **more)(image)
