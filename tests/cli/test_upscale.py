"""`wavestack upscale`: pictures and folders, brightness and colours, tiles, how it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wavestack.cli import run
from wavestack.errors import UserError
from wavestack.export.safetensors import save
from wavestack.inference.upscale import upscale
from wavestack.models import TCN, SuperResolutionNet
from wavestack.signal import resize_bicubic


def make_model(in_channels: int = 1) -> SuperResolutionNet:
    torch.manual_seed(0)
    model = SuperResolutionNet(2, in_channels, channels=4, dilations=[1, 2, 1])
    torch.nn.init.normal_(model.last.weight, std=0.05)
    return model.eval()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    model = {"_target_": "wavestack.models.SuperResolutionNet", "scale": 2, "in_channels": 1}
    save(
        make_model(),
        tmp_path / "net.safetensors",
        {"model": {**model, "channels": 4, "dilations": [1, 2, 1]}},
    )
    return tmp_path / "net.safetensors"


def picture(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(height).integers(60, 200, (height, width, 3), dtype=np.uint8)
    return resize_bicubic(resize_bicubic(coarse, 0.25), 4)[:height, :width]


@pytest.mark.parametrize("in_channels", [1, 3])
def test_a_model_that_adds_nothing_is_bicubic_interpolation(in_channels: int) -> None:
    image, model = picture(24, 32), make_model(in_channels)
    torch.nn.init.zeros_(model.last.weight)
    found = upscale(model, image).astype(int)[8:-8, 8:-8]
    expected = resize_bicubic(image.astype(float), 2)[8:-8, 8:-8]
    np.testing.assert_allclose(found, expected, atol=0.6)  # rounded once


def test_a_model_of_brightness_leaves_the_colours_alone() -> None:
    image = picture(24, 32)
    found = upscale(make_model(), image).astype(float)
    plain = resize_bicubic(image, 2).astype(float)
    difference = found - plain
    assert np.abs(difference).max() > 5
    # One number is added to red, green and blue: that of the brightness, where none is clipped.
    inside = ((found > 0) & (found < 255)).all(axis=2)
    assert np.ptp(difference, axis=2)[inside].max() <= 3  # of two roundings each


def test_grey_stays_grey() -> None:
    image = np.repeat(picture(20, 20)[..., :1], 3, axis=2)
    assert np.ptp(upscale(make_model(), image).astype(int), axis=2).max() <= 1


@pytest.mark.parametrize("in_channels", [1, 3])
def test_tiles_give_what_the_whole_gives(in_channels: int) -> None:
    model, image = make_model(in_channels), picture(40, 52)
    whole = upscale(model, image, tile=None).astype(int)
    assert np.abs(upscale(model, image, tile=16) - whole).max() <= 1  # where a half is rounded


def test_pictures_of_a_folder_keep_their_places(weights: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "in" / "trip").mkdir(parents=True)
    Image.fromarray(picture(12, 16)).save(tmp_path / "in" / "a.png")
    Image.fromarray(picture(13, 11)).convert("L").save(tmp_path / "in" / "trip" / "b.bmp")
    assert (
        run(["upscale", f"run={weights}", f"input={tmp_path / 'in'}", f"out={tmp_path / 'o'}"]) == 0
    )
    with Image.open(tmp_path / "o" / "trip" / "b.png") as found:
        assert found.size == (22, 26)
    assert "16 x 12 to 32 x 24 pixels" in capsys.readouterr().out
    with Image.open(tmp_path / "o" / "a.png") as found:
        np.testing.assert_array_equal(np.asarray(found), upscale(make_model(), picture(12, 16)))


def test_mistakes_are_named(weights: Path, tmp_path: Path) -> None:
    def refused(message: str, **words: object) -> None:
        given = {"run": weights, "input": tmp_path, "out": tmp_path / "o", **words}
        with pytest.raises(UserError, match=message):
            run(["upscale", *(f"{key}={value}" for key, value in given.items())])

    refused("no picture in it")
    refused(r"input=nowhere\.png: there is no such file or folder", input="nowhere.png")
    refused(r"tile must be >= 1 pixel or null, got 0", tile=0)
    refused(r"out=.*net\.safetensors: is a file; name a folder", out=weights)
    (tmp_path / "a.png").write_bytes(b"no picture")
    refused(r"a\.png: not a picture that Pillow can read")
    refused(r"a\.png would be overwritten; name another folder", out=tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"")
    refused(r"a\.png and .*a\.jpg would both become .*a\.png")
    settings = {"in_channels": 1, "channels": 2, "num_layers": 1}
    target = {"model": {"_target_": "wavestack.models.TCN", **settings}}
    save(TCN(**settings), tmp_path / "tcn.safetensors", target)
    refused("a TCN enlarges no pictures", run=tmp_path / "tcn.safetensors")


def test_only_pictures_of_bytes_are_enlarged() -> None:
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) uint8"):
        upscale(make_model(), np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="tile must be >= 1 or None"):
        upscale(make_model(), np.zeros((4, 4, 3), dtype=np.uint8), tile=0)
