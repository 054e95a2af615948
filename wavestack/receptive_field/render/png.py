"""A report as a picture (matplotlib, drawn off-screen)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavestack.receptive_field.render.tree import dilation_tree, funnel
from wavestack.receptive_field.render.words import headline, seconds, share, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.report import Report

HEAT = ["#ffffff", "#fde2b2", "#f49260", "#c93e5c", "#6e1e6e", "#1e0e3c"]
INK, SOFT, FAINT, ACCENT, OUTPUT = "#1c1e24", "#5f6570", "#c9cdd6", "#2956c8", "#d9480f"


def to_png(report: Report, path: str | Path, effective: EffectiveField | None = None) -> Path:
    """Draw the field and write it: a tree for signals, pixels for images.

    Args:
        report: the report.
        path: file to write.
        effective: the effective receptive field of the same model, or None.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    panels = _panels(report, effective)
    wide = 9.6 if report.area is None else 5.4 * len(panels)
    figure = Figure(figsize=(wide, 5.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    rows, columns = (len(panels), 1) if report.area is None else (1, len(panels))
    ratios = [3] + [1] * (rows - 1) if rows > 1 else None
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=ratios)
    for draw, where in zip(panels, axes.flat, strict=True):
        draw(where)
    name = report.model_name + (f" at {report.layer}" if report.layer else "")
    figure.suptitle(f"{name}: {headline(report)}", fontsize=11, color=INK, x=0.01, ha="left")
    figure.savefig(path, format="png")
    return path


def _panels(report: Report, effective: EffectiveField | None) -> list[Any]:
    if report.area is not None:
        panels = [lambda where: _plane(where, report)]
        if effective is not None and effective.magnitude.ndim >= 2:
            panels.append(lambda where: _heat(where, report, effective))
        return panels
    tree = dilation_tree(report, effective)
    if tree is not None:
        panels = [lambda where: _tree(where, tree)]
    else:
        bars = funnel(report)
        panels = [lambda where: _funnel(where, bars, report)]
    if effective is not None:
        panels.append(lambda where: _profile(where, report, effective))
    return panels


def _tree(where: Axes, tree: dict[str, Any]) -> None:
    from matplotlib.collections import LineCollection

    levels = tree["levels"]
    top = len(levels)
    jumps = [1.0, *(float(Fraction(level["jump"])) for level in levels)]
    anchors = [0.0, *(level["anchor"] for level in levels)]
    present = tree["focus"] * jumps[top] + anchors[top]
    positions = np.array([tree["focus"]])
    for number in range(top, 0, -1):
        level = levels[number - 1]
        period, phases = level["period"], level["offsets"]
        reads = [
            (p, p // period * level["shift"] + o) for p in positions for o in phases[p % period]
        ]
        if not reads:  # an output that sees nothing
            break
        upper, below = np.array(reads).T
        x_top = upper * jumps[number] + anchors[number] - present
        x_below = below * jumps[number - 1] + anchors[number - 1] - present
        ends = np.stack(
            [
                np.stack([x_top, np.full_like(x_top, number)], 1),
                np.stack([x_below, np.full_like(x_below, number - 1)], 1),
            ],
            1,
        )
        width = 1.1 if len(ends) <= 40 else 0.6 if len(ends) <= 300 else 0.25
        where.add_collection(LineCollection(list(ends), colors=ACCENT, linewidths=width, alpha=0.8))
        positions = np.unique(below)
        size = 26 if len(positions) <= 24 else 9 if len(positions) <= 90 else 1.5
        x = positions * jumps[number - 1] + anchors[number - 1] - present
        where.scatter(x, np.full(len(x), number - 1), s=size, color=ACCENT, linewidths=0, zorder=3)
    where.scatter([0], [top], s=42, color=OUTPUT, zorder=4)
    where.set_yticks(range(top + 1), ["input", *(level["label"] for level in levels)])
    where.set_ylim(-0.5, top + 0.5)
    where.margins(x=0.03)
    where.autoscale_view(scaley=False)
    _style(where, grid=True)
    _time_ticks(where, tree["rate"], tree["unit"] + "s")


def _funnel(where: Axes, bars: dict[str, Any] | None, report: Report) -> None:
    _style(where, grid=False)
    if bars is None:
        where.text(0.5, 0.5, headline(report), ha="center", color=SOFT, transform=where.transAxes)
        where.set_axis_off()
        return
    rows = bars["bars"]
    where.barh(
        range(len(rows)),
        [b["size"] for b in rows],
        left=[b["start"] for b in rows],
        color=ACCENT,
        alpha=0.75,
        height=0.75,
    )
    shown = range(0, len(rows), -(-len(rows) // 24))
    where.set_yticks(list(shown), [rows[i]["name"] for i in shown], fontsize=7)
    where.set_xlabel("input position read by output 0", color=SOFT, fontsize=8)


def _profile(where: Axes, report: Report, effective: EffectiveField) -> None:
    axis = effective.axes[-1]
    profile = effective.profile(axis)
    used = np.flatnonzero(profile)
    x = np.arange(used[0], used[-1] + 1)
    now = used[-1] if report.is_causal else effective.mean(axis)
    heights = profile[x] / profile.max()
    where.fill_between(x - now, heights, step="mid", color=ACCENT, alpha=0.5, linewidth=0)
    for mass, colour in ((0.95, SOFT), (0.5, OUTPUT)):
        first, last = effective.interval(axis, mass)
        where.axvspan(first - now, last - now, color=colour, alpha=0.12, linewidth=0)
        note = f" {mass:.0%} of the gradient in {last - first + 1:,}"
        where.text(first - now, 1.02, note, fontsize=7, color=colour, va="bottom")
    where.set_yticks([])
    where.margins(x=0.03)
    _style(where, grid=False)
    _time_ticks(where, report.sample_rate if axis == "T" else None, unit(report, axis))


def _plane(where: Axes, report: Report) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    area = report.area
    assert area is not None
    axes = [report.axes[name] for name in area.axes]
    row, col = area.start
    rows, cols = area.mask.shape
    colours = LinearSegmentedColormap.from_list("used", ["#eceae5", ACCENT])
    extent = (col, col + cols, row + rows, row)
    where.imshow(area.mask, cmap=colours, vmin=0, vmax=1, extent=extent, interpolation="nearest")
    if all(axis.input_size <= 3 * n for axis, n in zip(axes, (rows, cols), strict=True)):
        frame = Rectangle(
            (0, 0), axes[1].input_size, axes[0].input_size, fill=False, ls="--", color=SOFT
        )
        where.add_patch(frame)
        where.autoscale_view()
    where.plot(col + cols / 2, row + rows / 2, "o", color=OUTPUT, markersize=4)
    where.set_title(
        f"used: {area.used:,} of {area.box:,} pixels ({share(area.coverage)})",
        fontsize=9,
        color=SOFT,
        loc="left",
    )
    _style(where, grid=False)


def _heat(where: Axes, report: Report, effective: EffectiveField) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    plane = effective.magnitude.sum(axis=tuple(range(effective.magnitude.ndim - 2)))
    colours = LinearSegmentedColormap.from_list("heat", HEAT)
    where.imshow(np.sqrt(plane), cmap=colours, extent=(0, plane.shape[1], plane.shape[0], 0))
    (top, bottom), (left, right) = (effective.interval(axis) for axis in effective.axes[-2:])
    where.add_patch(
        Rectangle((left, top), right - left + 1, bottom - top + 1, fill=False, color=OUTPUT)
    )
    where.set_title(
        f"95 % of the gradient in {bottom - top + 1} x {right - left + 1} pixels",
        fontsize=9,
        color=SOFT,
        loc="left",
    )
    _style(where, grid=False)


def _style(where: Axes, grid: bool) -> None:
    for side in where.spines.values():
        side.set_visible(False)
    where.tick_params(length=0, labelsize=8, labelcolor=SOFT)
    if grid:
        where.grid(axis="y", color=FAINT, linewidth=0.5)
        where.set_axisbelow(True)


def _time_ticks(where: Axes, rate: float | None, units: str) -> None:
    from matplotlib.ticker import FuncFormatter

    if rate:
        where.xaxis.set_major_formatter(
            FuncFormatter(lambda v, _: seconds(v / rate) if v else "now")
        )
    else:
        where.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v + 0.0:,.4g}"))
        where.set_xlabel(f"{units} from the output's own", color=SOFT, fontsize=8)
