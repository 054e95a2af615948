"""Composes the page: headline, yardsticks, sounds, curves, receptive field, configuration."""

from __future__ import annotations

import base64
import html
from importlib import resources
from pathlib import Path
from typing import Any

from wavestack.files import atomic_write
from wavestack.tasks.base import Figure
from wavestack.training.figures import written
from wavestack.training.report.chart import line_chart
from wavestack.training.report.gather import Run, gather

MOST_SOUNDS = 12
TITLES = {
    "learning_rate": ("Learning rate", ""),
    "gradient_norm": ("Gradient norm before clipping", ""),
    "samples_per_second": ("Trained per second", ""),
}
FIGURES = {
    "steps": "Optimizer steps",
    "core_seconds": "Core-seconds of training",
    "wall_seconds": "Wall-clock seconds",
    "samples_per_second": "Trained per second",
    "parameters": "Parameters",
    "receptive_field_samples": "Receptive field (positions of the input)",
    "peak_memory_bytes": "Peak memory (bytes)",
    "device": "Device",
}


def write_report(run_dir: Path | str) -> Path:
    """Writes ``report.html`` into a run folder; the page needs no other file and no network.

    Args:
        run_dir: the run folder.

    Returns:
        the path of the page.
    """
    run = gather(Path(run_dir))
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    body = "\n".join(
        section
        for section in (
            _headline(run),
            _yardsticks(run.evaluation),
            _details(run.evaluation),
            _samples(run),
            _curves(run),
            _receptive_field(run),
            _figures(run.summary),
            _config(run),
        )
        if section
    )
    title = html.escape(_title(run))
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )
    path = run.folder / "report.html"
    atomic_write(path, lambda file: file.write(page.encode()))
    return path


def _title(run: Run) -> str:
    return str(run.summary.get("name") or run.folder.name)


def _headline(run: Run) -> str:
    value, metric = run.evaluation.get("value"), run.evaluation.get("metric", "")
    where = f"on the {run.evaluation.get('split', 'test')} split"
    if run.evaluation.get("adapted"):
        where += ", adapted to it without labels"
    if value is None:
        metric = _metric(run)
        best = run.curves.get(metric, {}).get("val")
        metric = Figure(metric).title
        value = min(best.values) if best else None
        where = (
            "best on the validation split; <code>wavestack evaluate</code> gives the test figure"
        )
    figure = (
        f'<p class="figure"><b>{written(value, 3)}</b> {html.escape(metric)} '
        f"<span>{where}</span></p>"
        if value is not None
        else ""
    )
    title = html.escape(_title(run))
    return f'<header><p class="over">wavestack run</p><h1>{title}</h1>{figure}</header>'


def _metric(run: Run) -> str:
    """The mean loss that was logged: what has a curve of the training split."""
    logged = (quantity for quantity, curves in run.curves.items() if "train" in curves)
    return str(run.summary.get("metric") or next(logged, ""))


def _yardsticks(evaluation: dict[str, Any]) -> str:
    """The figure beside its yardsticks and what others published, as bars of one scale."""
    value, others = evaluation.get("value"), dict(evaluation.get("baselines", {}))
    published = {f"{k} (published)": v for k, v in evaluation.get("published", {}).items()}
    if value is None or not (others or published):
        return ""
    rows = sorted([("this model", value), *others.items(), *published.items()], key=_second)
    if not evaluation.get("lower_is_better", True):
        rows.reverse()
    most = max(v for _, v in rows) or 1.0
    body = "".join(
        f'<tr class="{"own" if name == "this model" else ""}"><th>{html.escape(name)}</th>'
        f'<td class="number">{written(v)}</td>'
        f'<td class="bar"><i style="width:{100 * v / most:.1f}%"></i></td></tr>'
        for name, v in rows
    )
    better = "lower" if evaluation.get("lower_is_better", True) else "higher"
    counted = f"{evaluation.get('samples', 0):,} {evaluation.get('element', 'samples')}"
    apart = "; what is published is of others' code" if published else ""
    return (
        f"<section><h2>Beside its yardsticks</h2><table>{body}</table>"
        f'<p class="note">{html.escape(evaluation.get("metric", ""))}, {better} is better; '
        f"same data, same split ({html.escape(counted)}), same code{apart}.</p>"
        f"{_other_figures(evaluation)}</section>"
    )


