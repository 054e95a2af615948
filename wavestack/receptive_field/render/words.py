"""The sentences and numbers that every face of a report shares."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.figures import Axis
    from wavestack.receptive_field.report import Report

Number = int | float | Fraction
TIMES = " \N{MULTIPLICATION SIGN} "


def count(value: Number | None) -> str:
    """A number as people read it: thousands separated, fractions as p/q, infinity as ∞."""
    if value is None:
        return "unknown"
    if isinstance(value, Fraction):
        return f"{value.numerator:,}" if value.denominator == 1 else f"{value}"
    if isinstance(value, float):
        if math.isinf(value):
            return "∞"
        return f"{int(value):,}" if value.is_integer() else f"{value:,.4g}"
    return f"{value:,}"


def large(value: int) -> str:
    """A count of parameters or operations in three or four digits: 1.34 M."""
    for limit, suffix in ((10**12, " T"), (10**9, " G"), (10**6, " M"), (10**4, " k")):
        if value >= limit:
            return f"{value / (limit if suffix != ' k' else 10**3):.3g}{suffix}"
    return f"{value:,}"


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    size = abs(value)
    if size >= 1:
        return f"{value:,.2f} s"
    if size >= 0.01 or size == 0:
        return f"{value * 1e3:.1f} ms"
    if size >= 1e-3:
        return f"{value * 1e3:.2f} ms"
    return f"{value * 1e6:.0f} µs"


def hertz(value: float) -> str:
    """A rate in the unit that suits it."""
    return f"{value / 1000:,.4g} kHz" if value >= 1000 else f"{value:,.4g} Hz"


def share(value: float) -> str:
    """A share in percent; never rounded up to 100 nor down to 0."""
    percent = value * 100
    if percent in (0.0, 100.0):
        return f"{percent:.0f} %"
    text = f"{percent:.1f}" if percent >= 1 else f"{percent:.2g}"
    if text == "100.0":
        text = "> 99.9"
    return f"{text} %"


def unit(report: Report, axis: str, number: Number | None = None) -> str:
    """What one position of an input axis is: sample, frame, pixel, row, column or position."""
    names = list(report.axes)
    if axis == "T":
        word = "sample" if names == ["T"] else "frame"
    elif axis in ("H", "W"):
        word = "pixel"
    else:
        word = "position"
    return word if number == 1 else word + "s"


def rate_of(report: Report, axis: str) -> float | None:
    """Positions per second along an axis; None where durations cannot be stated."""
    return report.sample_rate if axis == "T" and report.sample_rate else None


def length(report: Report, axis: str, value: Number | None) -> str:
    """Positions with their unit, and the duration where there is a sample rate."""
    text = f"{count(value)} {unit(report, axis, value)}"
    rate = rate_of(report, axis)
    if value is not None and rate is not None and not math.isinf(value):
        text += f" = {seconds(float(value) / rate)}"
    return text


def headline(report: Report) -> str:
    """What one output sees, in one sentence."""
    axes = list(report.axes.values())
    if not axes:
        return "No axis of the input can be followed to this output"
    if any(axis.size is None and axis.local_size is None for axis in axes):
        return "What this output sees cannot be stated: an operator on its way has no rule"
    if any(axis.is_global for axis in axes):
        only_past = all(side == "past" for *_, side in report.global_ops)
        seen = "the whole past" if only_past and report.is_causal else "the whole input"
        return f"This output sees {seen}{_which(report)}{_local_part(report, axes)}"
    seen = f"{extent(report, axes, 'size')}{_which(report)}{_holes(report, axes)}"
    return f"This output sees {seen}{_side(report)}"


def extent(report: Report, axes: list[Axis], figure: str) -> str:
    """All axes' sizes: '1,024 samples = 64.0 ms' or '427 × 427 pixels'."""
    if len(axes) == 1:
        return length(report, axes[0].name, getattr(axes[0], figure))
    units = {unit(report, axis.name) for axis in axes}
    if len(units) == 1:
        return TIMES.join(count(getattr(axis, figure)) for axis in axes) + f" {units.pop()}"
    time = [length(report, axis.name, getattr(axis, figure)) for axis in axes if axis.name == "T"]
    rest = [axis for axis in axes if axis.name != "T"]
    return TIMES.join([*time, extent(report, rest, figure)])


def _local_part(report: Report, axes: list[Axis]) -> str:
    if all(axis.local_size is not None for axis in axes):
        if all(axis.local_size == 0 for axis in axes):
            return ""
        return f"; its convolutions alone see {extent(report, axes, 'local_size')}"
    return ""


def _which(report: Report) -> str:
    """Which of several inputs the figures are about."""
    # A label has an axis too, but only one position: nobody would mistake it for the signal.
    wide = [axes for axes in report.inputs.values() if any(a.input_size > 1 for a in axes.values())]
    return f" of {next(iter(report.inputs))}" if len(wide) > 1 else ""


def _holes(report: Report, axes: list[Axis]) -> str:
    """How little of the extent is read, where that is not all of it."""
    coverage = report.area.coverage if report.area is not None else axes[0].coverage
    return "" if coverage is None or coverage == 1 else f" and reads {share(coverage)} of them"


def _side(report: Report) -> str:
    """How time is used: causal, or how much of the future is waited for."""
    axis = report.axes.get("T")
    if axis is None or axis.lookahead is None:
        return ""
    if axis.lookahead <= 0:
        return ", causal"
    return f", {length(report, 'T', axis.lookahead)} of them in the future"


