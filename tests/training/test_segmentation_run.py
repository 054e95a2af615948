"""A whole run of segmentation: trained, validated, resumed, evaluated beside its control."""

from __future__ import annotations

import csv
import doctest
import json
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError
from wavestack.training import beside, evaluate, train
from wavestack.training.beside import differences
from wavestack.training.devices import check_batch_norm

SMALL = {"backbone": "resnet18", "base_channels": 4, "channels": 4, "num_classes": 6}


@pytest.fixture
def config(tiny_config):
    def make(**model) -> DictConfig:
        cfg = tiny_config(max_steps=4, val_every_steps=2, channels_last=True, precision="bf16")
        cfg.model = {"_target_": "wavestack.models.FCN", **SMALL, **model}
        cfg.data = {
            "_target_": "wavestack.data.SegmentationData",
            "input_size": [32, 32],
            "batch_size": 2,
            "source": {
                "_target_": "wavestack.data.SyntheticShapes",
                **{"height": 40, "width": 48, "num_train": 4, "num_val": 2, "num_test": 2},
            },
        }
        cfg.task = {"_target_": "wavestack.tasks.SegmentationTask", "class_weights": "enet"}
        return cfg

    return make


def test_a_run_and_its_control(config, tmp_path: Path, capsys) -> None:
    summary = train(config(output_stride=8), tmp_path / "run")
    assert summary["classes"][1] == "disc"
    assert len(summary["class_colours"]) == 6
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/mean_iou_percent"]]
    assert [row["step"] for row in rows] == ["2", "4"]
    train(config(output_stride=8, dilated=False), tmp_path / "control")
    result = evaluate(tmp_path / "run", beside=[tmp_path / "control"])
    control = result["baseline_figures"]["model.dilated=False"]
    alone = evaluate(tmp_path / "control", baselines=False)
    assert control == pytest.approx(alone["figures"])
    assert set(result["baselines"]) == {"most frequent class", "model.dilated=False"}
    assert result["element"] == "pixels"
    assert result["samples"] == 2 * 40 * 48  # at the masks' own size
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["parts"].keys() <= {
        *summary["classes"]
    }
    validated = evaluate(tmp_path / "run", split="val", baselines=False)["figures"]
    # Validation computes in the training's precision, evaluation in float32.
    assert float(rows[-1]["val/mean_iou_percent"]) == pytest.approx(
        validated["mean iou percent"], abs=2.0
    )
    assert "model.dilated=False" in capsys.readouterr().out


def test_other_data_do_not_stand_beside(config, tmp_path: Path) -> None:
    cfg = config()
    cfg.trainer.max_steps = 1
    train(cfg, tmp_path / "run")
    cfg.data.source.seed = 3
    train(cfg, tmp_path / "other")
    with pytest.raises(UserError, match=r"its data are others \(data\.source\.seed=3\)"):
        evaluate(tmp_path / "run", beside=[tmp_path / "other"])


def test_differences_are_named_in_full() -> None:
    assert differences({"a": {"b": 1}, "c": [1]}, {"a": {"b": 1, "d": 2}, "c": [2]}) == {
        "a.d": 2,
        "c": [2],
    }


def test_shared_batch_statistics_need_gpus(config) -> None:
    import torch

    settings = OmegaConf.to_container(config().trainer)
    settings = OmegaConf.create({**settings, "sync_batch_norm": True, "precision": "fp32"})
    cpu = torch.device("cpu")
    check_batch_norm(settings, cpu)  # one process: nothing to do
    settings.devices = 2
    with pytest.raises(UserError, match=r"trainer\.sync_batch_norm needs GPUs"):
        check_batch_norm(settings, cpu)
    check_batch_norm(settings, torch.device("cuda", 0))


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(beside).failed == 0
