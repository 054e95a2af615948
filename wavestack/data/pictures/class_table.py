"""The classes of a segmentation data set: their names, their colours, and the ids in its masks."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wavestack.errors import UserError

# What a mask holds where nobody says what is there: neither loss nor figures count such pixels.
IGNORE_INDEX = 255
MAX_CLASSES = 255

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassTable:
    """Which id, or which colour, in a mask means which class.

    Classes are numbered 0, 1, ... in the order of `names`; the ids in the files need not be.

    Attributes:
        names: of the classes.
        ids: of each class in the files' masks, where a mask holds numbers.
        colours: of each class, (red, green, blue): in overlays, and in masks that hold colours.
        ignored: ids that mean "no class", with the name of each.
        ignored_colours: colours that mean "no class".
        coloured: whether the colours come from the data, so that masks of colours can be read.

    Raises:
        ValueError: when names, ids and colours differ in number, an id or a colour stands for two
            classes, or there are more than 255 classes.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]
    colours: tuple[Colour, ...]
    ignored: Mapping[int, str] = field(default_factory=dict)
    ignored_colours: tuple[Colour, ...] = ()
    coloured: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MAX_CLASSES:
            raise ValueError(f"there must be 1 to {MAX_CLASSES} classes, got {len(self.names)}")
        for name, values in (("ids", self.ids), ("colours", self.colours)):
            if len(values) != len(self.names):
                raise ValueError(f"{len(self.names)} classes have {len(values)} {name}")
        known = [*self.ids, *self.ignored]
        twice = sorted({i for i in known if known.count(i) > 1})
        if twice:
            raise ValueError(f"the ids {twice} stand for two classes")
        if self.coloured:
            shown = [*self.colours, *self.ignored_colours]
            double = sorted({c for c in shown if shown.count(c) > 1})
            if double:
                raise ValueError(f"the colours {double} stand for two classes")

    def __len__(self) -> int:
        """Classes, without those that are ignored."""
        return len(self.names)

    def describe(self) -> str:
        """The ids that a mask may hold, for messages: "0 Sky, 1 Building, ..., ignored 11"."""
        pairs = list(zip(self.ids, self.names, strict=True))
        shown = [f"{i} {name}" for i, name in pairs[:12]]
        if len(pairs) > 12:
            shown[11:] = ["...", f"{pairs[-1][0]} {pairs[-1][1]}"]
        ignored = ", ".join(str(i) for i in self.ignored)
        return ", ".join([*shown, *([f"ignored {ignored}"] if ignored else [])])

    def encode(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class numbers of the ids in a mask.

        Args:
            ids: (H, W) integers.

        Returns:
            (H, W) uint8, `IGNORE_INDEX` for ignored and unknown ids; and the unknown ids.
        """
        lowest, highest = int(ids.min()), int(ids.max())
        if lowest < 0 or highest > 2**16:  # too large for a table of all ids
            present = np.unique(ids)
            found = np.searchsorted(present, ids)
            classes, unknown = self.encode_values(present)
            return classes[found], unknown
        classes, _ = self.encode_values(np.arange(highest + 1))
        present = np.flatnonzero(np.bincount(ids.ravel(), minlength=highest + 1))
        known = [*self.ids, *self.ignored]
        return classes[ids], np.setdiff1d(present, known)

    def encode_values(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class numbers of a sorted list of different ids, and those that are unknown."""
        classes = np.full(len(values), IGNORE_INDEX, dtype=np.uint8)
        for number, known in enumerate(self.ids):
            classes[values == known] = number
        return classes, np.setdiff1d(values, [*self.ids, *self.ignored])

    def encode_colours(self, colours: np.ndarray) -> tuple[np.ndarray, list[Colour]]:
        """Class numbers of the colours in a mask.

        Args:
            colours: (H, W, 3) uint8.

        Returns:
            (H, W) uint8, `IGNORE_INDEX` for ignored and unknown colours; and the unknown colours.
        """
        packed = _packed(colours)
        present, places = np.unique(packed, return_inverse=True)
        classes = np.full(len(present), IGNORE_INDEX, dtype=np.uint8)
        for number, colour in enumerate(self.colours):
            classes[present == _packed(np.array(colour))] = number
        known = [_packed(np.array(c)) for c in (*self.colours, *self.ignored_colours)]
        unknown = np.setdiff1d(present, known)
        shown = [(int(v) >> 16, int(v) >> 8 & 255, int(v) & 255) for v in unknown]
        return classes[places].reshape(packed.shape), shown

    def colour_image(self, classes: np.ndarray) -> np.ndarray:
        """The colours of class numbers: (H, W) -> (H, W, 3) uint8; black where there is no class.

        Example:
            >>> table = make_table(["road", "car"])
            >>> table.colour_image(np.array([[0, 1, 255]])).tolist()
            [[[128, 0, 0], [0, 128, 0], [0, 0, 0]]]
        """
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(self.colours)] = self.colours
        return table[classes]


