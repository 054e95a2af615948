"""Pictures of what a task found, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wavestack.files import atomic_write


def write_confusion(path: Path, confusion: np.ndarray, names: Sequence[str]) -> None:
    """Draws a confusion matrix: rows are true classes, columns what they were taken for.

    Args:
        path: a ``.png`` file.
        confusion: (K, K) counts.
        names: of the K classes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    K = len(names)
    size = 2.5 + 0.4 * K
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(K), names, rotation=45, ha="right")
    axes.set_yticks(range(K), names)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    for row, column in zip(*np.nonzero(confusion), strict=True):
        colour = "white" if shares[row, column] > 0.6 else "black"
        count = str(confusion[row, column])
        axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=100))
