"""Reads what a run folder holds; every part is optional: a run may be looked at half-way."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Curve:
    """One logged quantity over the optimizer's steps."""

    name: str
    steps: list[int]
    values: list[float]


@dataclass(frozen=True)
class Run:
    """The contents of a run folder.

    Attributes:
        folder: where the run lies.
        config: the resolved configuration, as text.
        curves: quantity -> {"train" | "val" | ...: Curve}.
        summary: ``summary.json`` (steps, core seconds, parameters ...).
        evaluation: ``evaluation.json`` (figures and their yardsticks).
        sounds: wav files, newest first.
        texts: text files that the model wrote, newest first.
        pictures: PNG files that belong to no wav file, newest first.
    """

    folder: Path
    config: str = ""
    curves: dict[str, dict[str, Curve]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    sounds: list[Path] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)


def gather(folder: Path) -> Run:
    """Collects a run folder.

    Args:
        folder: a run folder; missing files simply leave their part empty.
    """
    newest, texts = (
        sorted(folder.glob(f"samples/**/*{suffix}"), key=lambda p: p.stat().st_mtime, reverse=True)
        for suffix in (".wav", ".txt")
    )
    with_sound = {p.with_suffix(".png") for p in newest}
    config = folder / "config.yaml"
    return Run(
        folder=folder,
        config=config.read_text(encoding="utf-8") if config.is_file() else "",
        curves=_read_curves(folder / "metrics.csv"),
        summary=_read_json(folder / "summary.json"),
        evaluation=_read_json(folder / "evaluation.json"),
        sounds=newest,
        texts=texts,
        pictures=_newest_first(p for p in folder.glob("samples/**/*.png") if p not in with_sound),
    )


def _newest_first(pictures: Iterable[Path]) -> list[Path]:
    """By the step in ``stepNNNNNNNN_I.png``, the newest first, and by name within a step."""
    return sorted(sorted(pictures), key=lambda p: p.stem.partition("_")[0], reverse=True)


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _read_curves(path: Path) -> dict[str, dict[str, Curve]]:
    """``metrics.csv`` has a ``step`` column and one column for each ``split/quantity``."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    points: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name, text in row.items():
            if name in (None, "step", "epoch") or not text:
                continue
            value = float(text)
            if math.isfinite(value):
                points.setdefault(name, []).append((int(float(row["step"])), value))
    curves: dict[str, dict[str, Curve]] = {}
    for name, pairs in points.items():
        split, _, quantity = name.rpartition("/")
        steps, values = (list(column) for column in zip(*pairs, strict=True))
        curves.setdefault(quantity, {})[split or "run"] = Curve(name, steps, values)
    return curves
