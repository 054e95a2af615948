"""Pictures side by side, pixel for pixel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from wavestack.files import atomic_write

_CUT = 160  # pixels of each side that are shown
_ENLARGED = 2  # screen pixels for one of a picture


def write_comparison(path: Path, panels: Mapping[str, Tensor], cut: int = _CUT) -> None:
    """Draws the middles of pictures beside each other under their names, nothing interpolated.

    Args:
        path: a ``.png`` file.
        panels: by name (1, C, H, W), 0 to 1, all of one size; C is 1 or 3.
        cut: pixels of each side that are shown.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    middles = {
        name: _middle(panel[0].permute(1, 2, 0).numpy(), cut) for name, panel in panels.items()
    }
    height, width = next(iter(middles.values())).shape[:2]
    inch = 100 / _ENLARGED
    size = (len(middles) * (width / inch + 0.1), height / inch + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    for axes, (name, image) in zip(
        figure.subplots(1, len(middles), squeeze=False)[0], middles.items(), strict=True
    ):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name, fontsize=10)
        axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(
        path, lambda file: figure.savefig(file, format="png", bbox_inches="tight", pad_inches=0.05)
    )


def _middle(image: np.ndarray, cut: int) -> np.ndarray:
    """The middle of an image (H, W, C), of `cut` pixels at most along each axis."""
    top, left = (max(0, (size - cut) // 2) for size in image.shape[:2])
    return image[top : top + cut, left : left + cut].clip(0, 1)
