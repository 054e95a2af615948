"""ISBI 2012 EM: cell membranes in 30 slices of a fruit fly's nerve cord, two classes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from wavestack.data.pictures.class_table import make_table
from wavestack.data.pictures.image_pairs import Pair, PairFiles, pairs_of_folders, read_names
from wavestack.data.root import require_root
from wavestack.data.splits import Split
from wavestack.errors import UserError


class IsbiEM(PairFiles):
    """Electron micrographs of 512 x 512 pixels with the membranes between cells.

    The challenge's own test labels are not public, so the 30 labelled slices are divided by lists
    ``train.txt``, ``val.txt`` and ``test.txt``. Neighbouring slices look alike: a split should be
    of contiguous ones.

    Args:
        root: folder that holds ``images/NN.png``, ``labels/NN.png`` (0 cell, 1 membrane) and the
            three lists of names.

    Raises:
        UserError: when the slices or the lists are not there.

    References:
        Cardona et al. (2010), "An integrated micro- and macroarchitectural analysis of the
        Drosophila brain by computer-assisted serial section electron microscopy"; Arganda-Carreras
        et al. (2015), "Crowdsourcing the creation of image segmentation algorithms for
        connectomics", for the challenge.
    """

    def __init__(self, root: str | os.PathLike[str] | None) -> None:
        colours = [(37, 99, 235), (250, 204, 21)]
        super().__init__(make_table(["cell", "membrane"], colours=colours))
        self.root = require_root(root, "the ISBI EM slices", "/path/to/isbi_em")
        for part in ("images", "labels", "train.txt"):
            if not (self.root / part).exists():
                raise UserError(
                    f"data.root={root}: no ISBI EM slices in it; looked for images/, labels/ and "
                    f"train.txt, and {part} is missing"
                )

    def find(self, split: Split) -> Sequence[Pair]:
        """The slices of a split, in the order of its list."""
        names = read_names(self.root / f"{split}.txt")
        return pairs_of_folders(self.root / "images", self.root / "labels", names)