def _other_figures(evaluation: dict[str, Any]) -> str:
    """The figures after the first, each with those of the yardsticks, as one table."""
    others = [name for name in evaluation.get("figures", {}) if name != evaluation.get("metric")]
    if not others:
        return ""
    rows = {"this model": evaluation["figures"], **evaluation.get("baseline_figures", {})}
    head = "".join(f"<th>{html.escape(name)}</th>" for name in others)
    body = "".join(
        f"<tr><th>{html.escape(name)}</th>"
        + "".join(
            f'<td class="number">{written(figures[o]) if o in figures else ""}</td>' for o in others
        )
        + "</tr>"
        for name, figures in rows.items()
        if any(other in figures for other in others)
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _second(row: tuple[str, float]) -> float:
    return row[1]


def _details(evaluation: dict[str, Any]) -> str:
    """What the task says further, line by line."""
    rows = "".join(
        f'<tr><th>{html.escape(name)}</th><td class="number">{html.escape(text)}</td></tr>'
        for name, text in evaluation.get("details", {}).items()
    )
    return f"<section><h2>In detail</h2><table>{rows}</table></section>" if rows else ""


def _samples(run: Run) -> str:
    """Players with their spectrograms, texts and pictures; all are embedded."""
    cards = []
    for wav in run.sounds[:MOST_SOUNDS]:
        png = wav.with_suffix(".png")
        picture = (
            f'<img alt="spectrogram of {html.escape(wav.stem)}" src="{_embed(png, "image/png")}">'
        )
        cards.append(
            f"<figure>{picture if png.is_file() else ''}"
            f'<audio controls preload="metadata" src="{_embed(wav, "audio/wav")}"></audio>'
            f"<figcaption>{html.escape(wav.stem)}</figcaption></figure>"
        )
    for text in run.texts[:MOST_SOUNDS]:
        content = html.escape(text.read_text(encoding="utf-8"))
        cards.append(
            f"<figure><pre>{content}</pre><figcaption>{html.escape(text.stem)}</figcaption></figure>"
        )
    for png in run.pictures[:MOST_SOUNDS]:
        cards.append(
            f"<figure{_wide(png)}>"
            f'<img alt="{html.escape(png.stem)}" src="{_embed(png, "image/png")}">'
            f"<figcaption>{html.escape(png.stem)}</figcaption></figure>"
        )
    if not cards:
        return ""
    older = len(run.sounds) - MOST_SOUNDS
    rest = f'<p class="note">{older} older in samples/.</p>' if older > 0 else ""
    return f'<section><h2>Samples</h2><div class="cards">{"".join(cards)}</div>{rest}</section>'


def _wide(png: Path) -> str:
    """Panels side by side take the width of the page."""
    head = png.read_bytes()[16:24]  # width and height, as every PNG begins
    width, height = (int.from_bytes(head[k : k + 4], "big") for k in (0, 4))
    return ' class="wide"' if width > 1.8 * height else ""


def _curves(run: Run) -> str:
    metric, charts = _metric(run), []
    first = run.evaluation.get("metric")
    for quantity, curves in run.curves.items():
        levels: dict[str, float] = {}
        if quantity == metric:
            title, unit = Figure(metric).title.capitalize(), ""
            # The yardsticks belong to this chart only when they are of the same figure.
            levels = run.evaluation.get("baselines", {}) if Figure(metric).title == first else {}
        elif quantity in TITLES:
            title, unit = TITLES[quantity]
        else:
            continue
        charts.append(
            f"<h3>{html.escape(title)}</h3>{line_chart(curves, levels=levels, unit=unit)}"
        )
    return f"<section><h2>Training</h2>{''.join(charts)}</section>" if charts else ""


def _receptive_field(run: Run) -> str:
    """The calculator's own page, inside this one: still a single file."""
    page = run.folder / "receptive_field.html"
    if not page.is_file():
        return ""
    inside = html.escape(page.read_text(encoding="utf-8"), quote=True)
    return (
        "<section><h2>What the model sees</h2>"
        f'<iframe title="receptive field" loading="lazy" srcdoc="{inside}"></iframe></section>'
    )


def _figures(summary: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th>{title}</th><td class="number">{_number(summary[key])}</td></tr>'
        for key, title in FIGURES.items()
        if summary.get(key) is not None
    )
    return f"<section><h2>Figures</h2><table>{rows}</table></section>" if rows else ""


def _config(run: Run) -> str:
    if not run.config:
        return ""
    return (
        "<section><details><summary>Configuration</summary>"
        f"<pre>{html.escape(run.config)}</pre></details></section>"
    )


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else html.escape(str(value))


def _embed(path: Path, mime: str) -> str:
    if not path.is_file():
        return ""
    return f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}"
