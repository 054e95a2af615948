"""Answers to one picture side by side: the whole above, a part from near by below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wavestack.explain.style import INK, clean, new_figure, save, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Answer:
    """What a filter or a network says of a picture.

    Attributes:
        name: heading of its column.
        note: a line under the heading.
        detail: a line over the part from near by.
        values: (H, W), of the picture's size.
    """

    name: str
    note: str
    detail: str
    values: Tensor


@dataclass(frozen=True)
class Part:
    """A square of the picture."""

    top: int
    left: int
    side: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)


def luminance(picture: NDArray[np.float32]) -> Tensor:
    """(H, W, 3) -> (1, 1, H, W), around 0, so that the zeros of a padding are no edge."""
    grey = torch.from_numpy(picture @ np.array(LUMINANCE, dtype=np.float32))[None, None]
    return grey - grey.mean()


def enlarge(sparse: Tensor, stride: int, size: tuple[int, int], mode: str = "bilinear") -> Tensor:
    """Answers for pixels 0, s, 2s, ... brought to every pixel, those where they were.

    Args:
        sparse: (1, 1, ceil(H / s), ceil(W / s)).
        stride: s.
        size: (H, W).
        mode: "bilinear", or "nearest" for blocks around the computed ones.

    Example:
        >>> enlarge(torch.tensor([[[[0.0, 3.0]]]]), 3, (1, 5))
        tensor([[[[0., 1., 2., 3., 3.]]]])
    """
    rows, columns = sparse.shape[-2:]
    if mode == "nearest":
        i, j = (
            ((torch.arange(length) + stride // 2) // stride).clamp(max=count - 1)
            for length, count in zip(size, (rows, columns), strict=True)
        )
        return sparse[..., i[:, None], j]
    between = ((rows - 1) * stride + 1, (columns - 1) * stride + 1)
    dense = F.interpolate(sparse, between, mode="bilinear", align_corners=True)
    rest = (0, size[1] - between[1], 0, size[0] - between[0])
    return F.pad(dense, rest, mode="replicate")


def strongest(answer: Tensor, side: int) -> Part:
    """The square in which an answer (1, 1, H, W) is largest."""
    side = min(side, *answer.shape[-2:])
    means = F.avg_pool2d(answer.square(), side, stride=1)[0, 0]
    return Part(*divmod(int(means.argmax()), means.shape[1]), side)


def draw_answers(
    picture: NDArray[np.float32],
    answers: Sequence[Answer],
    part: Part,
    path: Path,
    *,
    colours: Any,
    limits: tuple[float, float],
    mark: Callable[[Axes], None] | None = None,
    detail: str = "from near by",
) -> None:
    """Draw a picture and what is answered to it.

    Args:
        picture: (H, W, 3), red, green and blue from 0 to 1.
        answers: one for each further column.
        part: what is shown from near by.
        path: file to write.
        colours: of the answers, a colour map.
        limits: values of its first and last colour.
        mark: draws on the part of the picture, in its pixels.
        detail: a line over the part of the picture.
    """
    height, width = picture.shape[:2]
    figure = new_figure(12.8, 0.8 + 3.2 * (height / width + 1), dpi=110)
    upper, lower = figure.subplots(2, len(answers) + 1, height_ratios=[height / width, 1])
    upper[0].imshow(picture)
    title(upper[0], "picture", f"{width} x {height} pixels")
    lower[0].imshow(picture[part.window], interpolation="nearest")
    title(lower[0], "", detail)
    if mark is not None:
        mark(lower[0])
    for whole, near, answer in zip(upper[1:], lower[1:], answers, strict=True):
        values = answer.values.numpy()
        for panel, shown in ((whole, values), (near, values[part.window])):
            panel.imshow(
                shown, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest"
            )
        title(whole, answer.name, answer.note)
        title(near, "", answer.detail)
    for panel in (*upper, *lower):
        clean(panel)
    for panel in upper:
        _frame(panel, part)
    save(figure, path)


def _frame(where: Axes, part: Part) -> None:
    from matplotlib.patches import Rectangle

    corner = (part.left - 0.5, part.top - 0.5)
    where.add_patch(Rectangle(corner, part.side, part.side, fill=False, edgecolor=INK, lw=1.0))