def make_table(
    names: Sequence[str] | int,
    *,
    ids: Sequence[int] | None = None,
    colours: Sequence[Colour] | None = None,
    ignored: Mapping[int, str] | None = None,
) -> ClassTable:
    """A table of classes numbered as they come, with colours of our own where none are given.

    Args:
        names: of the classes, or how many there are.
        ids: of each in the masks; 0, 1, ... by default.
        colours: of each.
        ignored: ids that mean "no class"; 255 by default, unless it is a class.

    Raises:
        ValueError: as ClassTable.
    """
    named = tuple(f"class {i}" for i in range(names)) if isinstance(names, int) else tuple(names)
    numbers = tuple(range(len(named))) if ids is None else tuple(ids)
    if ignored is None:
        ignored = {} if IGNORE_INDEX in numbers else {IGNORE_INDEX: "no class"}
    shown = [tuple(int(c) for c in colour) for colour in colours or default_colours(len(named))]
    return ClassTable(
        named,
        numbers,
        tuple((c[0], c[1], c[2]) for c in shown),
        dict(ignored),
        coloured=colours is not None,
    )


def read_table(path: Path, ignore: Sequence[str | int] = ()) -> ClassTable:
    """Read classes from a CSV file: columns ``id``, ``name`` and, if wanted, ``r``, ``g``, ``b``.

    Args:
        path: the file; the order of its rows is that of the classes.
        ignore: names or ids of rows that mean "no class". 255 does so unless the file says else.

    Raises:
        UserError: naming the file, when it cannot be read, a row is bad, or there is no such class
            to ignore.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a list of classes: {error}") from error
    if not rows or not {"id", "name"} <= rows[0].keys():
        raise UserError(f"{path}: a list of classes has columns id, name and, if wanted, r, g, b")
    coloured = {"r", "g", "b"} <= rows[0].keys()
    classes: list[tuple[int, str, Colour]] = []
    for number, row in enumerate(rows, start=2):
        try:
            r, g, b = (int(row[key]) for key in "rgb") if coloured else (0, 0, 0)
            classes.append((int(row["id"]), str(row["name"]).strip(), (r, g, b)))
        except (TypeError, ValueError) as error:
            raise UserError(f"{path}, line {number}: id, r, g and b must be numbers") from error
    missing = [w for w in ignore if not any(w in (c[0], c[1]) for c in classes)]
    if missing:
        known = ", ".join(f"{c[0]} {c[1]}" for c in classes)
        raise UserError(f"{path}: ignore={missing[0]} is none of its classes ({known})")
    kept = [c for c in classes if c[0] not in ignore and c[1] not in ignore]
    left_out = [c for c in classes if c not in kept]
    ignored = {c[0]: c[1] for c in left_out}
    if all(c[0] != IGNORE_INDEX for c in classes):
        ignored[IGNORE_INDEX] = "no class"
    try:
        return ClassTable(
            tuple(c[1] for c in kept),
            tuple(c[0] for c in kept),
            tuple(c[2] for c in kept) if coloured else tuple(default_colours(len(kept))),
            ignored,
            tuple(c[2] for c in left_out) if coloured else (),
            coloured,
        )
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def default_colours(count: int) -> list[Colour]:
    """Colours that are easy to tell apart: those of PASCAL VOC from its first class on.

    Example:
        >>> default_colours(3)
        [(128, 0, 0), (0, 128, 0), (128, 128, 0)]
    """
    colours = []
    for number in range(1, count + 1):
        # Bits 0, 3, 6 of the number go to red from the top bit down, bits 1, 4, 7 to green, ...
        r, g, b = (
            sum(((number >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3))
            for channel in range(3)
        )
        colours.append((r, g, b))
    return colours


def _packed(colours: np.ndarray) -> np.ndarray:
    wide = colours.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
