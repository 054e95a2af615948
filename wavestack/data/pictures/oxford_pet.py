"""Oxford-IIIT Pet: cats and dogs, with trimaps of animal, background and the seam between."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from wavestack.data.pictures.class_table import make_table
from wavestack.data.pictures.image_pairs import Pair, PairFiles
from wavestack.data.pictures.published_pairs import torchvision_set
from wavestack.data.root import require_root
from wavestack.data.splits import Split, assign, check_fractions


class OxfordPet(PairFiles):
    """Pets and what is behind them; 3,680 pictures to learn from, 3,669 to test on.

    Args:
        root: folder that holds ``oxford-iiit-pet``.
        border: the seam of the trimap is a class of its own ("class") or of none ("ignore").
        val_fraction: share of the training pictures that validation takes.
        split_seed: another one takes others.

    Raises:
        UserError: when the pictures are not there.
        ValueError: when a setting is out of its range.

    References:
        Parkhi et al. (2012), "Cats and dogs", CVPR.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        border: Literal["ignore", "class"] = "ignore",
        val_fraction: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        if border not in ("ignore", "class"):
            raise ValueError(f"border must be ignore or class, got {border!r}")
        check_fractions(val_fraction=val_fraction)
        names, ids = ["background", "pet"], [2, 1]
        if border == "class":
            super().__init__(make_table([*names, "border"], ids=[*ids, 3]))
        else:
            super().__init__(make_table(names, ids=ids, ignored={3: "border"}))
        self.root = require_root(root, "oxford-iiit-pet", "/path/to/pets")
        self.val_fraction = val_fraction
        self.split_seed = split_seed

    def find(self, split: Split) -> Sequence[Pair]:
        """The pictures of a split."""
        found = torchvision_set(
            "Oxford-IIIT Pet",
            lambda sets: sets.OxfordIIITPet(
                self.root, "test" if split == "test" else "trainval", target_types="segmentation"
            ),
            "oxford-iiit-pet with images and annotations",
        )
        files = zip(found._images, found._segs, strict=True)
        pairs = {image.stem: Pair(image.stem, image, mask) for image, mask in files}
        if split == "test":
            return list(pairs.values())
        place = f"data.root={self.root}"
        names = assign(list(pairs), self.val_fraction, 0.0, self.split_seed, place)
        return [pairs[name] for name in names[split]]
