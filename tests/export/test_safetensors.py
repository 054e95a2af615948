"""One file of weights: what went in comes out, and nothing in it is ever executed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import wavestack
from tests.safety.payloads import PAYLOADS, WritesWhenLoaded, fill
from wavestack.errors import UserError
from wavestack.export.safetensors import load, read, save
from wavestack.files import hash_path, verify_hash, write_hash

CONFIG: dict[str, Any] = {
    "model": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 2},
    "data": {"root": "/home/someone", "source": {"root": "/home/someone", "sample_rate": 8000}},
    "resume": "/home/someone/runs/1",
    "seed": 7,
}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[nn.Linear, Path]:
    model = nn.Linear(3, 2)
    path = tmp_path / "model.safetensors"
    save(model, path, CONFIG)
    return model, path


def test_loaded_model_equals_the_saved_one(saved: tuple[nn.Linear, Path]) -> None:
    model, path = saved
    for loaded in (load(path), wavestack.load(path)):
        assert isinstance(loaded, nn.Linear)
        assert not loaded.training
        torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=0, atol=0)
    verify_hash(path)


def test_wavenet_comes_back_with_its_output(tmp_path: Path) -> None:
    config = {
        "_target_": "wavestack.models.WaveNet",
        **{f"{name}_channels": 4 for name in ("residual", "dilation", "skip", "end")},
        "num_layers": 2,
        "num_stacks": 1,
        "num_labels": [3],
        "weight_norm": True,
    }
    from wavestack.safety import instantiate

    model = instantiate(config).eval()
    path = tmp_path / "model.safetensors"
    save(model.state_dict(), path, {"model": config})
    x, labels = torch.randint(256, (2, 20)), torch.tensor([[0], [2]])
    torch.testing.assert_close(load(path)(x, labels), model(x, labels), rtol=0, atol=0)


def test_folders_of_this_machine_stay_here(saved: tuple[nn.Linear, Path]) -> None:
    content = saved[1].read_bytes()
    assert b"someone" not in content
    config = read(saved[1])[1]
    assert config["data"] == {"root": None, "source": {"root": None, "sample_rate": 8000}}
    assert config["seed"] == 7
    assert config["version"] == wavestack.__version__


def test_tensors_that_share_memory_are_saved_each(tmp_path: Path) -> None:
    weight = torch.randn(4, 3)
    save({"a": weight, "b": weight[:2]}, tmp_path / "x.safetensors", CONFIG)
    state, _ = read(tmp_path / "x.safetensors")
    torch.testing.assert_close(state["b"], weight[:2], rtol=0, atol=0)


def test_damaged_file_is_refused(saved: tuple[nn.Linear, Path]) -> None:
    path = saved[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="does not match"):
        load(path)
    hash_path(path).unlink()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="not a readable safetensors file"):
        load(path)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save(nn.Linear(4, 2), path, CONFIG)
    with pytest.raises(UserError, match=r"x\.safetensors: the weights do not fit.*weight"):
        load(path)


def test_config_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="_target_"):
        save(nn.Linear(1, 1), tmp_path / "x.safetensors", {"seed": 0})
    assert list(tmp_path.iterdir()) == []


def test_other_peoples_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for metadata in (None, {"wavestack": "not JSON"}, {"wavestack": "[1]"}, {"wavestack": "{}"}):
        save_file({"weight": torch.zeros(1)}, path, metadata=metadata)
        with pytest.raises(UserError, match="holds no wavestack config"):
            load(path)


@pytest.mark.parametrize("name", PAYLOADS)
def test_hostile_metadata_runs_nothing(name: str, tmp_path: Path) -> None:
    written = tmp_path / "written"
    evil = fill(PAYLOADS[name], written, tmp_path / "x.pickle")
    path = tmp_path / "x.safetensors"
    for model in (evil, {"_target_": "torch.nn.Sequential", "_args_": [evil]}):
        metadata = {"wavestack": json.dumps({"model": model})}
        save_file({"weight": torch.zeros(1)}, path, metadata=metadata)
        write_hash(path)
        with pytest.raises(UserError, match="_target_"):
            load(path)
    assert not written.exists()


def test_pickle_by_the_name_of_safetensors_is_not_opened(tmp_path: Path) -> None:
    written = tmp_path / "written"
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(WritesWhenLoaded(written)))
    write_hash(path)
    with pytest.raises(UserError, match="not a readable safetensors file"):
        wavestack.load(tmp_path)
    torch.save(nn.Linear(1, 1), path)
    write_hash(path)
    with pytest.raises(UserError, match="not a readable safetensors file"):
        wavestack.load(path)
    assert not written.exists()
