"""The kernel with holes, worked out in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavestack.explain.style import (
    EMPTY,
    FILL,
    INK,
    SECOND,
    SOFT,
    cells,
    clean,
    minus,
    new_figure,
    save,
)
from wavestack.layers import dilate_kernel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGE = ((4, 5, 8, 7), (1, 8, 8, 8), (3, 6, 6, 4), (6, 5, 7, 8))
KERNEL = ((10, -8), (15, -2))
RATE = 2


def draw_kernel(path: Path) -> str:
    """Draw the sums of a 4 x 4 image with a 2 x 2 kernel, without and with holes.

    Args:
        path: file to write.

    Returns:
        what the picture shows, measured: one line
    """
    image, kernel = torch.tensor(IMAGE), torch.tensor(KERNEL)
    holes = dilate_kernel(kernel[None, None], RATE)[0, 0]
    figure = new_figure(8.2, 6.6)
    upper, lower = figure.subplots(2, 1)
    results = [
        _row(upper, image, kernel, 1, "a 2 x 2 kernel"),
        _row(lower, image, holes, RATE, f"the same taps, rate {RATE}"),
    ]
    save(figure, path)
    direct = F.conv2d(image[None, None], kernel[None, None], dilation=RATE)[0, 0]
    return (
        f"with holes {results[1].tolist()}, by dilation {RATE} {direct.tolist()}, "
        f"without {results[0].tolist()}"
    )


def _row(where: Axes, image: Tensor, kernel: Tensor, rate: int, name: str) -> Tensor:
    """Image, kernel and result beside each other, the first sum marked."""
    result = F.conv2d(image[None, None], kernel[None, None])[0, 0]
    rows, columns = kernel.shape
    taps = np.zeros((rows, columns), dtype=bool)
    taps[::rate, ::rate] = True
    read = np.full(image.shape, EMPTY, dtype=object)
    read[:rows, :columns][taps] = FILL
    first = np.full(result.shape, EMPTY, dtype=object)
    first[0, 0] = SECOND
    matrices = (
        ("image", read, image),
        (name, np.where(taps, FILL, EMPTY).astype(object), kernel),
        ("result", first, result),
    )
    side, left = max(image.shape), 0.0
    for sign, (head, colours, numbers) in zip(
        ("", "\N{ASTERISK OPERATOR}", "="), matrices, strict=True
    ):
        where.text(left - 0.7, side / 2, sign, ha="center", va="center", fontsize=18, color=SOFT)
        where.text(left, -0.2, head, fontsize=9.5, color=INK)
        cells(where, left, (side - len(numbers)) / 2, colours, numbers.numpy())
        left += numbers.shape[1] + 1.4
    terms = [f"{image[i, j]:d} · {_bracketed(int(kernel[i, j]))}" for i, j in np.argwhere(taps)]
    total = " + ".join(terms) + f" = {result[0, 0]:d}"
    where.text(0, side + 0.5, minus(total), fontsize=9.5, color=SOFT)
    where.set_xlim(-0.1, left - 1.3)
    where.set_ylim(side + 0.8, -0.6)
    where.set_aspect("equal")
    clean(where)
    return result


def _bracketed(number: int) -> str:
    return f"({number})" if number < 0 else str(number)