def rate_note(report: Report, axis: Axis) -> str:
    """The output's own rate along an axis, in words."""
    if axis.jump is None:
        return "no repeating pattern"
    per = "one output per input" if axis.jump == 1 else f"one output every {count(axis.jump)}"
    if axis.jump < 1:
        per = f"{count(1 / axis.jump)} outputs per input"
    rate = rate_of(report, axis.name)
    if rate is not None:
        per += f", {hertz(rate / float(axis.jump))}"
    return per


SIDES = {
    "past": "joins everything up to the present",
    "both": "joins the whole axis",
    "batch": "joins the examples of a batch",
}


def global_lines(report: Report) -> list[str]:
    """One sentence per global operator."""
    return [
        f"{f'{module} ({operator})' if module else operator} {SIDES.get(side, side)}"
        + (f" along {axis}" if side != "batch" else "")
        for module, operator, axis, side in report.global_ops
    ]


def warning_lines(report: Report) -> list[str]:
    """The warnings, one that holds for several axes said once: 'H and W: ...'."""
    merged: dict[str, list[str]] = {}
    for warning in report.warnings:
        axis, colon, text = warning.partition(": ")
        if colon and axis in report.axes:
            merged.setdefault(text, []).append(axis)
        else:
            merged.setdefault(warning, [])
    return [f"{' and '.join(axes)}: {text}" if axes else text for text, axes in merged.items()]


def unknown_places(report: Report) -> dict[str, str]:
    """Per operator without a rule, where it stands: the first module, and how many more."""
    places: dict[str, list[str]] = {}
    for module, operator in report.unknown:
        places.setdefault(operator, []).append(module or "the model itself")
    return {
        operator: modules[0] + (f" and {len(modules) - 1} more" if len(modules) > 1 else "")
        for operator, modules in places.items()
    }


def facts(report: Report, effective: EffectiveField | None = None) -> list[tuple[str, str, str]]:
    """The figures worth a large type, as (name, value, note)."""
    axes = list(report.axes.values())
    if not axes:
        return []
    rows = [("Receptive field", _each(axes, "size"), _extent_note(report, axes, "size"))]
    if any(axis.is_global for axis in axes):
        note = _extent_note(report, axes, "local_size")
        rows.append(("Convolutions alone", _each(axes, "local_size"), note))
    area = report.area
    stated = all(axis.local_size is not None for axis in axes)
    if area is not None and stated and area.coverage < 1:
        rows.append(
            ("Pixels used", share(area.coverage), f"{count(area.used)} of {count(area.box)}")
        )
    elif all(axis.coverage is not None for axis in axes):
        coverage = math.prod(axis.coverage or 0.0 for axis in axes)
        holes = "no holes" if coverage == 1 else f"{_each(axes, 'used')} positions used"
        rows.append(("Coverage", share(coverage), holes))
    if stated:
        jump = _each(axes, "jump", missing="none")
        rows.append(("Jump", jump, rate_note(report, axes[-1])))
    time = report.axes.get("T")
    if time is not None and time.lookahead is not None:
        note = "causal: no later position is read"
        if time.lookahead > 0:
            note = "every output waits for all of the input"
            if not math.isinf(time.lookahead):
                note = f"{unit(report, 'T', time.lookahead)} in the future"
                rate = rate_of(report, "T")
                if rate is not None:
                    note += f", {seconds(time.lookahead / rate)}"
        rows.append(("Look-ahead", count(max(0, time.lookahead)), note))
    starts = _each(axes, "start", missing="").replace(TIMES, ", ")
    if starts:
        inside = all(axis.start is not None and axis.start >= 0 for axis in axes)
        rows.append(
            ("Output 0 starts at", starts, "first input it reads" if inside else "in the padding")
        )
    if any(axis.period not in (None, 1) for axis in axes):
        rows.append(("Pattern repeats every", _each(axes, "period"), "outputs"))
    if effective is not None:
        found = [effective.ratio(axis) for axis in effective.axes]
        ratios = [ratio for ratio in found if ratio is not None]
        note = "95 % of the gradient"
        if len(ratios) == len(found):
            note += ", " + TIMES.join(share(ratio) for ratio in ratios) + " of the extent"
        widths = TIMES.join(count(effective.width(axis)) for axis in effective.axes)
        rows.append(("Effective field", widths, note))
    rows.append(("Parameters", large(report.params), f"{large(report.macs)} MACs for this input"))
    return rows


def _each(axes: list[Axis], figure: str, missing: str = "unknown") -> str:
    values = [getattr(axis, figure) for axis in axes]
    texts = [missing if value is None else count(value) for value in values]
    if len(axes) == 1 or set(texts) <= {missing}:
        return texts[0]
    return TIMES.join(texts)


def _extent_note(report: Report, axes: list[Axis], figure: str) -> str:
    units = list(dict.fromkeys(unit(report, axis.name) for axis in axes))
    note = TIMES.join(units)
    value = getattr(axes[0], figure)
    rate = rate_of(report, axes[0].name)
    if len(axes) == 1 and value is not None and rate is not None:
        if math.isinf(value):
            return "everything"
        note += f" = {seconds(value / rate)}"
    return note if not any(getattr(a, figure) == math.inf for a in axes) else "the whole input"
