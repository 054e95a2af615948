"""Reading pictures and masks under a stated policy: nothing is converted without a word."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wavestack.data.pictures.class_table import IGNORE_INDEX, ClassTable
from wavestack.errors import UserError

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".ppm", ".pgm")
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L")

# What is done with a picture that is not plain 8-bit RGB; the log says how many there were.
_DONE = {
    "grey": "of grey levels: repeated over the three channels",
    "palette": "with a palette: shown in its colours",
    "transparent": "with transparency: shown on black",
    "cmyk": "of another colour space: converted to RGB by Pillow",
    "sixteen_bit": "of 16 bits: brought to 8",
    "turned": "turned by their EXIF orientation",
}


class ImageReader:
    """Reads pictures as 8-bit RGB and counts what it had to change.

    ========================  =====================================================================
    file                      what is done
    ========================  =====================================================================
    8-bit RGB                 taken as it is
    8-bit grey, 1 bit         repeated over the three channels
    palette                   its colours
    transparency              dropped where all is opaque, else the picture is shown on black
    CMYK, YCbCr, Lab          converted to RGB
    EXIF orientation          applied
    16 bits a channel         an error, unless `sixteen_bit` says how to bring it to 8 bits
    float, 32-bit integers    an error
    damaged, empty, no image  an error
    ========================  =====================================================================

    Args:
        sixteen_bit: "error"; "full": 0..65535 becomes 0..255; "range": the lowest and the highest
            value of each picture become 0 and 255 (12-bit scans, say).

    Attributes:
        report: how many files were read, and of which kinds.

    Raises:
        ValueError: when the policy is none of those.
    """

    def __init__(self, sixteen_bit: Literal["error", "full", "range"] = "error") -> None:
        if sixteen_bit not in ("error", "full", "range"):
            raise ValueError(f"sixteen_bit must be error, full or range, got {sixteen_bit!r}")
        self.sixteen_bit = sixteen_bit
        self.report: Counter[str] = Counter()
        self._said: set[str] = set()

    def read(self, path: Path) -> np.ndarray:
        """Read one picture.

        Shape:
            -> (H, W, 3) uint8.

        Raises:
            UserError: naming the file, when it cannot be used.
        """
        with _opened(path) as image:
            changes = []
            turned = _turned(image)
            if turned is not image:
                changes.append("turned")
            pixels = self._rgb(turned, path, changes, deep=_has_sixteen_bits(path, image.mode))
        self.report.update(files=1, **dict.fromkeys(changes, 1))
        for change in changes:
            if change not in self._said:
                self._said.add(change)
                logger.warning("%s and others like it: pictures %s", path, _DONE[change])
        return pixels

    def _rgb(self, image: Any, path: Path, changes: list[str], deep: bool) -> np.ndarray:
        if deep:
            changes.append("sixteen_bit")
            return self._eight_bits(image, path)
        if image.mode in ("F", "I"):
            raise UserError(f"{path}: a picture of mode {image.mode}; 8 or 16 bits are wanted")
        if image.mode in ("P", "PA"):
            changes.append("palette")
            image = image.convert("RGBA" if _has_alpha(image) else "RGB")
        if image.mode in ("RGBA", "LA", "La", "RGBa"):
            pixels = np.asarray(image.convert("RGBA"))
            colours, alpha = pixels[..., :3], pixels[..., 3:]
            if (alpha == 255).all():
                return np.ascontiguousarray(colours)
            changes.append("transparent")
            return (colours.astype(np.uint16) * alpha // 255).astype(np.uint8)
        if image.mode in ("1", "L"):
            changes.append("grey")
        elif image.mode != "RGB":
            changes.append("cmyk")
        return np.asarray(image.convert("RGB")).copy()

    def _eight_bits(self, image: Any, path: Path) -> np.ndarray:
        if self.sixteen_bit == "error":
            raise UserError(
                f"{path}: a picture of 16 bits; say how to show it in 8 with "
                "data.source.sixteen_bit=full (0 to 65535) or =range (its lowest to its highest)"
            )
        if image.mode not in _SIXTEEN_BIT:  # Pillow reads 16-bit colours as their upper 8 bits
            if self.sixteen_bit == "range":
                raise UserError(f"{path}: sixteen_bit=range is for grey pictures, not for colours")
            return np.asarray(image.convert("RGB")).copy()
        values = np.asarray(image).astype(np.float64)
        low, high = (0.0, 65535.0) if self.sixteen_bit == "full" else (values.min(), values.max())
        grey = ((values - low) * (255 / max(high - low, 1))).round().clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)


class MaskReader:
    """Reads masks as class numbers.

    ============================  =================================================================
    file                          what is done
    ============================  =================================================================
    palette                       the index of a pixel is its id, whatever the palette's colours
    8-bit, 16-bit or 1-bit grey   the value is the id, never scaled
    RGB                           the colour is looked up in the class table; an error without one
    transparency                  fully transparent pixels are ignored, half transparent an error
    EXIF orientation              applied, as to pictures
    JPEG                          an error: its losses invent ids
    float                         an error
    ============================  =================================================================

    Args:
        classes: what ids and colours mean.
        unknown: an id or a colour that is not in the table is an "error", or such pixels are
            ignored and the log says so ("ignore").

    Attributes:
        report: how many files were read, and pixels of unknown ids.

    Raises:
        ValueError: when the policy is none of those.
    """

    def __init__(self, classes: ClassTable, unknown: Literal["error", "ignore"] = "error") -> None:
        if unknown not in ("error", "ignore"):
            raise ValueError(f"unknown must be error or ignore, got {unknown!r}")
        self.classes = classes
        self.unknown = unknown
        self.report: Counter[str] = Counter()
        self._said: set[str] = set()

    def read(self, path: Path) -> np.ndarray:
        """Read one mask.

        Shape:
            -> (H, W) uint8: class numbers, 255 where there is none.

        Raises:
            UserError: naming the file, when it cannot be used or holds an id that is unknown.
        """
        with _opened(path) as image:
            if image.format == "JPEG":
                raise UserError(
                    f"{path}: a mask cannot be a JPEG, whose losses invent ids; use PNG"
                )
            image = _turned(image)
            hidden = None
            if image.mode in ("LA", "PA", "RGBA"):
                alpha = np.asarray(image.getchannel("A"))
                if ((alpha > 0) & (alpha < 255)).any():
                    raise UserError(f"{path}: a mask with half transparent pixels")
                hidden = alpha == 0
                image = image.convert({"LA": "L", "PA": "P", "RGBA": "RGB"}[image.mode])
            if image.mode == "RGB":
                if _has_sixteen_bits(path, "RGB"):
                    raise UserError(
                        f"{path}: a mask of 16-bit colours; ids or 8-bit colours wanted"
                    )
                if not self.classes.coloured:
                    raise UserError(
                        f"{path}: a mask of colours, but the list of classes has none "
                        "(columns r, g, b)"
                    )
                found, strange = self.classes.encode_colours(np.asarray(image))
                unknown = [str(colour) for colour in strange]
            elif image.mode in ("1", "L", "P", *_SIXTEEN_BIT):
                ids = np.asarray(image)
                found, strange_ids = self.classes.encode(ids.astype(np.int64))
                unknown = [str(i) for i in strange_ids]
            else:
                raise UserError(f"{path}: a mask of mode {image.mode}; ids or colours are wanted")
        if hidden is not None:
            found = np.where(hidden, np.uint8(IGNORE_INDEX), found)
        self.report.update(files=1)
        if unknown:
            self._meet(path, unknown)
        return np.ascontiguousarray(found)

    def _meet(self, path: Path, unknown: list[str]) -> None:
        shown = ", ".join(unknown[:8]) + (" ..." if len(unknown) > 8 else "")
        if self.unknown == "error":
            raise UserError(
                f"{path}: unknown ids {shown}; the classes are {self.classes.describe()} "
                "(data.source.unknown=ignore leaves such pixels out)"
            )
        self.report.update(with_unknown_ids=1)
        new = [name for name in unknown if name not in self._said]
        if new:
            self._said.update(new)
            logger.warning("%s: pixels of unknown ids %s are ignored", path, ", ".join(new[:8]))


def find_images(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their names without suffix, in order.

    Raises:
        UserError: when two files differ in the suffix alone.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise UserError(
                f"{path}: {found[path.stem].name} is there too; which of them is meant?"
            )
        found[path.stem] = path
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A fully decoded picture; whatever is wrong with it becomes one line with its name."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise UserError(
            "pictures are read by Pillow; python -m pip install 'wavestack[vision]'"
        ) from error
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path}: empty (0 bytes)")
        with Image.open(path) as image:
            image.load()
            yield image
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: not a picture that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: damaged or unreadable: {error}") from error


def _turned(image: Any) -> Any:
    """The picture as it is meant to be seen; itself where no orientation says otherwise."""
    from PIL import ImageOps

    if image.getexif().get(0x0112, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def _has_alpha(image: Any) -> bool:
    return image.mode == "PA" or "transparency" in image.info


def _has_sixteen_bits(path: Path, mode: str) -> bool:
    """Whether a file has 16 bits a channel, which Pillow's mode hides for colours."""
    if mode.startswith("I;16"):
        return True
    with path.open("rb") as file:
        head = file.read(26)
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return head[24] == 16
    return False
