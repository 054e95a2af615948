"""A line chart as SVG text: no script library, readable in light and dark."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from wavestack.training.report.gather import Curve

WIDTH, HEIGHT = 860, 280
LEFT, RIGHT, TOP, BOTTOM = 60, 205, 18, 34


def line_chart(
    curves: Mapping[str, Curve], *, levels: Mapping[str, float] | None = None, unit: str = ""
) -> str:
    """Draws curves over steps, with horizontal levels for the yardsticks.

    The vertical axis is in powers of ten where the values go over three of them.

    Args:
        curves: label -> curve.
        levels: label -> constant value drawn as a dashed line (a yardstick to beat).
        unit: what the vertical axis counts.
    """
    levels = levels or {}
    values = [v for c in curves.values() for v in c.values]
    steps = [s for c in curves.values() for s in c.steps]
    if not values:
        return ""
    powers = min(values) > 0 and max(values) / min(values) > 1000
    scale = math.log10 if powers else float
    levels = {name: value for name, value in levels.items() if value > 0 or not powers}
    scaled = [scale(v) for v in values]
    low, high = _range(scaled, [scale(v) for v in levels.values()])
    ticks = _powers(low, high) if powers else _ticks(low, high)
    last = max(max(steps), 1)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last

    def y(value: float) -> float:
        inside = min(max(scale(value), low), high)
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - inside) / (high - low)

    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(", ".join(curves))} over steps">'
    ]
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" '
                     f'y2="{y(tick):.1f}"/>')  # fmt: skip
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y(tick) + 4:.1f}" '
                     f'text-anchor="end">{tick:g}</text>')  # fmt: skip
    for tick in _ticks(0, last):
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - 12}" '
                     f'text-anchor="middle">{tick:,.0f}</text>')  # fmt: skip
    parts.append(
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" dx="28">steps</text>'
        f'<text class="tick" x="{LEFT - 8}" y="{TOP - 3}" text-anchor="end">'
        f"{html.escape(unit)}</text>"
    )
    labels: list[tuple[float, str, str]] = []
    for name, value in levels.items():
        if not low <= scale(value) <= high:
            continue
        parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" '
                     f'y2="{y(value):.1f}"/>')  # fmt: skip
        labels.append((y(value), f"{name} {value:.4g}", "level"))
    for index, (name, curve) in enumerate(curves.items()):
        points = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in zip(*_thin(curve), strict=True))
        parts.append(f'<polyline class="line c{index}" points="{points}"/>')
        labels.append((y(curve.values[-1]), f"{name} {curve.values[-1]:.4g}", f"c{index}"))
    for at, text, kind in _spread(labels):
        parts.append(f'<text class="label {kind}" x="{WIDTH - RIGHT + 10}" y="{at + 4:.1f}">'
                     f"{html.escape(text)}</text>")  # fmt: skip
    return "".join(parts) + "</svg>"


def _thin(curve: Curve, most: int = 400) -> tuple[Sequence[int], Sequence[float]]:
    """Means over equal groups, so that a long noisy curve stays readable and small."""
    group = max(1, math.ceil(len(curve.steps) / most))
    if group == 1:
        return curve.steps, curve.values
    starts = range(0, len(curve.steps), group)
    steps = [curve.steps[min(i + group, len(curve.steps)) - 1] for i in starts]
    values = [sum(curve.values[i : i + group]) / len(curve.values[i : i + group]) for i in starts]
    return steps, values


def _range(values: list[float], levels: list[float]) -> tuple[float, float]:
    """Ignores the highest few per cent: the first steps would flatten everything after them."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[min(len(ordered) - 1, int(0.97 * len(ordered)))]
    inside = [level for level in levels if low - (high - low) <= level <= high + (high - low)]
    low, high = min([low, *inside]), max([high, *inside])
    margin = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """The powers of ten between two exponents."""
    return [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)]


def _spread(labels: list[tuple[float, str, str]], gap: float = 15) -> list[tuple[float, str, str]]:
    """Moves labels apart, so that none covers another."""
    placed: list[tuple[float, str, str]] = []
    for at, text, kind in sorted(labels):
        at = max(at, placed[-1][0] + gap) if placed else at
        placed.append((at, text, kind))
    overflow = (placed[-1][0] - (HEIGHT - BOTTOM)) if placed else 0
    return [(at - max(0.0, overflow), text, kind) for at, text, kind in placed]
