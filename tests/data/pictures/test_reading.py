"""Reading pictures and masks: what is converted, what is refused, and that it is said."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wavestack.data.pictures.class_table import make_table, read_table
from wavestack.data.pictures.reading import ImageReader, MaskReader, find_images
from wavestack.errors import UserError

GREY = np.array([[0, 100], [200, 255]], dtype=np.uint8)
COLOURS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


def saved(folder: Path, array: np.ndarray, mode: str | None = None, **kwargs) -> Path:
    path = folder / "picture.png"
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **kwargs)
    return path


def test_plain_colours_are_taken_as_they_are(tmp_path: Path) -> None:
    reader = ImageReader()
    assert np.array_equal(reader.read(saved(tmp_path, COLOURS)), COLOURS)
    assert reader.report == {"files": 1}


def test_grey_is_repeated_and_counted(tmp_path: Path, caplog) -> None:
    reader = ImageReader()
    path = saved(tmp_path, GREY)
    for _ in range(2):
        assert np.array_equal(reader.read(path), np.repeat(GREY[..., None], 3, 2))
    assert reader.report == {"files": 2, "grey": 2}
    assert caplog.text.count("of grey levels") == 1  # said once, however many there are


def test_palette_gives_its_colours_and_opaque_alpha_goes(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode=None).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(tmp_path / "p.png")
    reader = ImageReader()
    assert reader.read(tmp_path / "p.png").tolist() == [[[10, 20, 30], [40, 50, 60]]]
    opaque = np.dstack([COLOURS, np.full((2, 2), 255, np.uint8)])
    assert np.array_equal(reader.read(saved(tmp_path, opaque)), COLOURS)
    assert reader.report == {"files": 2, "palette": 1}


def test_transparent_pixels_are_shown_on_black_and_said(tmp_path: Path, caplog) -> None:
    clear = np.dstack(
        [np.full((2, 2, 3), 200, np.uint8), np.array([[0, 255], [51, 255]], np.uint8)]
    )
    found = ImageReader().read(saved(tmp_path, clear))[..., 0]
    assert found.tolist() == [[0, 200], [40, 200]]
    assert "with transparency: shown on black" in caplog.text


def test_sixteen_bits_are_refused_until_someone_says_how(tmp_path: Path) -> None:
    path = saved(tmp_path, np.array([[0, 1000], [2000, 4000]], dtype=np.uint16))
    with pytest.raises(UserError, match=r"picture\.png: a picture of 16 bits; .*sixteen_bit=full"):
        ImageReader().read(path)
    assert ImageReader("full").read(path)[..., 0].tolist() == [[0, 4], [8, 16]]
    assert ImageReader("range").read(path)[..., 0].tolist() == [[0, 64], [128, 255]]
    with pytest.raises(ValueError, match="sixteen_bit must be error, full or range, got 'wide'"):
        ImageReader("wide")


def test_sixteen_bit_colours_are_seen_though_pillow_hides_them(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    row = b"\0" + struct.pack(">6H", 256, 512, 768, 0, 0, 65535)  # two pixels, not filtered
    header = struct.pack(">2I5B", 2, 1, 16, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(row)), (b"IEND", b"")
    path = tmp_path / "deep.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    with pytest.raises(UserError, match="a picture of 16 bits"):
        ImageReader().read(path)
    assert ImageReader("full").read(path).tolist() == [[[1, 2, 3], [0, 0, 255]]]
    with pytest.raises(UserError, match="sixteen_bit=range is for grey pictures"):
        ImageReader("range").read(path)
    with pytest.raises(UserError, match="a mask of 16-bit colours"):
        MaskReader(make_table(2, colours=[(1, 2, 3), (0, 0, 255)])).read(path)


def test_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    reader = ImageReader()
    assert np.array_equal(reader.read(tmp_path / "turned.png"), np.rot90(COLOURS, -1))
    assert reader.report["turned"] == 1


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    whole = saved(tmp_path, np.zeros((64, 64, 3), np.uint8)).read_bytes()
    for name, content, said in (
        ("empty.png", b"", r"empty\.png: empty \(0 bytes\)"),
        ("text.png", b"no picture at all", r"text\.png: not a picture that Pillow can read"),
        ("cut.png", whole[: len(whole) // 2], r"cut\.png: damaged or unreadable"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=said):
            ImageReader().read(tmp_path / name)
    with pytest.raises(UserError, match=r"none\.png: there is no such file"):
        ImageReader().read(tmp_path / "none.png")
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(UserError, match=r"float\.tiff: a picture of mode F"):
        ImageReader().read(tmp_path / "float.tiff")


IDS = np.array([[0, 1], [2, 255]], dtype=np.uint8)


@pytest.mark.parametrize("kind", ["grey", "palette", "sixteen"])
def test_ids_are_the_values_whatever_the_kind_of_file(kind: str, tmp_path: Path) -> None:
    image = Image.fromarray(IDS.astype(np.uint16) if kind == "sixteen" else IDS)
    if kind == "palette":
        image = image.convert("P")
        image.putpalette([9, 9, 9] * 256)  # colours that mean nothing
        image.putdata(IDS.ravel().tolist())
    image.save(tmp_path / "mask.png")
    assert np.array_equal(MaskReader(make_table(3)).read(tmp_path / "mask.png"), IDS)


def test_unknown_ids_are_named_with_the_classes_or_ignored(tmp_path: Path, caplog) -> None:
    path = saved(tmp_path, IDS)
    table = make_table(["road", "car"])
    with pytest.raises(
        UserError, match=r"picture\.png: unknown ids 2; the classes are 0 road, 1 car, ignored 255"
    ):
        MaskReader(table).read(path)
    reader = MaskReader(table, "ignore")
    assert reader.read(path).tolist() == [[0, 1], [255, 255]]
    assert reader.report == {"files": 1, "with_unknown_ids": 1}
    assert "pixels of unknown ids 2 are ignored" in caplog.text
    huge = saved(tmp_path, np.array([[0, 40_000]], dtype=np.uint16))
    with pytest.raises(UserError, match="unknown ids 40000"):
        MaskReader(table).read(huge)


def test_colours_are_looked_up_in_the_class_list(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text(
        "id,name,r,g,b\n7,Sky,10,20,30\n3,Road,40,50,60\n9,Void,0,0,0\n"
    )
    table = read_table(tmp_path / "classes.csv", ["Void"])
    assert (table.names, table.ids, table.ignored[9]) == (("Sky", "Road"), (7, 3), "Void")
    mask = np.array([[[10, 20, 30], [40, 50, 60]], [[0, 0, 0], [40, 50, 60]]], dtype=np.uint8)
    path = saved(tmp_path, mask)
    assert MaskReader(table).read(path).tolist() == [[0, 1], [255, 1]]
    assert np.array_equal(table.colour_image(MaskReader(table).read(path)), mask)
    with pytest.raises(UserError, match="a mask of colours, but the list of classes has none"):
        MaskReader(make_table(2)).read(path)
    mask[0, 0] = 1
    with pytest.raises(UserError, match=r"unknown ids \(1, 1, 1\)"):
        MaskReader(table).read(saved(tmp_path, mask))


def test_masks_that_cannot_be_exact_are_refused(tmp_path: Path) -> None:
    Image.fromarray(IDS).save(tmp_path / "mask.jpg")
    with pytest.raises(UserError, match="a mask cannot be a JPEG"):
        MaskReader(make_table(3)).read(tmp_path / "mask.jpg")
    table = make_table(2, colours=[(0, 0, 0), (9, 9, 9)])
    half = np.dstack([np.full((1, 2, 3), 9, np.uint8), np.array([[128, 255]], np.uint8)])
    with pytest.raises(UserError, match="half transparent"):
        MaskReader(table).read(saved(tmp_path, half))
    half[0, 0, 3] = 0
    assert MaskReader(table).read(saved(tmp_path, half)).tolist() == [[255, 1]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a list of classes has columns id, name"),
        ("id,name\nx,Sky\n", "line 2: id, r, g and b must be numbers"),
        ("id,name\n1,Sky\n1,Road\n", r"the ids \[1\] stand for two classes"),
        ("id,name,r,g,b\n1,Sky,1,1,1\n2,Road,1,1,1\n", "stand for two classes"),
    ],
)
def test_mistakes_in_a_list_of_classes_are_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(UserError, match=f"classes.csv.*{said}"):
        read_table(tmp_path / "classes.csv")
    (tmp_path / "classes.csv").write_text("id,name\n0,Sky\n")
    with pytest.raises(UserError, match=r"ignore=Void is none of its classes \(0 Sky\)"):
        read_table(tmp_path / "classes.csv", ["Void"])


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"a\.png: a\.jpg is there too"):
        find_images(tmp_path)
