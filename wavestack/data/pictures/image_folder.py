"""Any folder of pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from wavestack.data.pictures.reading import IMAGE_SUFFIXES, ImageReader
from wavestack.data.root import require_root
from wavestack.data.splits import SPLITS, Split, assign, check_split
from wavestack.errors import UserError
from wavestack.signal import resize_bicubic


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture without any mask or label.

    Attributes:
        name: unique within its split, for messages and file names.
        image: (H, W, 3) uint8.
    """

    name: str
    image: np.ndarray


class PictureSource(Protocol):
    """What SuperResolutionData asks of a collection of pictures."""

    def num_items(self, split: Split) -> int:
        """How many pictures a split holds."""
        ...

    def sample(self, split: Split, index: int) -> Any:
        """One picture, with ``name`` and ``image``; the order never changes."""
        ...


class ImageFolder:
    """The pictures of a folder and its sub-folders, split by file.

    Which files are for validation and test follows from a hash of their names and a seed, so it
    does not depend on the order in which the disk lists them.

    Args:
        root: the folder.
        test_root: another folder, all of whose pictures are the test split; None takes
            `test_fraction` of the files of `root`.
        val_fraction: share of the files for validation, at least one file.
        test_fraction: share of the files for the test where `test_root` is None, at least one file.
        split_seed: another seed splits otherwise.
        max_side: larger training and validation pictures are made smaller until their longer side
            has so many pixels, by antialiased bicubic interpolation: what cameras and JPEG leave
            of blur and blocks goes away with it. None: as they are. Test pictures stay as they are.
        sixteen_bit: how pictures of 16 bits are read, see ImageReader.

    Raises:
        UserError: when a folder is missing or holds too few pictures.
        ValueError: when a setting is out of its range.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        test_root: str | os.PathLike[str] | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        max_side: int | None = None,
        sixteen_bit: Literal["error", "full", "range"] = "error",
    ) -> None:
        for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
            if not 0 < fraction < 1:
                raise ValueError(f"{name} must be in (0, 1), got {fraction}")
        if max_side is not None and max_side < 1:
            raise ValueError(f"max_side must be >= 1 or null, got {max_side}")
        self.reader = ImageReader(sixteen_bit)
        self.max_side = max_side
        self.root = require_root(root, "your pictures", "/path/to/pictures")
        files = {path.relative_to(self.root).as_posix(): path for path in find_pictures(self.root)}
        fractions = (val_fraction, 0.0 if test_root is not None else test_fraction)
        names = assign(list(files), *fractions, split_seed, f"data.root={self.root}")
        self._splits = {split: [files[name] for name in names[split]] for split in SPLITS}
        if test_root is not None:
            folder = Path(test_root).expanduser()
            if not folder.is_dir():
                raise UserError(f"data.source.test_root={test_root}: there is no such folder")
            self._splits["test"] = find_pictures(folder)
            if not self._splits["test"]:
                raise UserError(f"data.source.test_root={test_root}: no picture in it")

    @property
    def report(self) -> dict[str, Any]:
        """Counts of what was read, see ImageReader."""
        return dict(self.reader.report)

    def num_items(self, split: Split) -> int:
        """Pictures of a split."""
        check_split(split)
        return len(self._splits[split])

    def sample(self, split: Split, index: int) -> Picture:
        """Read a picture.

        Raises:
            UserError: when its file cannot be used.
        """
        check_split(split)
        path = self._splits[split][index]
        image = self.reader.read(path)
        longer = max(image.shape[:2])
        if split != "test" and self.max_side is not None and longer > self.max_side:
            image = resize_bicubic(image, self.max_side / longer)
        return Picture(path.stem, image)


def find_pictures(root: Path) -> list[Path]:
    """The pictures under a folder, sorted; hidden files and folders are left out."""
    found = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                found.append(Path(folder) / name)
    return sorted(found)
