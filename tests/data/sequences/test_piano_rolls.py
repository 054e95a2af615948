"""Piano-rolls: the published files, their damage, and batches of pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wavestack.data import PianoRollFile, PianoRolls, SyntheticPianoRolls
from wavestack.data.sequences.piano_rolls import PianoRollBatches, assemble, shifted
from wavestack.errors import UserError

io = pytest.importorskip("scipy.io")


def roll(num_frames: int, keys: int = 88) -> np.ndarray:
    rng = np.random.default_rng(num_frames)
    return (rng.random((num_frames, keys)) < 0.05).astype(np.uint8)


def write(file: Path, train: list[np.ndarray], **others: object) -> None:
    def row(pieces: list[np.ndarray]) -> np.ndarray:
        cells = np.empty((1, len(pieces)), dtype=object)
        for i, piece in enumerate(pieces):
            cells[0, i] = piece
        return cells

    parts = {"traindata": row(train), "validdata": row([roll(4)]), "testdata": row([roll(5)])}
    io.savemat(file, {**parts, **others})


def test_pieces_come_back_as_they_were_written(tmp_path: Path) -> None:
    pieces = [roll(3), roll(7), roll(2)]
    write(tmp_path / "Songs.mat", pieces)
    for root in (tmp_path, tmp_path / "Songs.mat"):
        found = PianoRollFile(root, "Songs").split("train")
        assert all(np.array_equal(a, b) for a, b in zip(found, pieces, strict=True))
    assert len(PianoRollFile(tmp_path, "Songs").split("test")[0]) == 5


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (roll(4, keys=87), r"traindata, piece 1 must have 88 keys a frame, got .*\(4, 87\)"),
        (np.zeros((0, 88), np.uint8), r"traindata, piece 1 has 0 frames"),
        (roll(1), r"traindata, piece 1 has 1 frames"),
        (np.full((3, 88), 2, np.uint8), r"traindata, piece 1 must hold zeros and ones"),
        (np.full((3, 88), np.nan), r"traindata, piece 1 must hold zeros and ones"),
    ],
)
def test_a_bad_piece_is_named(tmp_path: Path, piece: np.ndarray, expected: str) -> None:
    write(tmp_path / "Songs.mat", [roll(3), piece])
    with pytest.raises(UserError, match=rf"Songs\.mat: ({expected})"):
        PianoRollFile(tmp_path, "Songs").split("train")


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "Songs.mat"
    with pytest.raises(UserError, match=r"data\.root is not set"):
        PianoRollFile(None, "Songs")
    with pytest.raises(UserError, match=r"there is no .*Songs\.mat"):
        PianoRollFile(tmp_path, "Songs")
    write(file, [roll(30)])
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no MATLAB file at all"):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"Songs\.mat: (not a readable MATLAB|holds no)"):
            [PianoRollFile(tmp_path, "Songs").split(s) for s in ("train", "val", "test")]
    io.savemat(file, {"traindata": np.zeros((1, 1))})
    with pytest.raises(UserError, match="holds no testdata"):
        PianoRollFile(tmp_path, "Songs").split("test")


def test_without_scipy_the_install_command_is_named(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "Songs.mat", [roll(3)])
    monkeypatch.setitem(__import__("sys").modules, "scipy.io", None)
    with pytest.raises(UserError, match=r"needs scipy; python -m pip install 'wavestack\[music\]'"):
        PianoRollFile(tmp_path, "Songs").split("train")


def test_the_published_files_have_their_published_sizes(data_root: Path) -> None:
    folder = data_root / "tcn"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    for name, sizes in (("JSB_Chorales", (229, 76, 77)), ("Nottingham", (694, 173, 170))):
        file = PianoRollFile(folder, name)
        assert tuple(len(file.split(s)) for s in ("train", "val", "test")) == sizes


def test_every_piece_is_evaluated_once_and_whole() -> None:
    data = PianoRolls(SyntheticPianoRolls(num_val=9), batch_size=2, eval_batch_frames=70)
    batches = data.eval_batches("val")
    assert 1 < len(batches) < 9
    seen = [
        row[:, :length].T.numpy().astype(np.uint8)
        for batch in batches
        for row, length in zip(batch["roll"], batch["lengths"], strict=True)
    ]
    wanted = sorted(data.pieces("val"), key=len)
    assert all(np.array_equal(a, b) for a, b in zip(seen, wanted, strict=True))


def test_what_stands_behind_a_piece_is_silence() -> None:
    batch = assemble([roll(3), roll(8)])
    assert batch["roll"].shape == (2, 88, 8)
    assert batch["lengths"].tolist() == [3, 8]
    assert batch["roll"][0, :, 3:].eq(0).all()


def test_batches_and_their_shifts_are_a_function_of_seed_and_number() -> None:
    pieces = SyntheticPianoRolls().split("train")
    one = PianoRollBatches(pieces, 3, seed=1, transpose=5)
    other = PianoRollBatches(pieces, 3, seed=1, transpose=5)
    last = other[7]["roll"]
    assert torch.equal(one[7]["roll"], last)
    assert not torch.equal(PianoRollBatches(pieces, 3, seed=1)[7]["roll"], last)


def test_shifts_move_keys_and_lose_those_off_the_keyboard() -> None:
    piece = roll(20)
    up = shifted(piece, 3)
    assert np.array_equal(up[:, 3:], piece[:, :-3])
    assert not up[:, :3].any()
    assert np.array_equal(shifted(up, -3)[:, :-3], piece[:, :-3])
    assert np.array_equal(shifted(piece, 0), piece)


def test_empty_splits_and_wrong_numbers_are_named() -> None:
    with pytest.raises(UserError, match="the val split holds no piece"):
        PianoRolls(SyntheticPianoRolls(num_val=0), batch_size=1).eval_batches("val")
    with pytest.raises(ValueError, match="transpose must be below 88 keys, got 88"):
        PianoRolls(SyntheticPianoRolls(), 2, transpose=88)
    with pytest.raises(ValueError, match="transpose must be >= 0, got -1"):
        PianoRolls(SyntheticPianoRolls(), batch_size=1, transpose=-1)
