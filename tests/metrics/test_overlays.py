"""Overlays: colours where there are classes, the picture where there are none, legends."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from wavestack.metrics.overlays import (
    encode_classes,
    legend,
    overlay,
    panels,
    shown_classes,
)

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
GREY = np.full((6, 8, 3), 100, dtype=np.uint8)


def test_regions_take_their_colour_and_no_class_leaves_the_picture() -> None:
    classes = np.full((6, 8), 255, dtype=np.uint8)
    classes[:, :3] = 1
    found = overlay(GREY, classes, COLOURS, opacity=0.5)
    assert (found[:, :2] == (50, 150, 50)).all()
    assert (found[:, 2] == (20, 180, 20)).all()  # the line inside the region
    assert (found[:, 3:] == 100).all()
    assert (overlay(GREY, classes, COLOURS, opacity=0) == GREY).all()
    with pytest.raises(ValueError, match=r"a picture of \(6, 8\) and classes of \(6, 7\)"):
        overlay(GREY, classes[:, 1:], COLOURS)
    with pytest.raises(ValueError, match="opacity must be in"):
        overlay(GREY, classes, COLOURS, opacity=1.5)


def test_a_palette_keeps_the_numbers_and_shows_the_colours() -> None:
    classes = np.array([[0, 1, 2], [2, 255, 0]], dtype=np.uint8)
    with Image.open(io.BytesIO(encode_classes(classes, COLOURS))) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), classes)
        assert picture.convert("RGB").getpixel((2, 0)) == (0, 0, 200)


def test_a_legend_breaks_into_lines_of_the_width() -> None:
    names = [f"a long name {k}" for k in range(3)]
    wide, narrow = legend(names, COLOURS, 600), legend(names, COLOURS, 150)
    assert wide.shape[1] == 600
    assert narrow.shape[1] == 150
    assert narrow.shape[0] == 3 * wide.shape[0]
    for colour in COLOURS:
        assert (wide == colour).all(axis=2).any()
        assert (narrow == colour).all(axis=2).any()


def test_panels_stand_side_by_side_enlarged_by_whole_numbers() -> None:
    found = panels([("a", GREY), ("b", GREY)])
    times = 38  # 38 * 8 = 304 pixels are enough
    assert found.shape == (6 * times + 24, 2 * 8 * times + 8, 3)
    assert (panels([("", GREY)]) == 100).all()
    assert panels([("", GREY)], ["x"], COLOURS[:1]).shape[0] == 6 * times + 24


def test_only_classes_that_occur_are_shown() -> None:
    classes = [np.array([[0, 255, 2]]), np.array([[0, 0, 0]])]
    assert shown_classes(classes, ["x", "y", "z"], COLOURS) == (
        ["x", "z"],
        [COLOURS[0], COLOURS[2]],
    )
