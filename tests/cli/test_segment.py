"""`wavestack segment`: pictures and folders, every mode, names and colours, how it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import wavestack
from wavestack.cli import run
from wavestack.errors import UserError
from wavestack.signal.image import normalize_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net of hybrid dilated convolutions after two steps on shapes."""
    folder = tmp_path_factory.mktemp("run") / "shapes"
    small = ["model.channels=[4,6,8]", "model.rates=[[1,2]]", "model.decoder_channels=4"]
    parts = ["task=segmentation", "data=shapes", "model=hdc", "model.num_classes=6", *small]
    end = ["optimizer=adamw", "scheduler=constant", "debug=smoke", f"hydra.run.dir={folder}"]
    run(["train", *parts, *end])
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with a picture of each kind, and a broken one."""
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    colours = np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    Image.fromarray(colours).save(folder / "colours.png")
    Image.fromarray(colours[..., 0]).save(folder / "grey.png")
    Image.fromarray(colours[:40, :50]).save(folder / "more" / "small.jpg")
    Image.fromarray(np.dstack([colours, colours[..., 0]])).save(folder / "transparent.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def segmented(folder: Path, out: Path, *more: str) -> int:
    return run(["segment", f"run={folder}", f"out={out}", "input_size=null", *more])


def test_the_classes_are_those_of_the_model(folder: Path, pictures: Path, capsys) -> None:
    out = pictures.parent / "out"
    assert segmented(folder, out, f"input={pictures / 'colours.png'}", "probabilities=true") == 0
    image = np.asarray(Image.open(pictures / "colours.png"))
    x = normalize_image(torch.from_numpy(image.copy()).permute(2, 0, 1)[None])
    with torch.no_grad():
        expected = wavestack.load(folder)(x)[0].softmax(0)
    probabilities = np.load(out / "colours_probabilities.npy")
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    with Image.open(out / "colours_classes.png") as found:
        assert found.mode == "P"
        classes = np.asarray(found)
        shown = np.asarray(found.convert("RGB"))
    np.testing.assert_array_equal(classes, probabilities.argmax(0))
    data = wavestack.data.SyntheticShapes(num_classes=6).classes
    np.testing.assert_array_equal(shown, data.colour_image(classes))
    assert (out / "colours_overlay.png").is_file()
    # The table of shares names the classes and adds up.
    lines = [line.rsplit(None, 2) for line in capsys.readouterr().out.splitlines()]
    shares = {name.strip(): float(share) for name, share, unit in lines if unit == "%"}
    assert set(shares) <= set(data.names)
    counts = np.bincount(classes.ravel(), minlength=6)
    for name, count in zip(data.names, counts, strict=True):
        assert shares.get(name, 0) == pytest.approx(100 * count / classes.size, abs=0.06)


def test_pictures_are_brought_to_the_size_of_the_training(
    folder: Path, pictures: Path, tmp_path: Path
) -> None:
    given = [f"run={folder}", f"input={pictures / 'colours.png'}", f"out={tmp_path}"]
    run(["segment", *given, "probabilities=true"])  # the stand-in of debug=smoke has 64 x 64
    at_run_size = np.load(tmp_path / "colours_probabilities.npy")
    run(["segment", *given, "probabilities=true", "input_size=[64,64]"])
    np.testing.assert_array_equal(at_run_size, np.load(tmp_path / "colours_probabilities.npy"))
    assert at_run_size.shape == (6, 61, 83)
    run(["segment", *given, "probabilities=true", "input_size=null"])
    assert np.abs(at_run_size - np.load(tmp_path / "colours_probabilities.npy")).max() > 1e-3


def test_tiles_give_the_classes_of_the_whole(
    folder: Path, pictures: Path, tmp_path: Path, capsys
) -> None:
    segmented(folder, tmp_path / "a", f"input={pictures / 'colours.png'}", "probabilities=true")
    capsys.readouterr()
    more = ["tile=16", "probabilities=true"]
    segmented(folder, tmp_path / "b", f"input={pictures / 'colours.png'}", *more)
    assert "in 24 tiles of at most" in capsys.readouterr().out
    whole, tiled = (np.load(tmp_path / k / "colours_probabilities.npy") for k in "ab")
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_a_folder_goes_on_past_a_bad_file_and_says_so_at_the_end(
    folder: Path, pictures: Path, capsys
) -> None:
    out = pictures / "out"  # among the pictures
    for _ in range(2):  # the results of the first are no pictures of the second
        with pytest.raises(UserError, match=r"^1 of 5 pictures were left out; see above$"):
            segmented(folder, out, f"input={pictures}")
        assert f"left out: {pictures / 'broken.png'}: not a picture" in capsys.readouterr().err
    made = sorted(str(p.relative_to(out)) for p in out.rglob("*_classes.png"))
    assert made == [
        *(f"{name}_classes.png" for name in ("colours", "grey")),
        "more/small_classes.png",
        "transparent_classes.png",
    ]
    with pytest.raises(UserError, match=r"broken\.png: not a picture"):
        segmented(folder, out, f"input={pictures / 'broken.png'}")


def test_training_leaves_picture_truth_and_prediction_side_by_side(folder: Path) -> None:
    assert [p.name for p in (folder / "samples").iterdir()] == ["step00000002_0.png"]
    with Image.open(folder / "samples" / "step00000002_0.png") as picture:
        width, height = picture.size
        assert width == 3 * 96 * 4 + 2 * 8  # pictures of 96 x 72, enlarged so that text fits
        assert height > 72 * 4
    assert '<figure class="wide"><img alt="step00000002_0"' in (folder / "report.html").read_text()


def test_mistakes_are_named(folder: Path, pictures: Path, run_folder: Path) -> None:
    for words, more in {
        "mode=best: must be one of whole, flip": ["mode=best"],
        "scales=.*: must be numbers > 0": ["scales=[0]"],
        "tile must be >= 1 pixel or null, got 0": ["tile=0"],
        "opacity must be in": ["opacity=2"],
        "input_size=.*: must be run, null or": ["input_size=[64]"],
        "there is no such file or folder": ["input=none.png"],
        "is a file; name a folder": [f"out={pictures / 'grey.png'}"],
        "a WaveNet gives no classes to pixels": [f"run={run_folder}"],
    }.items():
        given = dict(key.split("=", 1) for key in (f"run={folder}", f"input={pictures}", *more))
        with pytest.raises(UserError, match=words):
            run(["segment", *(f"{key}={value}" for key, value in given.items())])
