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
        UserError: when the file is missing or not alone, a column is missing or there twice, or a
            value is not a finite number; the message names row and column.
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
    times = tuple(row[0] for _, row in rows) if has_times else ()
    return Table(tuple(header[place] for place in places), values, times)


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
