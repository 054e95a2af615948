"""Pictures with their masks: what segmentation asks of a data set, and what files share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from wavestack.data.pictures.class_table import ClassTable
from wavestack.data.pictures.reading import ImageReader, MaskReader, find_images
from wavestack.data.splits import Split, check_split
from wavestack.errors import UserError


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A picture and what every pixel of it is.

    Attributes:
        name: unique within its split, for messages and file names.
        image: (H, W, 3) uint8.
        mask: (H, W) uint8 class numbers, 255 where there is none.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray


class PairSource(Protocol):
    """What SegmentationData asks of a data set.

    Attributes:
        classes: their names, colours and ids.
        report: what was counted while reading.
    """

    classes: ClassTable
    report: dict[str, Any]

    def num_items(self, split: Split) -> int:
        """How many pictures a split holds."""
        ...

    def sample(self, split: Split, index: int) -> Sample:
        """One picture with its mask; the order never changes."""
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of a picture and of its mask."""

    name: str
    image: Path
    mask: Path


class PairFiles(ABC):
    """Pictures and masks that lie in files; a subclass says which make up a split.

    Args:
        classes: what the masks hold.
        unknown: ids that are not in the table are an "error", or their pixels are ignored.
        sixteen_bit: how pictures of 16 bits are read, see ImageReader.
    """

    def __init__(
        self,
        classes: ClassTable,
        *,
        unknown: Literal["error", "ignore"] = "error",
        sixteen_bit: Literal["error", "full", "range"] = "error",
    ) -> None:
        self.classes = classes
        self.images = ImageReader(sixteen_bit)
        self.masks = MaskReader(classes, unknown)
        self._pairs: dict[Split, Sequence[Pair]] = {}

    @property
    def report(self) -> dict[str, Any]:
        """Counts of what was read, see ImageReader and MaskReader."""
        return {"images": dict(self.images.report), "masks": dict(self.masks.report)}

    @abstractmethod
    def find(self, split: Split) -> Sequence[Pair]:
        """The files of a split, always in the same order.

        Raises:
            UserError: when they are not there.
        """

    def pairs(self, split: Split) -> Sequence[Pair]:
        """The files of a split, looked for at the first call.

        Raises:
            UserError: when they are not there, or there are none.
        """
        check_split(split)
        if split not in self._pairs:
            pairs = self.find(split)
            if not pairs:
                raise UserError(f"data: the {split} split holds no picture")
            self._pairs[split] = pairs
        return self._pairs[split]

    def num_items(self, split: Split) -> int:
        """How many pictures a split holds."""
        return len(self.pairs(split))

    def sample(self, split: Split, index: int) -> Sample:
        """Read a picture and its mask.

        Raises:
            UserError: when a file cannot be used, or the two differ in size.
        """
        pair = self.pairs(split)[index]
        return self.checked(pair, self.images.read(pair.image), self.masks.read(pair.mask))

    @staticmethod
    def checked(pair: Pair, image: np.ndarray, mask: np.ndarray) -> Sample:
        """A picture with its mask, once their sizes are seen to agree.

        Raises:
            UserError: when they do not.
        """
        if image.shape[:2] != mask.shape:
            raise UserError(
                f"{pair.mask}: {mask.shape[1]} x {mask.shape[0]} pixels, but its picture "
                f"{pair.image} has {image.shape[1]} x {image.shape[0]}"
            )
        return Sample(pair.name, image, mask)


def pairs_of_folders(
    images: Path, masks: Path, names: Sequence[str] | None = None, mask_suffix: str = ""
) -> list[Pair]:
    """Pictures of one folder with the masks of the same names in another.

    Args:
        images: folder of pictures.
        masks: folder of masks.
        names: which, in this order; None: all, by name.
        mask_suffix: what a mask's name has more than its picture's ("_mask").

    Raises:
        UserError: naming the folder or the file that is missing.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder")
    found, found_masks = find_images(images), find_images(masks)
    pairs = []
    for name in found if names is None else names:
        if name not in found:
            raise UserError(f"{images / name}: this picture is on the list but not there")
        if name + mask_suffix not in found_masks:
            raise UserError(f"{masks / (name + mask_suffix)}: the mask of {found[name]} is missing")
        pairs.append(Pair(name, found[name], found_masks[name + mask_suffix]))
    return pairs


def read_names(path: Path) -> list[str]:
    """The names in a list of files: one on each line.

    Raises:
        UserError: when it cannot be read, or a name stands there twice.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of names: {error}") from error
    names = [line for line in lines if line]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{path}: {twice[0]} stands there twice")
    return names
