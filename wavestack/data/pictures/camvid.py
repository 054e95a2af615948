"""CamVid: 701 frames of driving in Cambridge, eleven classes, in SegNet's split and size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from wavestack.data.pictures.class_table import ClassTable
from wavestack.data.pictures.image_pairs import Pair, PairFiles, pairs_of_folders, read_names
from wavestack.data.root import require_root
from wavestack.data.splits import Split
from wavestack.errors import UserError

# The classes of SegNet's version in its order, with CamVid's own colours.
_CLASSES = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Pole": (192, 192, 128),
    "Road": (128, 64, 128),
    "Pavement": (60, 40, 222),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
}
_UNLABELLED = 11


class CamVid(PairFiles):
    """The Cambridge-driving Labeled Video Database: 367 frames for training, 101, 233.

    Two layouts are understood. Ours: ``train/images/NAME.jpg``, ``train/labels/NAME.png`` and lists
    ``train.txt`` (or all files of the folder, without a list). That of the SegNet tutorial:
    ``train/NAME.png`` and ``trainannot/NAME.png``, each for ``train``, ``val`` and ``test``.

    Args:
        root: folder that holds either.
        unknown: ids other than 0 to 11 are an "error", or their pixels are ignored.

    Raises:
        UserError: when the frames are not there.

    References:
        Brostow, Fauqueur and Cipolla (2009), "Semantic object classes in video: a high-definition
        ground truth database"; Badrinarayanan, Kendall and Cipolla (2017), "SegNet", for the
        classes, the split and the size of 480 x 360.
    """

    def __init__(
        self, root: str | os.PathLike[str] | None, unknown: Literal["error", "ignore"] = "error"
    ) -> None:
        names = tuple(_CLASSES)
        table = ClassTable(
            names,
            tuple(range(len(names))),
            tuple(_CLASSES.values()),
            {_UNLABELLED: "Unlabelled"},
            ((0, 0, 0),),
            coloured=True,
        )
        super().__init__(table, unknown=unknown)
        self.root = require_root(root, "CamVid", "/path/to/camvid")
        # The SegNet tutorial itself keeps the frames in a folder CamVid.
        for folder in (self.root, self.root / "CamVid"):
            if (folder / "train").is_dir():
                self.root = folder
                return
        raise UserError(
            f"data.root={root}: no CamVid in it; looked for train/images/ with train/labels/, and "
            "for train/ with trainannot/"
        )

    def find(self, split: Split) -> Sequence[Pair]:
        """The frames of a split, in the order of its list."""
        annotations = self.root / f"{split}annot"
        if annotations.is_dir():
            return pairs_of_folders(self.root / split, annotations)
        folder = self.root / split
        listed = self.root / f"{split}.txt"
        names = read_names(listed) if listed.is_file() else None
        return pairs_of_folders(folder / "images", folder / "labels", names)
