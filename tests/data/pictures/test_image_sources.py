"""Sources of pictures and masks: their layouts, their splits, and what is missing in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wavestack.data import VOC, CamVid, Cityscapes, ImageMaskFolder, IsbiEM, OxfordPet
from wavestack.errors import UserError


def write(path: Path, value: int = 0, size: tuple[int, int] = (6, 8), *, colour: bool = False):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size, 3) if colour else size
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


def pair(images: Path, masks: Path, name: str, value: int = 0, suffix: str = ".png") -> None:
    write(images / f"{name}{suffix}", 100, colour=True)
    write(masks / f"{name}.png", value)


@pytest.mark.parametrize("layout", ["ours", "segnet"])
def test_camvid_is_found_in_both_layouts(layout: str, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        folder = tmp_path / split
        if layout == "ours":
            for name, value in (("b", 3), ("a", 11)):
                pair(folder / "images", folder / "labels", name, value, ".jpg")
            (tmp_path / f"{split}.txt").write_text("b\na\n")
        else:
            for name, value in (("b", 3), ("a", 11)):
                pair(folder, tmp_path / f"{split}annot", name, value)
    source = CamVid(tmp_path)
    assert (source.num_items("test"), len(source.classes)) == (2, 11)
    values = {source.sample("test", i).name: source.sample("test", i).mask[0, 0] for i in (0, 1)}
    assert values == {"b": 3, "a": 255}
    if layout == "ours":
        assert source.sample("test", 0).name == "b"  # the order is the list's


def test_camvid_as_it_is(data_root: Path) -> None:
    source = CamVid(data_root / "camvid")
    assert [source.num_items(name) for name in ("train", "val", "test")] == [367, 101, 233]
    sample = source.sample("test", 0)
    assert sample.image.shape == (360, 480, 3)
    assert set(np.unique(sample.mask)) <= {*range(11), 255}


def test_membranes_as_they_are(data_root: Path) -> None:
    source = IsbiEM(data_root / "isbi_em")
    assert [source.num_items(name) for name in ("train", "val", "test")] == [20, 5, 5]
    masks = [source.sample("train", i).mask for i in range(20)]
    assert 0.15 < np.mean(masks) < 0.3


def test_voc_tests_on_its_validation_set_and_adds_sbd_without_it(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    lists = voc / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    names = {"train": [f"t{i}" for i in range(6)], "val": ["v0", "v1"]}
    for part, members in names.items():
        (lists / f"{part}.txt").write_text("\n".join(members) + "\n")
        for name in members:
            pair(voc / "JPEGImages", voc / "SegmentationClass", name, 5, ".jpg")
    source = VOC(tmp_path)
    assert [source.num_items(name) for name in ("train", "val", "test")] == [5, 1, 2]
    assert source.sample("train", 0).mask[0, 0] == 5
    kept = {p.name for p in source.pairs("train")} | {p.name for p in source.pairs("val")}
    assert kept == set(names["train"])

    sbd = tmp_path / "sbd"
    (sbd / "cls").mkdir(parents=True)
    for part, members in {"train": ["s0", "v1"], "val": ["t0"]}.items():
        (sbd / f"{part}.txt").write_text("\n".join(members) + "\n")
        for name in members:
            write(sbd / "img" / f"{name}.jpg", 9, colour=True)
            target = np.zeros((1,), dtype=[("Segmentation", object)])
            target[0]["Segmentation"] = np.full((6, 8), 7, np.uint8)
            scipy_io.savemat(sbd / "cls" / f"{name}.mat", {"GTcls": target})
    both = VOC(tmp_path, sbd_root=sbd)
    members = [p.name for p in both.pairs("train")]
    assert "v1" not in members
    assert both.sample("train", members.index("s0")).mask[0, 0] == 7
    with pytest.raises(UserError, match=r"no VOC 2007 in it; VOCdevkit/VOC2007"):
        VOC(tmp_path, year=2007).pairs("train")


def test_cityscapes_counts_nineteen_classes_and_holds_cities_out(tmp_path: Path) -> None:
    for part, cities in {"train": ("ulm", "weimar"), "val": ("lindau",)}.items():
        for city in cities:
            for n in (2, 1):
                stem = f"{city}_00000{n}_000019"
                write(
                    tmp_path / "leftImg8bit" / part / city / f"{stem}_leftImg8bit.png",
                    1,
                    colour=True,
                )
                write(tmp_path / "gtFine" / part / city / f"{stem}_gtFine_labelIds.png", 26)
    source = Cityscapes(tmp_path, ["weimar"])
    assert len(source.classes) == 19
    assert [source.num_items(name) for name in ("train", "val", "test")] == [2, 2, 2]
    assert [p.name for p in source.pairs("val")] == ["weimar_000001_000019", "weimar_000002_000019"]
    assert source.classes.names[source.sample("val", 0).mask[0, 0]] == "car"
    with pytest.raises(UserError, match=r"no pictures of bonn in .*there are ulm, weimar"):
        Cityscapes(tmp_path, ["bonn"]).pairs("train")
    with pytest.raises(UserError, match=r"no leftImg8bit/train in it \(unpacked\)"):
        Cityscapes(tmp_path / "gtFine").pairs("train")


def test_pets_have_a_seam_that_is_ignored_or_a_class(tmp_path: Path) -> None:
    base = tmp_path / "oxford-iiit-pet"
    for part, count in (("trainval", 4), ("test", 2)):
        rows = []
        for i in range(count):
            name = f"Cat_{part}_{i}"
            pair(base / "images", base / "annotations" / "trimaps", name, 3, ".jpg")
            rows.append(f"{name} 1 1 1")
        (base / "annotations" / f"{part}.txt").write_text("\n".join(rows) + "\n")
    source = OxfordPet(tmp_path)
    assert [source.num_items(name) for name in ("train", "val", "test")] == [3, 1, 2]
    assert source.sample("test", 0).mask[0, 0] == 255
    assert OxfordPet(tmp_path, border="class").sample("test", 0).mask[0, 0] == 2


def test_any_folder_is_split_by_share_by_lists_or_by_folders(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text("id,name\n0,ground\n255,thing\n")
    for i in range(10):
        pair(tmp_path / "images", tmp_path / "masks", f"n{i}", 255)
    source = ImageMaskFolder(tmp_path, val_fraction=0.2, test_fraction=0.3)
    names = {split: [p.name for p in source.pairs(split)] for split in ("train", "val", "test")}
    assert [len(found) for found in names.values()] == [5, 2, 3]
    assert len({name for found in names.values() for name in found}) == 10
    assert source.sample("train", 0).mask[0, 0] == 1

    (tmp_path / "train.txt").write_text("n3\nn1\n")
    assert [p.name for p in ImageMaskFolder(tmp_path).pairs("train")] == ["n3", "n1"]
    with pytest.raises(UserError, match=r"val\.txt: other splits have a list"):
        ImageMaskFolder(tmp_path).pairs("val")

    folders = tmp_path / "by_folder"
    for split in ("train", "val"):
        pair(folders / split / "images", folders / split / "labels", "x_1", 1)
    source = ImageMaskFolder(folders, classes=["a", "b"], masks="labels")
    assert source.num_items("val") == 1
    with pytest.raises(UserError, match="test: this split is missing"):
        source.num_items("test")


def test_what_is_missing_or_does_not_fit_is_named(tmp_path: Path) -> None:
    pair(tmp_path / "images", tmp_path / "masks", "one", 1)
    write(tmp_path / "images" / "two.png", 1, colour=True)
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.txt").write_text("one\n")
    source = ImageMaskFolder(tmp_path, classes=2)
    write(tmp_path / "masks" / "one.png", 1, (6, 9))
    with pytest.raises(UserError, match=r"one\.png: 9 x 6 pixels, but its picture .*has 8 x 6"):
        source.sample("train", 0)
    (tmp_path / "val.txt").write_text("two\n")
    with pytest.raises(UserError, match=r"two: the mask of .*two\.png is missing"):
        source.pairs("val")
    (tmp_path / "test.txt").write_text("\n")
    with pytest.raises(UserError, match="data: the test split holds no picture"):
        source.pairs("test")
    (tmp_path / "test.txt").write_text("three\n")
    with pytest.raises(UserError, match="three: this picture is on the list but not there"):
        source.pairs("test")
    (tmp_path / "test.txt").write_text("one\none\n")
    with pytest.raises(UserError, match=r"test\.txt: one stands there twice"):
        source.pairs("test")
    with pytest.raises(UserError, match=r"classes\.csv: there is no such list of classes"):
        ImageMaskFolder(tmp_path)
    with pytest.raises(UserError, match=r"data\.source\.ignore: 1 is a class"):
        ImageMaskFolder(tmp_path, classes=2, ignore=[1])
    empty = tmp_path / "empty"
    empty.mkdir()
    for source_class, said in ((CamVid, "no CamVid in it"), (IsbiEM, "no ISBI EM slices in it")):
        with pytest.raises(UserError, match=rf"data\.root=.*empty: {said}"):
            source_class(empty)
