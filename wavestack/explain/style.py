"""How every picture of this package looks: one palette, no frames, few words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wavestack.receptive_field.render.png import ACCENT as ACCENT
from wavestack.receptive_field.render.png import HEAT, INK, SOFT
from wavestack.receptive_field.render.png import OUTPUT as OUTPUT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

EMPTY, FILL, SECOND = "#f0efeb", "#a9c1f5", "#e8a33d"
NEGATIVE, POSITIVE = "#1f4fbf", "#c8421a"


def new_figure(width: float, height: float, dpi: int = 150) -> Figure:
    """An empty figure, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(h_pad=0.08)
    figure = Figure(figsize=(width, height), dpi=dpi, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure; without the date and the program, so that equal pictures are equal files."""
    figure.savefig(
        path, format="png", bbox_inches="tight", pad_inches=0.12, metadata={"Software": None}
    )
    return path


def signed() -> LinearSegmentedColormap:
    """Blue for negative, white for zero, red for positive."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", [NEGATIVE, "#ffffff", POSITIVE])


def heat() -> LinearSegmentedColormap:
    """White for nothing, then yellow, red and black."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("heat", HEAT)


def clean(where: Axes) -> None:
    """No frame, no ticks."""
    where.set_xticks([])
    where.set_yticks([])
    for side in where.spines.values():
        side.set_visible(False)


def title(where: Axes, head: str, note: str = "") -> None:
    """A heading over a panel, and one quiet line under it."""
    where.set_title(head or " ", fontsize=9.5, color=INK, loc="left", pad=17 if note else 5)
    if note:
        where.annotate(
            note,
            (0, 1),
            xytext=(0, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=7.5,
            color=SOFT,
        )


def legend(figure: Figure, meanings: dict[str, str]) -> None:
    """One line under the panels: what each colour means."""
    from matplotlib.patches import Patch

    figure.legend(
        handles=[Patch(color=colour, label=meaning) for meaning, colour in meanings.items()],
        loc="outside lower left",
        ncols=len(meanings),
        frameon=False,
        fontsize=8,
        labelcolor=SOFT,
        handlelength=1.0,
        handleheight=1.0,
    )


def cells(
    where: Axes,
    left: float,
    top: float,
    colours: NDArray[np.object_],
    numbers: NDArray[np.int64],
    size: float = 12,
) -> None:
    """A matrix of coloured squares of side 1 with its numbers in them.

    Args:
        where: the panel.
        left: column of its left edge.
        top: row of its upper edge.
        colours: (rows, columns) of colour names.
        numbers: (rows, columns) to write.
        size: of the numbers, in points.
    """
    from matplotlib.patches import Rectangle

    for (i, j), colour in np.ndenumerate(colours):
        corner = (left + j, top + i)
        where.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="white", lw=1.5))
        where.text(
            corner[0] + 0.5,
            corner[1] + 0.5,
            minus(f"{numbers[i, j]:d}"),
            ha="center",
            va="center",
            fontsize=size,
            color=INK,
        )


def minus(text: str) -> str:
    """Numbers with a minus sign as long as their plus."""
    return text.replace("-", "\N{MINUS SIGN}")
