"""The figure of a run, and models loaded from it."""

from __future__ import annotations

import json
import math

import pytest
import torch
from omegaconf import OmegaConf

import wavestack
from wavestack.config import compose
from wavestack.errors import UserError
from wavestack.safety import instantiate
from wavestack.training import evaluate, train
from wavestack.training.evaluation import _set_folder


def test_figure_is_that_of_each_recording_by_itself(tmp_path, tiny_config, capsys):
    cfg = tiny_config(data__source__num_test=5)
    train(cfg, tmp_path)
    result = evaluate(tmp_path)
    model, data = wavestack.load(tmp_path), instantiate(cfg.data)

    nats, samples = 0.0, 0
    for recording in data.recordings("test"):
        x = torch.from_numpy(recording.waveform)[None]
        codes = model.distribution.encode(x)
        delayed = torch.cat([torch.full_like(codes[:, :1], 16), codes[:, :-1]], dim=1)
        with torch.no_grad():
            logits = model(delayed, torch.tensor([recording.labels]))
        nats += torch.nn.functional.cross_entropy(logits, codes, reduction="sum").item()
        samples += codes.numel()
    assert result["samples"] == samples
    assert (result["items"], result["item_noun"]) == (5, "recordings")
    assert result["value"] == pytest.approx(nats / math.log(2) / samples, abs=1e-6)

    assert set(result["baselines"]) == {"zero-order entropy", "first-order Markov", "RLS-16"}
    assert json.loads((tmp_path / "evaluation.json").read_text()) == result
    out = capsys.readouterr().out
    assert f"{result['value']:8.4f}  this model" in out
    assert "RLS-16" in out


def test_validation_figure_is_the_trainers(tmp_path, tiny_config):
    summary = train(tiny_config(), tmp_path)
    result = evaluate(tmp_path, split="val", baselines=False)
    assert result["value"] == pytest.approx(summary["val/bits_per_sample"], abs=1e-6)
    assert result["baselines"] == {}


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        evaluate(tmp_path)
    with pytest.raises(UserError, match="no such file or run folder"):
        wavestack.load(tmp_path / "nothing")


def test_a_run_without_weights_is_named(tmp_path, tiny_config):
    from wavestack.training.run_folder import RunFolder

    RunFolder(tmp_path).prepare(tiny_config())
    with pytest.raises(UserError, match="a run without weights yet"):
        wavestack.load(tmp_path)


@pytest.mark.parametrize(
    ("recipe", "name", "message"),
    [
        ("etth1", "root", r"data\.root=x: this run's data are synthetic \(data\.synthetic\)"),
        ("sequential_mnist", "root", r"data\.root=x: this run's data are synthetic"),
        ("fsdd_wavenet", "root", r"data\.root=x: the data of this run lie in no folder"),
        ("super_resolution", "root", r"data\.root=x: the data of this run lie in no folder"),
        ("super_resolution", "test_root", r"data\.test_root=x: the data .* have no test_root"),
    ],
)
def test_synthetic_data_of_a_smoke_run_lie_nowhere_else(recipe, name, message):
    cfg = compose("train", [f"recipe={recipe}", "debug=smoke"])
    with pytest.raises(UserError, match=message):
        _set_folder(cfg, name, "x")


def test_moved_data_are_found_in_every_key_that_names_them():
    cfg = OmegaConf.create({"data": {"root": "a", "source": {"root": "a"}}})
    _set_folder(cfg, "root", "b")
    assert cfg == {"data": {"root": "b", "source": {"root": "b"}}}
