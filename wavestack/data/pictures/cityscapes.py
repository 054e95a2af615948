"""Cityscapes: streets of fifty cities, nineteen classes, 2048 x 1024."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wavestack.data.pictures.class_table import IGNORE_INDEX, ClassTable
from wavestack.data.pictures.image_pairs import Pair, PairFiles
from wavestack.data.pictures.published_pairs import torchvision_set
from wavestack.data.root import require_root
from wavestack.data.splits import Split
from wavestack.errors import UserError


class Cityscapes(PairFiles):
    """The finely annotated pictures with the nineteen classes that are evaluated.

    The labels of the test are not public, so the test split is Cityscapes' validation set (500
    pictures of three cities), and validation takes whole cities of the training set: pictures of
    one city look alike.

    Args:
        root: folder that holds ``leftImg8bit`` and ``gtFine``.
        val_cities: cities of the training set that serve for validation.

    Raises:
        UserError: when the pictures or a city are not there.

    References:
        Cordts et al. (2016), "The Cityscapes dataset for semantic urban scene understanding".
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        val_cities: Sequence[str] = ("weimar", "zurich"),
    ) -> None:
        self.root = require_root(root, "leftImg8bit and gtFine", "/path/to/cityscapes")
        self.val_cities = tuple(val_cities)
        super().__init__(_table())

    def find(self, split: Split) -> Sequence[Pair]:
        """The pictures of a split, city by city."""
        part = "val" if split == "test" else "train"
        for folder in ("leftImg8bit", "gtFine"):  # torchvision would unpack archives here
            if not (self.root / folder / part).is_dir():
                raise UserError(f"data.root={self.root}: no {folder}/{part} in it (unpacked)")
        found = torchvision_set(
            "Cityscapes",
            lambda sets: sets.Cityscapes(str(self.root), part, target_type="semantic"),
            "leftImg8bit and gtFine, each with train and val",
        )
        # torchvision lists folders as the disk does, which is no order.
        files = sorted(zip(found.images, (masks[0] for masks in found.targets), strict=True))
        pairs = [
            Pair(Path(image).stem.removesuffix("_leftImg8bit"), Path(image), Path(mask))
            for image, mask in files
        ]
        if split == "test":
            return pairs
        cities = {pair.image.parent.name for pair in pairs}
        missing = [city for city in self.val_cities if city not in cities]
        if missing:
            raise UserError(
                f"data.source.val_cities: no pictures of {missing[0]} in {self.root}; there are "
                f"{', '.join(sorted(cities))}"
            )
        held = set(self.val_cities)
        return [pair for pair in pairs if (pair.image.parent.name in held) == (split == "val")]


def _table() -> ClassTable:
    known: list[Any] = torchvision_set("Cityscapes", lambda sets: sets.Cityscapes.classes, "")
    # Some ids share a colour, so masks of colours (gtFine_color) are not read.
    counted = [label for label in known if 0 <= label.train_id < IGNORE_INDEX]
    counted.sort(key=lambda label: label.train_id)
    ignored = {label.id: label.name for label in known if label not in counted and label.id >= 0}
    return ClassTable(
        tuple(label.name for label in counted),
        tuple(label.id for label in counted),
        tuple(label.color for label in counted),
        {**ignored, IGNORE_INDEX: "license plate"},
    )
