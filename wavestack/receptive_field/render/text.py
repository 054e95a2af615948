"""A report as tables for the terminal (rich)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wavestack.receptive_field.render.words import (
    TIMES,
    count,
    global_lines,
    headline,
    large,
    length,
    rate_note,
    rate_of,
    seconds,
    share,
    unit,
    unknown_places,
    warning_lines,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.figures import Axis, LayerRow
    from wavestack.receptive_field.report import Report

WIDEST = 400
_TIMES = TIMES.strip()


def to_text(
    report: Report,
    effective: EffectiveField | None = None,
    *,
    width: int | None = None,
    color: bool = False,
) -> str:
    """The report as a string.

    Args:
        report: the report.
        effective: the effective receptive field of the same model, or None.
        width: characters per line; by default whatever the widest table needs.
        color: keep the terminal's colour codes.
    """
    from io import StringIO

    from rich.console import Console

    stream = StringIO()
    console = Console(file=stream, width=width or WIDEST, force_terminal=color, highlight=False)
    for part in renderables(report, effective):
        console.print(part)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def renderables(report: Report, effective: EffectiveField | None = None) -> list[RenderableType]:
    """The parts of the report, for a console of the caller's own."""
    from rich.text import Text

    name = report.model_name + (f" at {report.layer}" if report.layer else "")
    parts: list[RenderableType] = [
        Text(headline(report), style="bold"),
        Text(f"{name}; {large(report.params)} parameters, {large(report.macs)} MACs", style="dim"),
        _axes_table(report),
    ]
    if len(report.inputs) > 1:
        parts.append(_inputs_table(report))
    stated = all(axis.local_size is not None for axis in report.axes.values())
    if report.area is not None and stated and report.area.coverage < 1:
        area = report.area
        parts.append(
            Text(
                f"In the plane: {area.used:,} of {area.box:,} pixels used ({share(area.coverage)})"
            )
        )
    if effective is not None:
        parts.append(_effective_table(report, effective))
    parts += [Text(f"global   {line}", style="magenta") for line in global_lines(report)]
    for operator, places in unknown_places(report).items():
        parts.append(Text(f"unknown  {operator} has no rule ({places})", style="red"))
    parts += [Text(f"warning  {text}", style="yellow") for text in warning_lines(report)]
    if report.layers:
        parts.append(layer_table(report))
    return parts


def _axes_table(report: Report) -> Table:
    table = _table()
    table.add_column("axis", style="bold")
    for title in ("sees", "local", "jump", "start", "period", "used", "coverage", "look-ahead"):
        table.add_column(title, justify="right")
    if report.sample_rate:
        table.add_column("time", justify="right")
    table.add_column("output")
    for axis in report.axes.values():
        cells = [axis.name, count(axis.size), *_figures(axis)]
        if report.sample_rate:
            rate, size = rate_of(report, axis.name), axis.local_size
            cells.append("" if rate is None or size is None else seconds(size / rate))
        cells.append("collapsed" if axis.collapsed else rate_note(report, axis))
        table.add_row(*cells)
    return table


def _figures(axis: Axis) -> list[str]:
    return [
        count(axis.local_size),
        "none" if axis.jump is None else count(axis.jump),
        "" if axis.start is None else count(axis.start),
        "none" if axis.period is None else count(axis.period),
        count(axis.used),
        "" if axis.coverage is None else share(axis.coverage),
        count(axis.lookahead),
    ]


def _inputs_table(report: Report) -> Table:
    table = _table(title="every input")
    table.add_column("input", style="bold")
    table.add_column("axis")
    for title in ("sees", "local", "jump", "start", "period", "used", "coverage", "look-ahead"):
        table.add_column(title, justify="right")
    for name, axes in report.inputs.items():
        for axis in axes.values():
            table.add_row(name, axis.name, count(axis.size), *_figures(axis))
    return table


def _effective_table(report: Report, effective: EffectiveField) -> Table:
    table = _table(f"effective receptive field (gradients, {effective.num_examples} examples)")
    table.add_column("axis", style="bold")
    for title in ("50 % of the mass in", "95 % in", "99 % in", "95 % / extent", "std"):
        table.add_column(title, justify="right")
    for axis in effective.axes:
        ratio = effective.ratio(axis)
        table.add_row(
            axis,
            *(length(report, axis, effective.width(axis, mass)) for mass in (0.5, 0.95, 0.99)),
            "" if ratio is None else share(ratio),
            f"{effective.std(axis):,.1f} {unit(report, axis)}",
        )
    return table


def layer_table(report: Report) -> Table:
    """One line per module, in order of execution."""
    table = _table()
    table.add_column("module", no_wrap=True)
    table.add_column("operator", no_wrap=True)
    titles = (
        "kernel",
        "stride",
        "dilation",
        "sees",
        "jump",
        "coverage",
        "output",
        "params",
        "MACs",
    )
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for row in report.layers:
        table.add_row(*_layer_cells(row))
    return table


def _layer_cells(row: LayerRow) -> list[str]:
    def joined(values: tuple[int, ...] | None) -> str:
        if not values:
            return ""
        return str(values[0]) if len(set(values)) == 1 else _TIMES.join(str(v) for v in values)

    def cumulative(figure: str, show: Any) -> str:
        texts = [
            "" if value is None else show(value)
            for value in (getattr(axis, figure) for axis in row.axes.values())
        ]
        return texts[0] if len(set(texts)) == 1 else _TIMES.join(texts)

    return [
        row.name or "(model)",
        row.operator,
        joined(row.kernel),
        joined(row.stride),
        joined(row.dilation),
        cumulative("size", count),
        cumulative("jump", count),
        cumulative("coverage", share),
        _TIMES.join(str(size) for size in row.output_shape),
        large(row.params) if row.params else "",
        large(row.macs) if row.macs else "",
    ]


def _table(title: str | None = None) -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim"
    )
