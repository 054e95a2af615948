"""What dilated layers see, drawn from the index sets of the calculator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wavestack.explain.style import (
    ACCENT,
    EMPTY,
    FILL,
    INK,
    OUTPUT,
    SECOND,
    clean,
    legend,
    new_figure,
    save,
    title,
)
from wavestack.layers import ASPP, AtrousConv2d
from wavestack.receptive_field import Area, analyze

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROWTH = ((1, 1, 1), (1, 2, 4))
GRIDS = ((2, 2, 2), (1, 2, 9), (1, 2, 5))
RATES = (6, 12, 18)
# 3 x 3 convolutions of rate 1 before the pyramid.
DEPTHS = (0, 1, 3)


def stack(rates: Sequence[int]) -> nn.Sequential:
    """3 x 3 convolutions of these dilations, one channel wide."""
    return nn.Sequential(*(AtrousConv2d(1, 1, 3, dilation=rate) for rate in rates))


def area_of(module: nn.Module) -> Area:
    """The pixels that one output of a module with one input channel reads, by the calculator."""
    area = analyze(module.eval(), torch.zeros(1, 1, 8, 8)).area
    assert area is not None
    return area


def draw_growth(path: Path) -> str:
    """Draw how the field grows over three layers, without and with doubled dilation.

    Args:
        path: file to write.

    Returns:
        what the picture shows, measured: one line
    """
    figure = new_figure(9.6, 7.2)
    panels = figure.subplots(2, len(GROWTH[0]))
    half = area_of(stack(GROWTH[-1])).mask.shape[0] // 2 + 1
    sizes = []
    for row, rates in zip(panels, GROWTH, strict=True):
        for depth, panel in enumerate(row, start=1):
            field, last = area_of(stack(rates[:depth])), area_of(stack(rates[depth - 1 : depth]))
            _pixels(panel, [(field, FILL)], half)
            _dots(panel, last)
            rows, columns = field.mask.shape
            title(
                panel,
                f"layer {depth}, dilation {rates[depth - 1]}",
                f"{rows} x {columns} pixels by {9 * depth} weights",
            )
        sizes.append(rows)
    legend(figure, {"read by the output in the middle": FILL, "taps of the last layer": OUTPUT})
    save(figure, path)
    return " and ".join(
        f"dilations {', '.join(map(str, rates))} see {size} x {size}"
        for rates, size in zip(GROWTH, sizes, strict=True)
    )


def draw_gridding(path: Path) -> str:
    """Draw what two neighbouring outputs read, with rates that leave holes and rates that do not.

    Args:
        path: file to write.

    Returns:
        what the picture shows, measured: one line
    """
    figure = new_figure(12.0, 4.55)
    panels = figure.subplots(1, len(GRIDS))
    areas = [area_of(stack(rates)) for rates in GRIDS]
    half = max(area.mask.shape[0] for area in areas) // 2 + 2
    facts = []
    for panel, rates, one in zip(panels, GRIDS, areas, strict=True):
        beside = Area(one.used, one.box, one.coverage, one.mask, _moved(one), one.axes)
        _pixels(panel, [(one, FILL), (beside, SECOND)], half, both=ACCENT)
        panel.plot([0], [0], "o", color=INK, markersize=3.5)
        panel.plot([1], [0], "o", color=OUTPUT, markersize=3.5)
        shared = _shared(one, beside)
        facts.append(
            f"dilations {', '.join(map(str, rates))} read {one.used} of {one.box} pixels and share "
            f"{shared} with the next output"
        )
        title(
            panel,
            f"dilations {', '.join(map(str, rates))}",
            f"an output reads {one.used} of {one.box} pixels; {shared} are also read by the next",
        )
    legend(
        figure,
        {
            "read by the output at the black dot alone": FILL,
            "by its neighbour at the red dot alone": SECOND,
            "by both": ACCENT,
            "by neither": EMPTY,
        },
    )
    save(figure, path)
    return "; ".join(facts)


class _BehindConvolutions(nn.Module):
    """The pyramid without its 1 x 1 projection, behind 3 x 3 convolutions."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.before = stack((1,) * depth)
        self.pyramid = ASPP(1, RATES, 1, image_pooling=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pyramid(self.before(x))


def draw_pyramid(path: Path) -> str:
    """Draw what atrous spatial pyramid pooling reads, alone and behind features that see further.

    Args:
        path: file to write.

    Returns:
        what the picture shows, measured: one line
    """
    figure = new_figure(9.6, 3.9)
    panels = figure.subplots(1, len(DEPTHS))
    areas = [area_of(_BehindConvolutions(depth)) for depth in DEPTHS]
    half = areas[-1].mask.shape[0] // 2 + 1
    for panel, area, depth in zip(panels, areas, DEPTHS, strict=True):
        _pixels(panel, [(area, ACCENT)], half, lines=0.2)
        panel.plot([0], [0], "o", color=OUTPUT, markersize=3.5)
        sees = 2 * depth + 1
        head = f"behind features that see {sees} x {sees}" if depth else f"ASPP {RATES} alone"
        title(panel, head, f"{area.used:,} of {area.box:,} pixels ({area.coverage:.0%})")
    save(figure, path)
    return ", ".join(f"{area.used:,} of {area.box:,}" for area in areas)


def _moved(area: Area) -> tuple[int, int]:
    """Where the field of the next output to the right starts."""
    return (area.start[0], area.start[1] + 1)


def _shared(one: Area, other: Area) -> int:
    """How many pixels both read."""
    sets = [
        {(i + area.start[0], j + area.start[1]) for i, j in np.argwhere(area.mask)}
        for area in (one, other)
    ]
    return len(sets[0] & sets[1])


def _pixels(
    where: Axes,
    areas: Sequence[tuple[Area, str]],
    half: int,
    *,
    both: str | None = None,
    lines: float = 0.6,
) -> None:
    """Colour the pixels of fields around the output at (0, 0), which reads from -half to half.

    Args:
        where: the panel.
        areas: fields with their colours.
        half: pixels shown on each side of the output.
        both: colour of what all fields have.
        lines: width of the lines between pixels.
    """
    from matplotlib.colors import ListedColormap

    size = 2 * half + 1
    shown: NDArray[np.int64] = np.zeros((size, size), dtype=np.int64)
    for bit, (area, _) in enumerate(areas):
        top, left = _corner(area, areas[0][0], half)
        rows, columns = area.mask.shape
        shown[top : top + rows, left : left + columns] |= area.mask.astype(np.int64) << bit
    colours = [EMPTY, *(colour for _, colour in areas)]
    if both is not None:
        colours.append(both)
    where.imshow(
        shown,
        cmap=ListedColormap(colours),
        vmin=0,
        vmax=len(colours) - 1,
        extent=(-half - 0.5, half + 0.5, half + 0.5, -half - 0.5),
        interpolation="nearest",
    )
    edges = np.arange(-half, half + 2) - 0.5
    where.hlines(edges, edges[0], edges[-1], color="white", lw=lines)
    where.vlines(edges, edges[0], edges[-1], color="white", lw=lines)
    clean(where)


def _corner(area: Area, first: Area, half: int) -> tuple[int, int]:
    """Row and column of a field's first pixel in a panel centred on the first field."""
    middle = [s + (n - 1) // 2 for s, n in zip(first.start, first.mask.shape, strict=True)]
    return area.start[0] - middle[0] + half, area.start[1] - middle[1] + half


def _dots(where: Axes, taps: Area) -> None:
    """The taps of one layer, each on its pixel."""
    rows, columns = np.argwhere(taps.mask).T
    middle = [(n - 1) / 2 for n in taps.mask.shape]
    where.scatter(columns - middle[1], rows - middle[0], s=14, color=OUTPUT, linewidths=0, zorder=3)
