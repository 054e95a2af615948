"""A large picture through a model tile by tile, with the result of the whole.

How much of the picture a tile needs, and where it may begin, is asked of the calculator
(`wavestack.receptive_field.Crops`); nothing here knows a kernel or a stride.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.errors import UserError
from wavestack.inference.resize_on_grid import ResizeOnGrid
from wavestack.receptive_field import Crop, Crops

_AXES = ("H", "W")


@dataclass(frozen=True)
class Tile:
    """One tile along one axis.

    Attributes:
        start, stop: what it contributes to the output
        crop: what of the input goes through the model for it
    """

    start: int
    stop: int
    crop: Crop


class Tiling:
    """How a picture of one size is cut for a model.

    Args:
        model: from (B, C, H, W) to (B, K, H', W').
        shape: of the whole picture, (B, C, H, W) or (C, H, W).
        tile: side, or (height, width), of what a tile contributes, in pixels of the picture; it is
            rounded up to whole steps of the model.
        margin: pixels of the picture added around it; None: as many as the result of the whole
            needs, by the calculator. Fewer make seams.
        inexact: go on where an operator joins all positions, as a global pooling does: it then
            sees a tile at a time.

    Attributes:
        rows, columns: the tiles along either axis.
        output_size: height and width of the result.
        largest: height and width of the largest piece of the picture that meets the model.

    Raises:
        ValueError: when a number is out of its range, an operator joins all positions, or the model
            cannot be applied to a part of a picture.
    """

    def __init__(
        self,
        model: nn.Module,
        shape: torch.Size | tuple[int, ...],
        tile: int | tuple[int, int],
        margin: int | tuple[int, int] | None = None,
        *,
        inexact: bool = False,
    ) -> None:
        tiles = (tile, tile) if isinstance(tile, int) else tuple(tile)
        if len(tiles) != 2 or min(tiles) < 1:
            raise ValueError(f"tile must be >= 1 pixel, or two such numbers, got {tile}")
        margins = (margin, margin) if margin is None or isinstance(margin, int) else tuple(margin)
        if len(margins) != 2 or any(m is not None and m < 0 for m in margins):
            raise ValueError(f"margin must be >= 0 pixels, or two such numbers, got {margin}")
        picture = _like(model).new_zeros(()).expand(1, *shape[-3:])
        try:
            self.crops = Crops(_Output(model), picture)
        except UserError as error:
            raise ValueError(f"this model cannot be tiled: {error}") from error
        names = list(
            dict.fromkeys(
                f"{name or 'the model'} ({op})" for name, op, _, _ in self.crops.global_ops
            )
        )
        if names and not inexact:
            raise ValueError(
                f"{_some(names)} joins all positions of the picture, so that tiles do not give "
                "exactly what the whole does (inexact=true: let it see a tile at a time)"
            )
        self.size = dict(zip(_AXES, shape[-2:], strict=True))
        self.rows, self.columns = (
            self._along(name, length, own)
            for name, length, own in zip(_AXES, tiles, margins, strict=True)
        )
        self.output_size = tuple(self.crops.output_size[name] for name in _AXES)
        self.largest = tuple(
            max(t.crop.stop - t.crop.start for t in tiles) for tiles in (self.rows, self.columns)
        )

    @property
    def margin(self) -> tuple[int, int]:
        """The largest number of pixels added at one side of a tile, along H and W."""
        return tuple(  # type: ignore[return-value]
            max(
                max(
                    math.ceil(t.start / self.crops.density[name]) - t.crop.start,
                    t.crop.stop - math.floor(t.stop / self.crops.density[name]),
                )
                for t in tiles
            )
            for name, tiles in zip(_AXES, (self.rows, self.columns), strict=True)
        )

    @property
    def overlap(self) -> float:
        """Pixels that go through the model, over those of the picture."""
        tall, wide = (
            sum(t.crop.stop - t.crop.start for t in tiles) for tiles in (self.rows, self.columns)
        )
        return tall * wide / (self.size["H"] * self.size["W"])

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[Tile, Tile]]:
        return ((row, column) for row in self.rows for column in self.columns)

    def _along(self, name: str, tile: int, margin: int | None) -> list[Tile]:
        step, density = self.crops.alignment[name], self.crops.density[name]
        total = self.crops.output_size[name]
        outputs = int(math.ceil(tile / step) * step * density)
        tiles = []
        for start in range(0, total, outputs):
            stop = min(start + outputs, total)
            if margin is None:
                crop = self.crops.crop(name, start, stop)
            else:
                crop = self._with_margin(name, start, stop, margin)
            tiles.append(Tile(start, stop, crop))
        return tiles

    def _with_margin(self, name: str, start: int, stop: int, margin: int) -> Crop:
        """A crop by the user's own margin, at a place where the model's steps begin."""
        step, density = self.crops.alignment[name], self.crops.density[name]
        length = self.size[name]
        before = math.floor(start / density) - margin
        behind = length - math.ceil(stop / density) - margin
        begin = max(0, before // step * step)
        return Crop(begin, length - max(0, behind // step * step), int(begin * density))


@torch.no_grad()
def tiled(
    model: nn.Module,
    x: Tensor,
    tile: int | tuple[int, int],
    margin: int | tuple[int, int] | None = None,
    *,
    inexact: bool = False,
    tiling: Tiling | None = None,
) -> Tensor:
    """What ``model(x)`` gives, computed tile by tile in the memory of a tile.

    It works on any dense predictor: segmentation, denoising, super-resolution; the output may have
    more or fewer positions than the picture. Equal to the whole up to rounding, everywhere: a tile
    at the border of the picture keeps that border and whatever padding the model gives it, and
    resizing to the picture's size (359 rows from 45) is done on the grid of the whole picture.

    Args:
        model: from (B, C, H, W) to (B, K, H', W'), or to a dict with that under "out". It must be
            in eval mode if it has batch normalization or dropout.
        x: the picture or pictures; only a tile at a time is moved to the model's device.
        tile, margin, inexact: as of `Tiling`.
        tiling: one made before for this model and size, instead of these.

    Shape:
        x: (B, C, H, W) -> (B, K, H', W'), on the device of x

    Raises:
        ValueError: as of `Tiling`; and when a margin of one's own is so small that a tile gives
            less than it should contribute.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2))
        >>> x = torch.rand(1, 1, 50, 70)
        >>> torch.allclose(tiled(model, x, tile=16), model(x), atol=1e-5)
        True
    """
    if x.dim() != 4:
        raise ValueError(f"x must be (B, C, H, W), got {tuple(x.shape)}")
    if tiling is None:
        tiling = Tiling(model, x.shape, tile, margin, inexact=inexact)
    device = _like(model).device
    y: Tensor | None = None
    for row, column in tiling:
        part = x[..., row.crop.start : row.crop.stop, column.crop.start : column.crop.stop]
        starts = {"H": row.crop.start, "W": column.crop.start}
        with ResizeOnGrid(tiling.crops.resizes, starts):
            scores = output_of(model(part.to(device)))
        top, left = row.start - row.crop.output_start, column.start - column.crop.output_start
        height, width = row.stop - row.start, column.stop - column.start
        scores = scores[..., max(top, 0) : top + height, max(left, 0) : left + width]
        if scores.shape[-2:] != (height, width):
            raise ValueError(
                f"margin={tiling.margin} is too small: a tile gives {tuple(scores.shape[-2:])} "
                f"of the {(height, width)} positions that it should"
            )
        if y is None:
            y = scores.new_empty(*scores.shape[:2], *tiling.output_size, device=x.device)
        y[..., row.start : row.stop, column.start : column.stop] = scores
    assert y is not None
    return y


def output_of(result: Any) -> Tensor:
    """A model's scores, without those of auxiliary heads."""
    return result["out"] if isinstance(result, dict) else result


class _Output(nn.Module):
    """A model that returns its scores alone; its parts keep their paths."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._modules = model._modules
        self._parameters = model._parameters
        self._buffers = model._buffers
        self.training = model.training
        self._whole = (model,)  # in a tuple, so that it is no part of itself

    def forward(self, x: Tensor) -> Tensor:
        return output_of(self._whole[0](x))


def _some(names: list[str]) -> str:
    """The first names of a long list."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _like(model: nn.Module) -> Tensor:
    """A tensor of the model's type and device."""
    return next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(()))
