"""Files of tensors: what is read of them, that nothing in them runs, what is said of the others."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from wavestack.errors import UserError
from wavestack.state_file import read_state

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


def assert_same(state: dict[str, torch.Tensor]) -> None:
    assert list(state) == list(STATE)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"epoch": 3, "model": STATE},
        {"state_dict": {f"module.{name}": tensor for name, tensor in STATE.items()}},
        {"model": {"state_dict": {**STATE, "note": "not a tensor"}}},
    ],
)
def test_state_dicts_are_found_in_checkpoints(content, tmp_path):
    torch.save(content, tmp_path / "checkpoint.pt")
    assert_same(read_state(tmp_path / "checkpoint.pt"))


def test_files_in_torch_s_old_form_and_safetensors_are_read(tmp_path):
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert_same(read_state(tmp_path / "old.pth"))
    save_file(STATE, tmp_path / "new.safetensors")
    assert read_state(tmp_path / "new.safetensors").keys() == STATE.keys()


class Stranger:
    """What a pickle may carry: a call of the author's choice."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_code_of_a_file_runs(tmp_path):
    torch.save({"a.weight": Stranger(tmp_path / "ran")}, tmp_path / "stranger.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Stranger(tmp_path / "ran"), protocol=2))
    for name in ("stranger.pth", "plain.pth"):
        with pytest.raises(UserError, match="only a plain state dict is read"):
            read_state(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.ones(2)], torch.ones(2)])
def test_files_without_a_state_dict_are_named(content, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"other\.pt: holds no tensors by name"):
        read_state(tmp_path / "other.pt")


def test_missing_and_damaged_files_are_named_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.pth: there is no such file"):
        read_state(tmp_path / "nowhere.pth")
    torch.save(STATE, tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    for name, rest in (
        ("half.pth", content[: len(content) // 2]),
        ("text.pth", b"<html>404</html>"),
        ("empty.pth", b""),
        ("text.safetensors", b"<html>404</html>"),
    ):
        (tmp_path / name).write_bytes(rest)
        with pytest.raises(UserError, match=name) as caught:
            read_state(tmp_path / name)
        assert "\n" not in str(caught.value)
