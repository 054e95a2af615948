"""Any folder of pictures and masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from wavestack.data.pictures.class_table import ClassTable, make_table, read_table
from wavestack.data.pictures.image_pairs import Pair, PairFiles, pairs_of_folders, read_names
from wavestack.data.root import require_root
from wavestack.data.splits import SPLITS, Split, assign, check_fractions
from wavestack.errors import UserError


class ImageMaskFolder(PairFiles):
    """Pictures in one folder, masks of the same names in another.

    Three layouts are understood::

        images/NAME.jpg    masks/NAME.png                      split by share (below)
        images/NAME.jpg    masks/NAME.png    train.txt ...     split by lists of names
        train/images/NAME.jpg    train/masks/NAME.png          and so for val and test

    Args:
        root: folder that holds one of them.
        classes: a CSV file (columns id, name and, for masks of colours or for your own colours in
            overlays, r, g, b), relative to `root`; or the names of the classes, or how many there
            are, with the ids 0, 1, ...
        ignore: names or ids of classes that are left out; 255 is, unless it is a class.
        images: name of the folder of pictures.
        masks: name of the folder of masks.
        mask_suffix: what the name of a mask has more than its picture's ("_mask").
        val_fraction: share of the pictures for validation, where nothing else says so.
        test_fraction: share for the test, likewise.
        split_seed: another one distributes otherwise.
        unknown: ids that are no class are an "error", or their pixels are left out ("ignore").
        sixteen_bit: how pictures of 16 bits are brought to 8: "error", "full", "range".

    Raises:
        UserError: when folders or the list of classes are not there.
        ValueError: when a number is out of its range.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        classes: str | int | Sequence[str] = "classes.csv",
        ignore: Sequence[str | int] = (),
        images: str = "images",
        masks: str = "masks",
        mask_suffix: str = "",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        unknown: Literal["error", "ignore"] = "error",
        sixteen_bit: Literal["error", "full", "range"] = "error",
    ) -> None:
        check_fractions(val_fraction=val_fraction, test_fraction=test_fraction)
        self.root = require_root(root, f"{images}/ and {masks}/", "/path/to/pairs")
        super().__init__(
            _table(self.root, classes, ignore), unknown=unknown, sixteen_bit=sixteen_bit
        )
        self.names = (images, masks, mask_suffix)
        self.fractions = (val_fraction, test_fraction)
        self.split_seed = split_seed
        self._by_split = (self.root / "train" / images).is_dir()
        if not self._by_split and not (self.root / images).is_dir():
            raise UserError(
                f"data.root={root}: no pictures in it; looked for {images}/ with {masks}/, and for "
                f"train/{images}/ with train/{masks}/"
            )

    def find(self, split: Split) -> Sequence[Pair]:
        """The pictures of a split, by name or in the order of its list."""
        images, masks, suffix = self.names
        folder = self.root / split if self._by_split else self.root
        if self._by_split and not folder.is_dir():
            raise UserError(f"{folder}: this split is missing")
        listed = self.root / f"{split}.txt"
        if listed.is_file():
            names = read_names(listed)
            return pairs_of_folders(folder / images, folder / masks, names, suffix)
        if not self._by_split and any((self.root / f"{name}.txt").is_file() for name in SPLITS):
            raise UserError(f"{listed}: other splits have a list, and this one is missing")
        pairs = pairs_of_folders(folder / images, folder / masks, None, suffix)
        if self._by_split or not pairs:
            return pairs
        by_name = {pair.name: pair for pair in pairs}
        place = f"data.root={self.root}"
        return [
            by_name[name]
            for name in assign(list(by_name), *self.fractions, self.split_seed, place)[split]
        ]


def _table(
    root: Path, classes: str | int | Sequence[str], ignore: Sequence[str | int]
) -> ClassTable:
    if isinstance(classes, str):
        file = root / classes
        if not file.is_file():
            raise UserError(
                f"{file}: there is no such list of classes; give data.source.classes a CSV file "
                "(id, name, r, g, b), names, or how many there are"
            )
        return read_table(file, ignore)
    if ignore and not all(isinstance(value, int) for value in ignore):
        raise UserError("data.source.ignore: names are for lists of classes; give ids")
    kept = {int(value): "no class" for value in ignore}
    number = classes if isinstance(classes, int) else len(classes)
    inside = [value for value in kept if value < number]
    if inside:
        raise UserError(f"data.source.ignore: {inside[0]} is a class")
    return make_table(classes, ignored={255: "no class", **kept})
