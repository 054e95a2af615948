"""All the drawings, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wavestack.explain.extraction import draw_extraction
from wavestack.explain.fields import draw_gridding, draw_growth, draw_pyramid
from wavestack.explain.filtering import draw_filtering
from wavestack.explain.kernel import draw_kernel

# name -> what it explains, in the order of docs/atrous.md.
DRAWINGS: dict[str, str] = {
    "kernel": "the kernel with holes, in numbers",
    "filtering": "one filter on one picture: regular, on a smaller picture, atrous",
    "growth": "how the field grows with doubled dilation",
    "gridding": "rates that leave holes, and rates that do not",
    "pyramid": "how little atrous spatial pyramid pooling reads by itself",
    "extraction": "a strided network made dense with the same weights",
}


def draw(
    folder: Path,
    picture: NDArray[np.float32],
    names: Sequence[str] = tuple(DRAWINGS),
    *,
    rate: int = 2,
) -> Iterator[tuple[Path, str]]:
    """Draw pictures that explain atrous convolution, one file each: folder/atrous_NAME.png.

    Args:
        folder: where they are written; made if it is not there.
        picture: (H, W, 3), red, green and blue from 0 to 1, what is filtered.
        names: which drawings, of ``DRAWINGS``.
        rate: dilation of the filter in "filtering".

    Returns:
        each file, as it is written, and what it shows, measured

    Raises:
        ValueError: when a name is unknown.
    """
    drawings: dict[str, Callable[[Path], str]] = {
        "kernel": draw_kernel,
        "filtering": partial(draw_filtering, picture, rate=rate),
        "growth": draw_growth,
        "gridding": draw_gridding,
        "pyramid": draw_pyramid,
        "extraction": partial(draw_extraction, picture),
    }
    unknown = [name for name in names if name not in drawings]
    if unknown:
        raise ValueError(
            f"{unknown[0]}: there is no such drawing (there are {', '.join(drawings)})"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / f"atrous_{name}.png"
        yield path, drawings[name](path)
