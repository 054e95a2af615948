"""Pascal VOC: photographs with twenty kinds of object and a background."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wavestack.data.pictures.class_table import IGNORE_INDEX, ClassTable, default_colours
from wavestack.data.pictures.image_pairs import Pair, PairFiles, Sample
from wavestack.data.pictures.published_pairs import torchvision_set
from wavestack.data.root import require_root
from wavestack.data.splits import Split, assign, check_fractions
from wavestack.errors import UserError

_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
_VOID = (224, 224, 192)


class VOC(PairFiles):
    """The segmentation pictures of Pascal VOC, with those of SBD for training where they are there.

    The labels of VOC's test are not public, so the test split is VOC's validation set, as in most
    papers, and validation takes a share of the training set. With SBD the training pictures are the
    10,582 known as "train_aug": both sets, without those of VOC's validation.

    Args:
        root: folder that holds ``VOCdevkit``.
        year: "2007" to "2012".
        sbd_root: folder of the Semantic Boundaries Dataset (``img``, ``cls``, ``train.txt``,
            ``val.txt``); None: VOC alone. Reading its masks needs scipy.
        val_fraction: share of the training pictures that validation takes.
        split_seed: another one takes others.

    Raises:
        UserError: when the pictures are not there.
        ValueError: when a number is out of its range.

    References:
        Everingham et al. (2015), "The Pascal visual object classes challenge: a retrospective";
        Hariharan et al. (2011), "Semantic contours from inverse detectors", for SBD.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        year: str | int = "2012",
        sbd_root: str | os.PathLike[str] | None = None,
        val_fraction: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        check_fractions(val_fraction=val_fraction)
        colours = ((0, 0, 0), *default_colours(len(_CLASSES) - 1))
        super().__init__(
            ClassTable(
                _CLASSES,
                tuple(range(len(_CLASSES))),
                colours,
                {IGNORE_INDEX: "void"},
                (_VOID,),
                coloured=True,
            )
        )
        self.root = require_root(root, "VOCdevkit", "/path/to/voc")
        self.year = str(year)
        self.sbd_root = None if sbd_root is None else Path(sbd_root).expanduser()
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        if self.year not in [str(y) for y in range(2007, 2013)]:
            raise ValueError(f"year must be 2007 to 2012, got {year}")

    def find(self, split: Split) -> Sequence[Pair]:
        """The pictures of a split."""
        if split == "test":
            return self._of("val")
        pairs = {pair.name: pair for pair in self._of("train")}
        place = f"data.root={self.root}"
        names = assign(list(pairs), self.val_fraction, 0.0, self.split_seed, place)
        if split == "val":
            return [pairs[name] for name in names["val"]]
        kept = {name: pairs[name] for name in names["train"]}
        if self.sbd_root is not None:
            others = {*names["val"], *(pair.name for pair in self._of("val"))}
            # Where both sets have a mask, VOC's is the finer one.
            kept = {p.name: p for p in self._of_sbd() if p.name not in others} | kept
        return [kept[name] for name in sorted(kept)]

    def sample(self, split: Split, index: int) -> Sample:
        """Read a picture and its mask; masks of SBD are MATLAB files."""
        pair = self.pairs(split)[index]
        if pair.mask.suffix != ".mat":
            return super().sample(split, index)
        image, mask = self.images.read(pair.image), _read_mat(pair.mask)
        return self.checked(pair, image, mask)

    def _of(self, image_set: str) -> list[Pair]:
        found = torchvision_set(
            f"VOC {self.year}",
            lambda sets: sets.VOCSegmentation(self.root, self.year, image_set),
            f"VOCdevkit/VOC{self.year} with ImageSets/Segmentation, JPEGImages, SegmentationClass",
        )
        return _paired(found.images, found.masks)

    def _of_sbd(self) -> list[Pair]:
        parts = torchvision_set(
            "SBD (data.source.sbd_root)",
            lambda sets: [
                sets.SBDataset(self.sbd_root, part, "segmentation") for part in ("train", "val")
            ],
            "img, cls, train.txt and val.txt",
        )
        return [pair for part in parts for pair in _paired(part.images, part.masks)]


def _paired(images: Sequence[str], masks: Sequence[str]) -> list[Pair]:
    files = zip(map(Path, images), map(Path, masks), strict=True)
    return [Pair(image.stem, image, mask) for image, mask in files]


def _read_mat(path: Path) -> np.ndarray:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise UserError(
            f"{path}: reading MATLAB files needs scipy; python -m pip install scipy"
        ) from error
    try:
        mask = np.asarray(loadmat(path)["GTcls"][0]["Segmentation"][0])
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise UserError(f"{path}: damaged or unreadable: {error}") from error
    strange = np.setdiff1d(mask, [*range(len(_CLASSES)), IGNORE_INDEX])
    if strange.size:
        raise UserError(f"{path}: unknown ids {', '.join(map(str, strange[:8]))}")
    return mask.astype(np.uint8)
