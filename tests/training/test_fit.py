"""A whole training: what it writes, what stops it, and what it says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

import wavestack
from wavestack.errors import UserError
from wavestack.training import train
from wavestack.training.checkpoint import CheckpointFolder


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_run_folder_is_complete(tmp_path, tiny_config, capsys):
    summary = train(
        tiny_config(sample_count=2, sample_seconds=0.02, sample_every_steps=4), tmp_path
    )
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert summary["steps"] == 6
    assert summary["receptive_field_samples"] == 16
    assert summary["stopped_by"] is None
    for name in ("config.yaml", "model.safetensors", "receptive_field.html", "report.html"):
        assert (tmp_path / name).stat().st_size > 100, name
    assert list((tmp_path / "tensorboard").glob("events*"))
    sounds = sorted(path.name for path in (tmp_path / "samples").glob("*.wav"))
    assert [name[:14] for name in sounds if name[:4] == "step"] == [
        "step00000004_0",
        "step00000004_1",
        "step00000006_0",
        "step00000006_1",
    ]
    assert [name[:6] for name in sounds if name[:4] == "real"] == ["real_0", "real_1"]
    assert all((tmp_path / "samples" / name).with_suffix(".png").is_file() for name in sounds)
    out = capsys.readouterr().out
    assert "bits/sample" in out
    assert "samples/s" in out
    assert "6 of 6 steps in" in out
    # Nothing of Lightning's own: no tips, no tables, no advice.
    assert "rank" not in out.lower()
    assert "lightning" not in out.lower()


def test_a_context_that_is_left_open_is_all_that_the_model_sees(tmp_path, tiny_config):
    for samples in (None, 15):  # the receptive field is 16
        train(tiny_config(data__context_samples=samples), tmp_path / str(samples))
    losses = [
        [row["train/bits_per_sample"] for row in rows(tmp_path / name)] for name in ("None", "15")
    ]
    assert losses[0] == losses[1]
    cfg = tiny_config(data__context_samples=None, data__eval_batch_samples=10)
    with pytest.raises(UserError, match=r"eval_batch_samples must be at least 16.*got 10"):
        train(cfg, tmp_path / "small")


def test_loaded_model_is_the_averaged_one(tmp_path, tiny_config):
    train(tiny_config(), tmp_path)
    model = wavestack.load(tmp_path)
    assert not model.training
    checkpoint = torch.load(tmp_path / "checkpoints" / "step00000006.ckpt", weights_only=True)
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.detach(), checkpoint["average"][name], rtol=0, atol=0)
        assert not torch.equal(value, checkpoint["model"][name])
    # A run without its export is loaded from its newest checkpoint.
    (tmp_path / "model.safetensors").unlink()
    for name, value in wavestack.load(tmp_path).named_parameters():
        torch.testing.assert_close(value.detach(), checkpoint["average"][name], rtol=0, atol=0)


def test_shared_weights_do_not_tell_where_the_data_were(tmp_path, tiny_config):
    from wavestack.export.safetensors import read

    train(tiny_config(max_steps=1, data__root="/home/somebody/secret"), tmp_path)
    assert "somebody" not in str(read(tmp_path / "model.safetensors")[1])


def test_a_trained_model_needs_no_more_what_it_started_from(tmp_path):
    from wavestack.config import compose
    from wavestack.export.safetensors import read
    from wavestack.models.backbones import make_backbone

    start = tmp_path / "start.pt"
    torch.save(make_backbone("resnet18", base_channels=2).state_dict(), start)
    parts = ["model=fcn", "data=shapes", "task=segmentation", "debug=smoke"]
    slim = [
        "model.backbone=resnet18",
        "model.base_channels=2",
        "model.num_classes=${data.source.num_classes}",
    ]
    cfg = compose("train", [*parts, *slim, f"model.weights={start}"])
    train(cfg, tmp_path / "run")
    start.unlink()
    assert wavestack.load(tmp_path / "run").num_classes == cfg.model.num_classes
    assert str(start) not in str(read(tmp_path / "run" / "model.safetensors")[1])


def test_clipping_bounds_the_step_that_is_made(tmp_path, tiny_config):
    # Under plain gradient descent the step is lr x gradient: its length shows the clipping.
    sgd = {"optimizer___target_": "torch.optim.SGD", "optimizer__lr": 1.0, "max_steps": 1}

    def step_length(clip: float | None, name: str) -> float:
        cfg = tiny_config(**sgd, scheduler=None, gradient_clip_norm=clip, ema_decay=None)
        cfg.scheduler = None
        train(cfg, tmp_path / name)
        start = tiny_weights(cfg)
        end = wavestack.load(tmp_path / name).state_dict()
        return float(sum((end[k] - start[k]).double().square().sum() for k in end).sqrt())

    whole = step_length(None, "whole")
    assert whole > 0.02
    assert step_length(0.01, "clipped") == pytest.approx(0.01, rel=1e-3)
    # What is logged is the norm before clipping.
    assert float(rows(tmp_path / "clipped")[0]["gradient_norm"]) == pytest.approx(whole, rel=1e-3)


def tiny_weights(cfg) -> dict[str, torch.Tensor]:
    from wavestack.safety import instantiate

    torch.manual_seed(cfg.seed)
    return instantiate(cfg.model).state_dict()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(tmp_path, tiny_config):
    # The learning rate explodes; the weights overflow after a few steps.
    cfg = tiny_config(
        max_steps=50, optimizer__lr=1e36, gradient_clip_norm=None, val_every_steps=100
    )
    cfg.scheduler = None
    cfg.optimizer._target_ = "torch.optim.SGD"
    with pytest.raises(UserError, match=r"the loss was not finite by step \d+") as caught:
        train(cfg, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["stopped_by"] == "nonfinite"
    assert (tmp_path / "report.html").is_file()
    assert not (tmp_path / "model.safetensors").exists()
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        assert path.name in str(caught.value) or len(list(path.parent.glob("*.ckpt"))) > 1
        weights = torch.load(path, weights_only=True)["model"]
        assert all(torch.isfinite(value).all() for value in weights.values())


def test_weights_that_overflow_are_never_saved(tmp_path, tiny_config):
    # One update beyond the largest float, from a loss and gradients that were finite.
    cfg = tiny_config(max_steps=3, checkpoint_every_steps=1, val_every_steps=None)
    cfg.scheduler = None
    cfg.optimizer = {"_target_": "torch.optim.SGD", "_partial_": True}
    cfg.optimizer.update(lr=1e30, weight_decay=1e30)
    with pytest.raises(UserError, match="the loss was not finite by step 1; no checkpoint"):
        train(cfg, tmp_path)
    assert not list(tmp_path.glob("checkpoints/*.ckpt"))


def test_patience_stops_and_exports_the_best(tmp_path, tiny_config, capsys):
    # Without learning, no validation improves on the first.
    cfg = tiny_config(max_steps=50, val_every_steps=2, patience=2, optimizer__lr=0.0)
    summary = train(cfg, tmp_path)
    assert summary["stopped_by"] == "patience"
    assert summary["steps"] == 6
    assert json.loads((tmp_path / "checkpoints" / "best.json").read_text())["step"] == 2
    assert "stopped by trainer.patience=2" in capsys.readouterr().out


def test_budget_stops_and_says_so_while_the_schedule_follows_max_steps(
    tmp_path, tiny_config, capsys
):
    cfg = tiny_config(**BUDGET)
    summary = train(cfg, tmp_path)
    assert summary["stopped_by"] == "budget"
    assert 0 < summary["steps"] < 100000
    assert summary["core_seconds"] >= 0.3
    out = capsys.readouterr().out
    assert f"{summary['steps']:,} of 100,000 steps" in out
    assert "stopped by trainer.max_core_seconds=0.3 before its schedule ended" in out
    # Still at the very beginning of the climb from 4 % of the peak rate of 0.01.
    state = CheckpointFolder(tmp_path / "checkpoints").load_latest()[1]
    assert state["optimizer"]["groups"][0]["lr"] == pytest.approx(0.0004, rel=0.01)
    # A budget that is used up stays used up, also for a resumed run.
    again = train(tiny_config(**{**BUDGET, "resume": tmp_path}), tmp_path)
    assert again["core_seconds"] >= summary["core_seconds"]
    assert again["steps"] <= summary["steps"] + 1


BUDGET = {
    "max_steps": 100000,
    "max_core_seconds": 0.3,
    "val_every_steps": None,
    "log_every_steps": 1000,
}


def test_bfloat16_trains(tmp_path, tiny_config):
    exact = train(tiny_config(), tmp_path / "fp32")
    rounded = train(tiny_config(precision="bf16"), tmp_path / "bf16")
    name = "train/bits_per_sample"
    assert rounded[name] != exact[name]
    assert rounded[name] == pytest.approx(exact[name], rel=0.01)


@pytest.mark.slow
def test_compiled_model_gives_the_same_losses(tmp_path, tiny_config):
    exact = train(tiny_config(max_steps=3), tmp_path / "eager")
    compiled = train(tiny_config(max_steps=3, compile=True), tmp_path / "compiled")
    name = "train/bits_per_sample"
    assert compiled[name] == pytest.approx(exact[name], rel=1e-5)
    assert (
        wavestack.load(tmp_path / "compiled").state_dict().keys()
        == tiny_weights(tiny_config()).keys()
    )


@pytest.mark.parametrize("output", ["logistic_mixture", "gaussian"])
def test_continuous_outputs_and_mel_features_train(tmp_path, tiny_config, output):
    cfg = tiny_config(
        max_steps=2,
        sample_count=1,
        sample_seconds=0.02,
        model__output=output,
        model__num_labels=[],
        model__condition_channels=8,
        model__hop_length=64,
        data__mel={
            "_target_": "wavestack.signal.LogMel",
            "sample_rate": 8000,
            "n_fft": 256,
            "hop_length": 64,
            "n_mels": 8,
        },
    )
    summary = train(cfg, tmp_path)
    assert summary["steps"] == 2
    assert len(list((tmp_path / "samples").glob("step*.wav"))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "fp16"}, "trainer.precision=fp16 needs a GPU"),
        (
            {"model__num_labels": [5]},
            r"model.num_labels is \[5\], but the data's labels have \[6\]",
        ),
        (
            {"task___target_": "wavestack.tasks.ClassificationTask"},
            r"task is a ClassificationTask, but the data \(AudioData\) are made for Autoregressive",
        ),
        ({"model__condition_channels": 8, "model__hop_length": 64}, "the data give no features"),
        ({"gradient_clip_norm": -1.0}, r"trainer\.gradient_clip_norm must be > 0, got -1\.0"),
        ({"log_every_steps": 0}, r"trainer\.log_every_steps must be >= 1, got 0"),
        ({"sample_count": -1}, r"trainer\.sample_count must be >= 0, got -1"),
        ({"ema_decay": 1.5}, r"trainer\.ema_decay must be in \[0, 1\), got 1\.5"),
    ],
)
def test_mistakes_are_plain_errors(tmp_path, tiny_config, changes, message):
    with pytest.raises(UserError, match=message):
        train(tiny_config(**changes), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_a_plain_error(tmp_path, tiny_config):
    with pytest.raises(UserError, match="device=cuda: torch sees no CUDA device"):
        train(tiny_config(device="cuda"), tmp_path)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_trains_on_a_gpu(tmp_path, tiny_config, precision):
    summary = train(tiny_config(device="cuda", precision=precision), tmp_path)
    assert summary["steps"] == 6


def test_an_interrupt_says_how_to_continue(tmp_path, tiny_config, capsys, monkeypatch):
    from wavestack.training.callbacks.limits import CoreSecondLimit

    def press_ctrl_c(self, trainer, *_) -> None:
        if self.run.step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(CoreSecondLimit, "on_train_batch_end", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config(), tmp_path)
    out = capsys.readouterr().out
    assert "interrupted at step 3 (the newest checkpoint is of step 3)" in out
    assert f"continue with resume={tmp_path}" in out
    monkeypatch.undo()
    assert train(tiny_config(resume=tmp_path), tmp_path)["steps"] == 6


def test_a_sample_without_end_is_refused(tmp_path, tiny_config):
    with pytest.raises(UserError, match=r"trainer\.sample_seconds must be finite, got inf"):
        train(tiny_config(sample_seconds=float("inf")), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer__lr": -1.0}, "optimizer: Invalid learning rate"),
        ({"scheduler__rise_fraction": 2.0}, "scheduler: rise_fraction must be in"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
    ],
)
def test_numbers_that_make_no_sense_are_named(tmp_path, tiny_config, change, message):
    cfg = tiny_config()
    for key, value in change.items():
        OmegaConf.update(cfg, key.replace("__", "."), value, force_add=True)
    with pytest.raises(UserError, match=message):
        train(cfg, tmp_path)
