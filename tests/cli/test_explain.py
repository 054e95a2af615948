"""`wavestack explain`: what it writes, for our picture and a user's, and how it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from wavestack.cli import main


@pytest.fixture
def wavestack(capsys, monkeypatch, tmp_path):
    """Runs one command line in an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 700, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_it_draws_a_users_picture_made_smaller(wavestack, tmp_path, photo):
    status, out, err = wavestack(
        "explain", f"out={tmp_path}/drawn", f"image={photo}", "rate=3", "drawings=[filtering]"
    )
    assert (status, err) == (0, "")
    path, _, shown = out.partition(": ")
    assert path == f"{tmp_path}/drawn/atrous_filtering.png"
    assert [file.name for file in (tmp_path / "drawn").iterdir()] == ["atrous_filtering.png"]
    assert "2,736 answers of the smaller picture, 24,576 of the atrous filter" in shown  # 512 x 48


def test_drawings_without_a_picture_come_in_the_order_asked_for(wavestack, tmp_path):
    status, out, _ = wavestack("explain", f"out={tmp_path}", "drawings=[pyramid,kernel]")
    assert status == 0
    assert [line.partition(":")[0] for line in out.splitlines()] == [
        f"{tmp_path}/atrous_pyramid.png",
        f"{tmp_path}/atrous_kernel.png",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rate=1",), "rate must be from 2 to 16, got 1"),
        (("drawings=[circus]",), "drawings: there is no drawing circus (there are kernel, "),
        (("image=nowhere.png",), "nowhere.png"),
        (("imge=x.png",), "imge: there is no such key; did you mean image?"),
    ],
)
def test_it_refuses_in_one_line(wavestack, tmp_path, words, message):
    status, out, err = wavestack("explain", f"out={tmp_path}/new", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_it_refuses_a_picture_too_small_and_a_folder_that_is_a_file(wavestack, tmp_path):
    Image.new("RGB", (20, 90)).save(tmp_path / "icon.png")
    status, _, err = wavestack("explain", f"out={tmp_path}/new", f"image={tmp_path}/icon.png")
    assert status == 2
    assert "icon.png: 20 x 90 pixels; at least 48 x 48 are wanted" in err
    status, _, err = wavestack("explain", f"out={tmp_path}/icon.png")
    assert status == 2
    assert "icon.png: is a file; a folder is wanted" in err
