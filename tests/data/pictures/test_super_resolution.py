"""Pictures made small: folders, splits, patches that fit each other, pictures that do not do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wavestack.data import ImageFolder, SuperResolutionData, SyntheticShapes
from wavestack.errors import UserError
from wavestack.models import SuperResolutionNet
from wavestack.signal import luma, resize_bicubic


def write(path: Path, height: int, width: int, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3))
    large = resize_bicubic(coarse.astype(np.uint8), 4)
    Image.fromarray(np.pad(large, ((0, height % 4), (0, width % 4), (0, 0)), mode="edge")).save(
        path
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures of odd sizes, some in a sub-folder, and a file that is none."""
    for i in range(10):
        name = f"trip/{i}.png" if i % 3 else f"{i}.png"
        write(tmp_path / "photos" / name, 41 + i, 60 - i, seed=i)
    (tmp_path / "photos" / "notes.txt").write_text("rain")
    return tmp_path / "photos"


def test_splits_are_disjoint_complete_and_independent_of_the_place(folder: Path):
    def names(root: Path) -> dict[str, set[str]]:
        source = ImageFolder(root, val_fraction=0.2, test_fraction=0.3)
        splits = {s: range(source.num_items(s)) for s in ("train", "val", "test")}
        return {s: {source.sample(s, i).name for i in items} for s, items in splits.items()}

    first = names(folder)
    assert {split: len(found) for split, found in first.items()} == {
        "train": 5,
        "val": 2,
        "test": 3,
    }
    assert set.union(*first.values()) == {str(i) for i in range(10)}
    assert names(folder.rename(folder.parent / "elsewhere")) == first


def test_a_folder_of_its_own_is_the_test(folder: Path):
    write(folder.parent / "set5" / "baby.png", 64, 48)
    source = ImageFolder(folder, folder.parent / "set5", max_side=40)
    assert [source.num_items(split) for split in ("train", "val", "test")] == [9, 1, 1]
    assert source.sample("test", 0).image.shape == (64, 48, 3)  # never made smaller
    assert max(source.sample("train", 0).image.shape) == 40


@pytest.mark.parametrize("colours", ["y", "rgb"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_evaluation_pairs_are_whole_pictures_and_what_bicubic_leaves_of_them(
    folder, scale, colours
):
    data = SuperResolutionData(ImageFolder(folder), scale, patch_size=4, colours=colours)
    batch = data.eval_batches("test")[0]
    picture = data.source.sample("test", 0).image
    height, width = (size // scale for size in picture.shape[:2])
    large = picture[: height * scale, : width * scale]
    expected = [
        torch.from_numpy(x).permute(2, 0, 1)[None] / 255
        for x in (resize_bicubic(large, 1 / scale), large)
    ]
    if colours == "y":
        expected = [luma(x) for x in expected]
    torch.testing.assert_close(batch["image"], expected[0])
    torch.testing.assert_close(batch["target"], expected[1])


def test_a_small_patch_lies_in_the_middle_of_what_it_was_made_of(folder: Path):
    data = SuperResolutionData(ImageFolder(folder), 2, batch_size=12, patch_size=6)
    for k in range(3):
        batch = data.train_batches(seed=1)[k]
        assert batch["image"].shape == (12, 1, 6, 6)
        assert batch["target"].shape == (12, 1, 12, 12)
        for small, large in zip(batch["image"], batch["target"], strict=True):
            again = resize_bicubic(large[0].double().numpy(), 0.5)
            # Away from the patch's borders, up to the rounding of the small picture to 8 bits.
            error = np.abs(again - small[0].numpy())[2:-2, 2:-2]
            assert error.max() < 2.5 / 255


def test_batches_are_a_pure_function_of_seed_and_number(folder: Path):
    def make(seed: int, k: int) -> dict[str, torch.Tensor]:
        return SuperResolutionData(ImageFolder(folder), 2, 4, 6).train_batches(seed)[k]

    batches = SuperResolutionData(ImageFolder(folder), 2, 4, 6).train_batches(3)
    for k in (7, 2, 7):
        for name, x in make(3, k).items():
            torch.testing.assert_close(batches[k][name], x, rtol=0, atol=0)
    assert not torch.equal(make(3, 7)["image"], make(4, 7)["image"])
    assert not torch.equal(make(3, 7)["image"], make(3, 8)["image"])


def test_larger_pictures_give_more_patches():
    data = SuperResolutionData(SyntheticShapes(height=48, width=64, num_train=3), 2, patch_size=8)
    assert np.bincount(data.train_batches(0).owner).tolist() == [3 * 4] * 3


def test_what_cannot_be_used_is_named(folder: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"data\.root is not set: give the folder that holds your"):
        ImageFolder(None)
    with pytest.raises(
        UserError, match=r"data\.source\.test_root=nowhere: there is no such folder"
    ):
        ImageFolder(folder, "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"test_root=.*empty: no picture in it"):
        ImageFolder(folder, tmp_path / "empty")
    with pytest.raises(UserError, match=r"0 pictures cannot be split into train, val .*and test"):
        ImageFolder(tmp_path / "empty")
    write(folder.parent / "set5" / "baby.png", 64, 48).write_bytes(b"no picture")
    data = SuperResolutionData(ImageFolder(folder, folder.parent / "set5"), 2)
    with pytest.raises(UserError, match=r"baby\.png: not a picture that Pillow can read"):
        data.eval_batches("test")[0]


def test_patches_must_fit_into_the_pictures(folder: Path):
    data = SuperResolutionData(ImageFolder(folder), 4, patch_size=16)
    with pytest.raises(UserError, match=r"pixels when made small, but data\.patch_size is 16"):
        data.train_batches(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": 1}, "scale must be >= 2, got 1"),
        ({"scale": 2, "patch_size": 0}, "patch_size must be >= 1, got 0"),
        ({"scale": 2, "colours": "cmyk"}, "colours must be y or rgb, got 'cmyk'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SuperResolutionData(SyntheticShapes(num_train=1), **settings)


def test_the_model_must_suit_the_data():
    data = SuperResolutionData(SyntheticShapes(num_train=1), scale=2, colours="rgb")
    data.check_model(SuperResolutionNet(2, in_channels=3, channels=2))
    with pytest.raises(UserError, match=r"model\.scale is 3, but data\.scale is 2"):
        data.check_model(SuperResolutionNet(3, in_channels=3, channels=2))
    with pytest.raises(UserError, match=r"model\.in_channels is 1, but the data have 3 channels"):
        data.check_model(SuperResolutionNet(2, channels=2))
