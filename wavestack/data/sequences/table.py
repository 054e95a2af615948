"""Tables of numbers: a CSV file with one row for each time step."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wavestack.errors import UserError

_OTHER_SEPARATORS = (";", "\t", "|")
_TIMES = ("date", "time", "datetime", "timestamp")  # a first column that is left out


class Table(NamedTuple):
    """A multivariate series.

    Attributes:
        names: of the columns.
        values: (T, C) float64.
    """

    names: tuple[str, ...]
    values: np.ndarray


def read_table(
    root: str | os.PathLike[str] | None,
    file: str = "*.csv",
    columns: Sequence[str] | None = None,
) -> Table:
    """Read a CSV file with a header; a first column named date, time or the like holds the times.

    Times that are numbers or of ISO form (2016-07-01 00:00) must not go back.

    Args:
        root: the file, or a folder that holds it.
        file: its name in the folder.
        columns: which columns, in this order; None: all but the times.

    Raises:
        UserError: when the file is missing or not alone, has no header, a column is missing or
            there twice, or a value is not a finite number; the message names row and column.
            Likewise when a time is missing or before the one above it.
    """
    path = _find(root, file)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            # A quoted value may hold line breaks, and blank lines hold no row.
            lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV: {error}") from error
    if len(lines) < 2:
        raise UserError(f"{path}: holds no rows below a header")
    (_, header), *rows = lines
    header = [name.strip() for name in header]
    separator = next((mark for mark in _OTHER_SEPARATORS if mark in header[0]), None)
    if len(header) == 1 and separator is not None:
        raise UserError(
            f"{path}: values are separated by {separator!r}; they must be separated by commas"
        )
    counted = [str(k) for k in range(len(header))]  # how pandas names columns without names
    if header != counted and all(_moment(name) is not None for name in header):
        raise UserError(f"{path}: the first line holds numbers; it must name the columns")
    has_times = header[0].lower() in _TIMES
    places = _places(path, header, header[has_times:] if columns is None else columns)
    values = np.empty((len(rows), len(places)))
    for number, (line, row) in enumerate(rows):
        if len(row) != len(header):
            raise UserError(
                f"{path}: line {line} has {len(row)} values, the header has {len(header)}"
            )
        for column, place in enumerate(places):
            values[number, column] = _number(path, line, header[place], row[place])
    if has_times:
        _check_times(path, [(line, row[0].strip()) for line, row in rows])
    return Table(tuple(header[place] for place in places), values)


def _places(path: Path, header: list[str], columns: Sequence[str]) -> list[int]:
    """Where the wanted columns stand in the header."""
    columns = [columns] if isinstance(columns, str) else columns
    if not columns:
        raise UserError(f"{path}: no column to forecast; its columns are {', '.join(header)}")
    for name in columns:
        if name not in header:
            raise UserError(f"{path}: has no column {name!r}; its columns are {', '.join(header)}")
        if header.count(name) > 1:
            raise UserError(f"{path}: has {header.count(name)} columns named {name!r}")
    return [header.index(name) for name in columns]


def _check_times(path: Path, times: Sequence[tuple[int, str]]) -> None:
    """Stop at a line without a time, or with one before that of the line above."""
    moments = [_moment(text) for _, text in times]
    known = any(moment is not None for moment in moments)  # else a form that is not read here
    before = -math.inf
    for (line, text), moment in zip(times, moments, strict=True):
        if not text or (known and moment is None):
            raise UserError(f"{path}: line {line}: {text!r} is no date or time")
        if moment is not None and moment < before:
            raise UserError(
                f"{path}: line {line}: {text} is before the line above; rows must be in their order"
            )
        before = before if moment is None else moment


def _moment(text: str) -> float | None:
    """A number, or seconds of a date of ISO form; None for anything else."""
    try:
        moment = float(text)
    except ValueError:
        try:
            date = datetime.fromisoformat(text)
        except ValueError:
            return None
        # Without a zone as if in UTC, whose clocks are never put back.
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return moment if math.isfinite(moment) else None


def _find(root: str | os.PathLike[str] | None, file: str) -> Path:
    if root is None or str(root) in ("", "???"):
        raise UserError(
            "data.root is not set: give a CSV file or the folder that holds it, e.g. "
            "data.root=/path/to/ETTh1.csv"
        )
    path = Path(root).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"data.root={root}: there is no such file or folder")
    found = sorted(path.glob(file))
    if len(found) != 1:
        what = f"{len(found)} files like {file}" if found else f"no file {file}"
        raise UserError(f"data.root={root}: holds {what}; name the file itself")
    return found[0]


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise UserError(f"{path}: line {line}, column {column}: {text!r} is not a finite number")
    return value
