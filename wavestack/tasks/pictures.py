"""Pictures of what a task found, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wavestack.files import atomic_write


def write_confusion(
    path: Path, confusion: np.ndarray, names: Sequence[str], *, shares: bool = False
) -> None:
    """Draws a confusion matrix: rows are true classes, columns what they were taken for.

    Args:
        path: a ``.png`` file.
        confusion: (K, K) counts.
        names: of the K classes.
        shares: write per cent of the row instead of counts (of pixels, say).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    K = len(names)
    size = 2.5 + 0.4 * K
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(K), names, rotation=45, ha="right")
    axes.set_yticks(range(K), names)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    for row, column in zip(*np.nonzero(confusion), strict=True):
        percent = 100 * share[row, column]
        if shares and percent < 0.5:
            continue
        colour = "white" if percent > 60 else "black"
        text = f"{percent:.0f}" if shares else str(confusion[row, column])
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=100))


def write_forecast(
    path: Path,
    window: np.ndarray,
    target: np.ndarray,
    forecast: np.ndarray,
    names: Sequence[str],
) -> None:
    """Draws the first and the last columns of a forecast over what came, after the window's end.

    Args:
        path: a ``.png`` file.
        window: (C, window), what the model was given; as much of it is drawn as of the forecast.
        target: (C, horizon), what came.
        forecast: (C, horizon).
        names: of the C columns.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = range(len(names)) if len(names) <= 3 else (0, 1, len(names) - 1)
    horizon = target.shape[1]
    shown = min(window.shape[1], max(2 * horizon, 48))
    before, after = np.arange(-shown, 0), np.arange(horizon)
    figure = Figure(figsize=(8, 1.2 + 1.5 * len(columns)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
    for axes, column in zip(panels, columns, strict=True):
        axes.plot(before, window[column, -shown:], linewidth=0.8, color="#334155")
        axes.plot(after, target[column], linewidth=0.8, color="#334155", label="what came")
        axes.plot(after, forecast[column], linewidth=1.2, color="#ea580c", label="forecast")
        axes.axvline(-0.5, linewidth=0.6, color="#94a3b8")
        axes.set_ylabel(names[column])
    panels[0].legend(loc="upper left", fontsize=8)
    panels[-1].set_xlabel("steps after the window")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=100))
