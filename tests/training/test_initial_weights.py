"""Starting from other weights: what matches is taken, what does not is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import wavestack
from wavestack.errors import UserError
from wavestack.training import train
from wavestack.training.initial_weights import start_from, without_start


def net(classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, classes, 1))


@pytest.mark.parametrize("kind", ["safetensors", "torch", "wrapped"])
def test_what_matches_by_name_and_shape_is_taken(kind: str, tmp_path: Path) -> None:
    other, model = net(5), net(2)
    state = {**other.state_dict(), "head.weight": torch.ones(1)}
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt")
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "torch":
        torch.save(state, path)
    else:
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    lines = start_from(model, path)
    for name in ("0.weight", "0.bias", "1.weight", "1.running_mean"):
        assert torch.equal(model.state_dict()[name], state[name])
    assert lines[0].startswith(f"init {path}: 7 of the model's 9 tensors (")
    what, names = lines[1].split(": ")
    assert what == "  of another shape, so they start anew"
    assert set(names.split(", ")) == {"2.weight", "2.bias"}
    assert lines[2] == "  in it alone: head.weight"


def test_a_run_starts_from_another_run(tmp_path: Path, tiny_config, capsys) -> None:
    train(tiny_config(max_steps=2, val_every_steps=None), tmp_path / "one")
    cfg = tiny_config(max_steps=1, val_every_steps=None, ema_decay=None, data__batch_size=2)
    cfg.init, cfg.optimizer.lr = str(tmp_path / "one"), 0.0
    cfg.optimizer.weight_decay = 0.0
    train(cfg, tmp_path / "two")
    assert "(100.0 % of its numbers)" in capsys.readouterr().out
    first, second = (wavestack.load(tmp_path / name).state_dict() for name in ("one", "two"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_cannot_be_started_from_is_named(tmp_path: Path) -> None:
    model = net(2)
    with pytest.raises(UserError, match=r"init=.*nothing: no such file or run folder"):
        start_from(model, tmp_path / "nothing")
    save_file({"other.weight": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"none of its 1 tensors fits this model \(other\.weight; "):
        start_from(model, tmp_path / "other.safetensors")
    (tmp_path / "broken.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"broken\.pt: (holds more than tensors|not a readable)"):
        start_from(model, tmp_path / "broken.pt")
    torch.save({"code": Path("x")}, tmp_path / "code.pt")
    with pytest.raises(UserError, match=r"code\.pt: holds more than tensors"):
        start_from(model, tmp_path / "code.pt")
    torch.save([torch.ones(1)], tmp_path / "list.pt")
    with pytest.raises(UserError, match="holds no tensors by name"):
        start_from(model, tmp_path / "list.pt")


def test_a_loaded_model_does_not_ask_for_the_weights_it_started_from() -> None:
    described = {"_target_": "x", "weights": "gone.pt", "encoder": [{"weights": "gone.pt"}]}
    assert without_start(described) == {
        "_target_": "x",
        "weights": None,
        "encoder": [{"weights": None}],
    }
