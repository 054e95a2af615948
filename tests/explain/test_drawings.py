"""The drawings: files that say what they measured, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from wavestack.explain import DRAWINGS, draw

PNG = b"\x89PNG\r\n\x1a\n"
MEASURED = {
    "kernel": ("[[9, 76], [22, 75]]", "[[-1, 90, 128], [-21, 94, 98], [62, 73, 117]]"),
    "filtering": ("400 answers", "1,600 of", "differ by 0"),
    "growth": ("1, 1, 1 see 7 x 7", "1, 2, 4 see 15 x 15"),
    "gridding": ("2, 2, 2 read 49 of 169 pixels and share 0", "1, 2, 9 read 441 of 625",
                 "1, 2, 5 read 289 of 289"),
    "pyramid": ("25 of 1,369",),
    "extraction": ("25 answers", "1,600 of", "each of 43 x 43 pixels"),
}  # fmt: skip


def test_every_drawing_is_written_and_says_what_it_shows(tmp_path):
    picture = np.random.default_rng(0).random((40, 40, 3)).astype(np.float32)
    drawn = list(draw(tmp_path / "new", picture))
    assert [path.name for path, _ in drawn] == [f"atrous_{name}.png" for name in DRAWINGS]
    for (path, shown), words in zip(drawn, MEASURED.values(), strict=True):
        assert path.read_bytes().startswith(PNG)
        for word in words:
            assert word in shown


def test_equal_drawings_are_equal_files(tmp_path):
    picture = np.zeros((40, 40, 3), dtype=np.float32)
    for name in ("a", "b"):
        assert len(list(draw(tmp_path / name, picture, ["kernel"]))) == 1
    first, second = ((tmp_path / name / "atrous_kernel.png").read_bytes() for name in ("a", "b"))
    assert first == second


def test_unknown_drawings_are_named(tmp_path):
    with pytest.raises(ValueError, match="circus: there is no such drawing"):
        list(draw(tmp_path, np.zeros((40, 40, 3), dtype=np.float32), ["circus"]))
    assert not list(tmp_path.iterdir())
