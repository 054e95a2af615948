"""Tables of numbers: a CSV file with one row for each time step."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wavestack.errors import UserError

_TIMES = ("date", "time", "datetime", "timestamp")  # a first column that is left out


class Table(NamedTuple):
    """A multivariate series.

    Attributes:
        names: of the columns.
        values: (T, C) float64.
        times: what the date column says of every row; empty where there is none.
    """

    names: tuple[str, ...]
    values: np.ndarray
    times: tuple[str, ...]


def read_table(
    root: str | os.PathLike[str] | None,
    file: str = "*.csv",
    columns: Sequence[str] | None = None,
) -> Table:
    """Read a CSV file with a header; a first column named date, time or the like holds the times.

    Args:
        root: the file, or a folder that holds it.
        file: its name in the folder.
        columns: which columns, in this order; None: all but the times.

    Raises:
        UserError: when the file is missing or not alone, a column is missing, or a value is not a
            finite number; the message names row and column.
    """
    path = _find(root, file)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV: {error}") from error
    if len(rows) < 2:
        raise UserError(f"{path}: holds no rows below a header")
    header = [name.strip() for name in rows[0]]
    has_times = header[0].lower() in _TIMES
    names = tuple(header[has_times:] if columns is None else columns)
    for name in names:
        if name not in header:
            raise UserError(f"{path}: has no column {name!r}; its columns are {', '.join(header)}")
    places = [header.index(name) for name in names]
    values = np.empty((len(rows) - 1, len(names)))
    for number, row in enumerate(rows[1:]):
        if len(row) != len(header):
            raise UserError(
                f"{path}: line {number + 2} has {len(row)} values, the header has {len(header)}"
            )
        for column, place in enumerate(places):
            values[number, column] = _number(path, number + 2, header[place], row[place])
    times = tuple(row[0] for row in rows[1:]) if has_times else ()
    return Table(names, values, times)


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
