"""What a segmentation looks like: colours over the picture, a legend, panels side by side.

Colours and their names always come with the classes of the data; pixels of no class (255) keep the
picture as it is.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

Colours = Sequence[Sequence[int]]

_PAPER, _INK = (255, 255, 255), (28, 33, 38)
_TEXT = 14  # height of letters in pixels
_ROW = 24  # height of a line of the legend
_GAP = 8
# Smaller pictures are enlarged by a whole number until they are so wide, so that text fits.
_LEAST_WIDTH = 300


def overlay(
    image: np.ndarray, classes: np.ndarray, colours: Colours, opacity: float = 0.55
) -> np.ndarray:
    """A picture in grey under the colours of its classes, with a line around each region.

    Args:
        image: uint8.
        classes: class numbers; 255 (or any number without a colour) leaves the picture alone.
        colours: (red, green, blue) of each class.
        opacity: share of the colour, 0 to 1.

    Shape:
        image: (H, W, 3), classes: (H, W) -> (H, W, 3) uint8

    Raises:
        ValueError: when the sizes differ, or the opacity is not in [0, 1].

    Example:
        >>> grey = np.full((1, 2, 3), 100, dtype=np.uint8)
        >>> overlay(grey, np.array([[0, 255]]), [(255, 0, 0)], opacity=0.0).tolist()
        [[[100, 100, 100], [100, 100, 100]]]
    """
    if image.shape[:2] != classes.shape:
        raise ValueError(f"a picture of {image.shape[:2]} and classes of {classes.shape} pixels")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must be in [0, 1], got {opacity}")
    table = np.zeros((256, 3))
    table[: len(colours)] = np.asarray(colours, dtype=float).reshape(-1, 3)
    share = np.zeros(256)
    share[: len(colours)] = opacity
    share = share[classes][..., None]
    # The line is drawn inside each region, in its own colour.
    line = opacity + (1 - opacity) * 0.6 if opacity > 0 else 0.0
    share = np.where(_border(classes)[..., None] & (share > 0), line, share)
    # Grey, so that the colours are those of the legend. (Luma of ITU-R BT.601.)
    grey = (image @ np.array([0.299, 0.587, 0.114]))[..., None]
    mixed = np.where(share > 0, share * table[classes] + (1 - share) * grey, image)
    return mixed.round().astype(np.uint8)


def legend(names: Sequence[str], colours: Colours, width: int) -> np.ndarray:
    """Names beside their colours in as many lines as it takes: (height, width, 3) uint8."""
    from PIL import Image, ImageDraw

    font = _font()
    places, x, y = [], _GAP, 0
    for name in names:
        needed = _TEXT + 6 + int(font.getlength(name)) + 2 * _GAP
        if x > _GAP and x + needed > width:
            x, y = _GAP, y + _ROW
        places.append((x, y))
        x += needed
    picture = Image.new("RGB", (width, y + _ROW), _PAPER)
    draw = ImageDraw.Draw(picture)
    for name, colour, (left, top) in zip(names, colours, places, strict=True):
        box = (left, top + 5, left + _TEXT, top + 5 + _TEXT)
        draw.rectangle(box, fill=(colour[0], colour[1], colour[2]), outline=(120, 120, 120))
        draw.text((left + _TEXT + 6, top + _ROW // 2), name, _INK, font, anchor="lm")
    return np.asarray(picture)


def panels(
    pictures: Sequence[tuple[str, np.ndarray]],
    names: Sequence[str] = (),
    colours: Colours = (),
) -> np.ndarray:
    """Pictures of one size side by side under their titles, over a legend.

    Args:
        pictures: title ("" for none) and (H, W, 3) uint8 of each; small ones are enlarged.
        names, colours: of the legend; none: no legend.

    Shape:
        -> (height, width, 3) uint8
    """
    W = pictures[0][1].shape[1]
    times = -(-_LEAST_WIDTH // W)
    titled = any(title for title, _ in pictures)
    columns: list[np.ndarray] = []
    for k, (title, picture) in enumerate(pictures):
        large = picture.repeat(times, axis=0).repeat(times, axis=1)
        if titled:
            large = np.concatenate([_title(title, W * times), large])
        if k:
            columns.append(np.full((len(large), _GAP, 3), _PAPER, dtype=np.uint8))
        columns.append(large)
    joined = np.concatenate(columns, axis=1)
    if names:
        joined = np.concatenate([joined, legend(names, colours, joined.shape[1])])
    return joined


def shown_classes(
    classes: Sequence[np.ndarray], names: Sequence[str], colours: Colours, least: float = 0.0
) -> tuple[list[str], list[Sequence[int]]]:
    """Names and colours of the classes of which there is more than a share of some picture."""
    count = len(names)
    shares = [np.bincount(c.ravel(), minlength=256)[:count] / c.size for c in classes]
    kept = [k for k in range(count) if max(share[k] for share in shares) > least]
    return [names[k] for k in kept], [colours[k] for k in kept]


def encode_png(picture: np.ndarray) -> bytes:
    """An (H, W, 3) uint8 picture as PNG."""
    from PIL import Image

    return _bytes(Image.fromarray(picture))


def encode_classes(classes: np.ndarray, colours: Colours) -> bytes:
    """Class numbers as a PNG with a palette: any viewer shows the colours, any reader the numbers.

    Args:
        classes: (H, W) uint8.
        colours: (red, green, blue) of each class.
    """
    from PIL import Image

    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: len(colours)] = np.asarray(colours, dtype=np.uint8).reshape(-1, 3)
    picture = Image.fromarray(classes.astype(np.uint8))
    picture.putpalette(palette.tobytes())
    return _bytes(picture)


def _border(classes: np.ndarray) -> np.ndarray:
    """Pixels with another class to their right or below."""
    border = np.zeros(classes.shape, dtype=bool)
    border[:, :-1] |= classes[:, :-1] != classes[:, 1:]
    border[:-1] |= classes[:-1] != classes[1:]
    return border


def _title(text: str, width: int) -> np.ndarray:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, _ROW), _PAPER)
    ImageDraw.Draw(picture).text((2, _ROW // 2), text, _INK, _font(), anchor="lm")
    return np.asarray(picture)


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(_TEXT)


def _bytes(picture: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, format="PNG")
    return content.getvalue()
