"""Checkpoint files are whole, checked before they are read, and never executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from wavestack.errors import UserError
from wavestack.files import write_hash
from wavestack.training.checkpoint import CheckpointFolder, read_checkpoint


def names(folder: CheckpointFolder) -> list[str]:
    return sorted(path.name for path in folder.folder.iterdir())


@pytest.fixture
def folder(tmp_path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints", keep_last=2)


def test_what_was_saved_is_read(folder):
    state = {"weight": torch.randn(3), "nested": {"lr": 0.1, "betas": (0.9, 0.99)}, "step": 7}
    folder.save(7, state)
    step, read = folder.load_latest()
    assert step == 7
    torch.testing.assert_close(read["weight"], state["weight"], rtol=0, atol=0)
    assert read["nested"] == state["nested"]


def test_the_newest_and_the_best_are_kept(folder):
    for step, best in ((1, None), (2, 0.5), (3, None), (4, None), (5, None)):
        folder.save(step, {}, best)
    assert folder.steps() == [2, 4, 5]
    assert folder.best_step() == 2
    folder.save(6, {}, 0.4)
    assert folder.steps() == [5, 6]
    assert len(names(folder)) == 2 * 2 + 1


def test_what_a_killed_process_left_is_cleared(folder):
    folder.save(1, {"weight": torch.ones(1)})
    (folder.folder / ".step00000002.ckpt.99.partial").write_bytes(b"half")
    (folder.folder / "step00000002.ckpt.sha256").write_text("0  step00000002.ckpt\n")
    folder.clean()
    assert names(folder) == ["step00000001.ckpt", "step00000001.ckpt.sha256"]
    assert folder.load_latest()[0] == 1


def test_one_flipped_bit_is_noticed(folder):
    path = folder.save(1, {"weight": torch.zeros(100)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="step00000001"):
        read_checkpoint(path)


def test_a_file_without_its_hash_is_not_read(folder):
    path = folder.save(1, {})
    path.with_name(path.name + ".sha256").unlink()
    with pytest.raises(UserError, match="sha256"):
        read_checkpoint(path)


class Hostile:
    """Writes a file when it is unpickled by anything that executes pickles."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_hostile_file_with_a_right_hash_is_refused_and_executes_nothing(folder, tmp_path, how):
    folder.folder.mkdir()
    path, target = folder.path(1), tmp_path / "owned"
    if how == "pickle":
        path.write_bytes(pickle.dumps({"format": 1, "step": 1, "model": Hostile(target)}))
    else:
        torch.save({"format": 1, "step": 1, "model": Hostile(target)}, path)
    write_hash(path)
    with pytest.raises(UserError, match="step00000001"):
        read_checkpoint(path)
    assert not target.exists()


def test_other_plain_files_are_refused_by_name(folder):
    folder.folder.mkdir()
    torch.save({"weight": torch.ones(1)}, folder.path(1))
    write_hash(folder.path(1))
    with pytest.raises(UserError, match="not a wavestack checkpoint"):
        folder.load(1)
    with pytest.raises(UserError, match="none of the 1 checkpoints can be read"):
        folder.load_latest(warn=lambda line: None)


def test_no_checkpoint_yet(folder):
    assert folder.load_latest() is None
    assert folder.best_step() is None
    with pytest.raises(ValueError, match="keep_last must be >= 1, got 0"):
        CheckpointFolder(folder.folder, keep_last=0)
