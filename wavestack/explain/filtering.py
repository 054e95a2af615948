"""One filter on one picture, three ways: as it is, on a smaller picture, and with holes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wavestack.explain.compare import Answer, draw_answers, enlarge, luminance, strongest
from wavestack.explain.style import ACCENT, OUTPUT, signed
from wavestack.layers import AtrousConv2d

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TAPS = 7


def derivative_filter(taps: int = TAPS) -> Tensor:
    """The horizontal derivative of a Gaussian: answers where brightness changes from left to right.

    Args:
        taps: along each axis; the Gaussian's spread is a fifth of them.

    Shape:
        -> (1, 1, taps, taps), of which the positive part sums to 1

    Example:
        >>> derivative_filter(3)[0, 0, 1].sign()
        tensor([-1.,  0.,  1.])
    """
    t = torch.arange(taps) - (taps - 1) / 2
    bell = torch.exp(-0.5 * (t / (taps / 5)) ** 2)
    kernel = torch.outer(bell, t * bell)
    return (kernel / kernel.clamp(min=0).sum())[None, None]


def derivative(rate: int) -> AtrousConv2d:
    """The filter as a layer of that dilation."""
    conv = AtrousConv2d(1, 1, TAPS, dilation=rate, bias=False).requires_grad_(False)
    conv.weight.copy_(derivative_filter())
    return conv


class ResizeThenFilter(nn.Module):
    """Take every r-th pixel, filter, and interpolate back to the size of the picture.

    Args:
        rate: r.

    Shape:
        x: (B, 1, H, W) -> (B, 1, H, W)
    """

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.filter = derivative(1)

    def sparse(self, x: Tensor) -> Tensor:
        """The filter's answers before they are enlarged: one for r x r pixels."""
        return self.filter(x[..., :: self.rate, :: self.rate])

    def forward(self, x: Tensor) -> Tensor:
        """Answers for every pixel, of which only one in r x r is computed."""
        return enlarge(self.sparse(x), self.rate, (x.shape[-2], x.shape[-1]))


def draw_filtering(picture: NDArray[np.float32], path: Path, rate: int = 2) -> str:
    """Draw the picture, the three answers to it, and a part of each from near by.

    Args:
        picture: (H, W, 3), red, green and blue from 0 to 1.
        path: file to write.
        rate: r, of the atrous filter and of the smaller picture.

    Returns:
        what the picture shows, measured: one line
    """
    x = luminance(picture)
    resized = ResizeThenFilter(rate)
    sparse, dense = resized.sparse(x), derivative(rate)(x)
    span = (TAPS - 1) * rate + 1
    near, far = (f"{TAPS} x {TAPS} taps see {size} x {size} pixels" for size in (TAPS, span))
    answers = (
        Answer("regular convolution", near, "detail, but nothing from further off",
               derivative(1)(x)[0, 0]),
        Answer("smaller picture, filter, enlarge", far, f"one answer for {rate * rate} pixels",
               resized(x)[0, 0]),
        Answer(f"atrous convolution, rate {rate}", far, "an answer for every pixel", dense[0, 0]),
    )  # fmt: skip
    part = strongest(dense, 5 * span)
    limit = float(torch.quantile(dense.abs().flatten()[::7], 0.995))
    draw_answers(
        picture,
        answers,
        part,
        path,
        colours=signed(),
        limits=(-limit, limit),
        mark=lambda where: _footprints(where, part.side, rate),
        detail=f"from near by, with the taps of rate 1 and rate {rate}",
    )
    difference = float((dense[..., ::rate, ::rate] - sparse).abs().max())
    return (
        f"{sparse.numel():,} answers of the smaller picture, {dense.numel():,} of the atrous "
        f"filter; where both have one they differ by {difference:.1g} at most"
    )


def _footprints(where: Axes, side: int, rate: int) -> None:
    """The taps of both filters, on the pixels that they read."""
    offsets = np.arange(TAPS) - TAPS // 2
    column = round(0.55 * side)
    for step, row, colour in ((1, 0.22, OUTPUT), (rate, 0.60, ACCENT)):
        columns, rows = np.meshgrid(column + step * offsets, round(row * side) + step * offsets)
        where.scatter(columns, rows, s=11, color=colour, edgecolors="white", linewidths=0.5)
    where.set_xlim(-0.5, side - 0.5)
    where.set_ylim(side - 0.5, -0.5)
