"""A report as one page that needs no network: data, style and script in a single file."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavestack.receptive_field.render.json import to_json
from wavestack.receptive_field.render.plane import planes
from wavestack.receptive_field.render.tree import dilation_tree, funnel
from wavestack.receptive_field.render.words import (
    TIMES,
    count,
    facts,
    global_lines,
    headline,
    share,
    unknown_places,
    warning_lines,
)

if TYPE_CHECKING:
    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.report import Report

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("common.js", "tree.js", "plane.js", "table.js", "page.js")
_NUMBERS = re.compile(
    rf"[\d,]+({TIMES}[\d,]+)* [a-z]+( = [\d.,]+ [a-zµ]+)?|the whole (?:input|past)"
)


def to_html(report: Report, path: str | Path, effective: EffectiveField | None = None) -> Path:
    """Write the page.

    Args:
        report: the report.
        path: file to write.
        effective: the effective receptive field of the same model, or None.
    """
    path = Path(path)
    path.write_text(page(report, effective), encoding="utf-8")
    return path


def page(report: Report, effective: EffectiveField | None = None) -> str:
    """The page as text."""
    parts = {
        "title": html.escape(f"{report.model_name}: receptive field"),
        "style": (PAGE / "page.css").read_text(encoding="utf-8"),
        "script": "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS),
        "data": _embedded(_data(report, effective)),
    }
    template = (PAGE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match.group(1)], template)


def _data(report: Report, effective: EffectiveField | None) -> dict[str, Any]:
    tree = dilation_tree(report, effective)
    shapes = ", ".join(
        f"{name} {_shape(shape)}" if len(report.input_shapes) > 1 else _shape(shape)
        for name, shape in report.input_shapes.items()
    )
    sub = f"Input {shapes} → output {_shape(report.output_shape)}."
    if report.sample_rate:
        sub += f" {count(report.sample_rate)} samples per second."
    return {
        "report": to_json(report, effective=effective),
        "headline": _emphasised(headline(report)),
        "sub": sub,
        "facts": [
            {"name": name, "value": _typeset(value), "note": _typeset(note)}
            for name, value, note in facts(report, effective)
        ],
        "globals": global_lines(report),
        "warnings": warning_lines(report),
        "unknown": unknown_places(report),
        "axes_rows": [[_typeset(cell) for cell in row] for row in _axes_rows(report)],
        "tree": tree,
        "funnel": None if tree and len(tree["levels"]) > 1 else funnel(report),
        "maps": planes(report, effective),
    }


def _axes_rows(report: Report) -> list[list[str]]:
    rows = []
    for name, axes in (report.inputs or {"": report.axes}).items():
        for axis in axes.values():
            rows.append(
                [
                    name,
                    axis.name,
                    count(axis.size),
                    count(axis.local_size),
                    "none" if axis.jump is None else count(axis.jump),
                    "" if axis.start is None else count(axis.start),
                    "" if axis.end is None else count(axis.end),
                    "none" if axis.period is None else count(axis.period),
                    count(axis.used),
                    "" if axis.coverage is None else share(axis.coverage),
                    count(axis.lookahead),
                    count(axis.input_size),
                    "collapsed" if axis.collapsed else count(axis.output_size),
                ]
            )
    return rows


def _emphasised(sentence: str) -> list[dict[str, Any]]:
    match = _NUMBERS.search(sentence)
    if match is None:
        return [{"text": sentence, "strong": False}]
    a, b = match.span()
    return [
        {"text": sentence[:a], "strong": False},
        {"text": sentence[a:b], "strong": True},
        {"text": sentence[b:], "strong": False},
    ]


def _typeset(text: str) -> str:
    """A hyphen before a digit is a minus sign."""
    return re.sub(r"(?<![\w-])-(?=\d)", "\N{MINUS SIGN}", text)


def _shape(shape: tuple[int, ...]) -> str:
    return TIMES.join(str(size) for size in shape)


def _embedded(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
