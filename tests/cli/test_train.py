"""`wavestack train`: its overrides, continued runs, and every recipe as a smoke test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import wavestack
from wavestack.cli import main, run
from wavestack.commands.train import prepare, resumed_config
from wavestack.config import read_run_config, recipe_folder
from wavestack.errors import UserError

RECIPES = sorted(file.stem for file in recipe_folder().glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_runs_its_smoke_test(recipe: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"recipe={recipe}", "debug=smoke", "trainer.sample_count=0"]
    assert run(["train", *words, "hydra.run.dir=run"]) == 0
    assert {"config.yaml", "model.safetensors", "metrics.csv"} <= {
        file.name for file in (tmp_path / "run").iterdir()
    }
    assert not wavestack.load(tmp_path / "run").training
    assert read_run_config(tmp_path / "run").name == recipe


def test_a_smoke_test_may_sweep(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["recipe=adding", "debug=smoke", "model.channels=4,6", "hydra.sweep.dir=runs"]
    assert run(["train", *words, "--multirun"]) == 0
    runs = [read_run_config(tmp_path / "runs" / job) for job in "01"]
    assert [cfg.model.channels for cfg in runs] == [4, 6]
    assert [cfg.data.batch_size for cfg in runs] == [2, 2]


def test_run_folder_is_named_by_recipe_and_time(tmp_path: Path, monkeypatch) -> None:
    seen: list[Path] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wavestack.training.train", lambda cfg, folder: seen.append(folder))
    run(["train", "recipe=quickstart", "debug=smoke"])
    run(["train", "model=wavenet", "trainer.max_steps=1"])
    assert [folder.parent for folder in seen] == [
        tmp_path / "runs" / "quickstart",
        tmp_path / "runs" / "unnamed",
    ]


def test_resume_keeps_the_folder_and_hydras_files(run_folder: Path) -> None:
    words = prepare([f"resume={run_folder}"])
    assert f"hydra.run.dir='{run_folder.resolve()}'" in words
    assert "hydra.output_subdir=null" in words
    assert prepare(["recipe=quickstart"]) == ["recipe=quickstart"]


def test_resume_takes_the_config_of_the_folder(run_folder: Path, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "copy with spaces"
    shutil.copytree(run_folder, folder)
    seen: list[object] = []
    monkeypatch.setattr("wavestack.training.train", lambda cfg, where: seen.append((cfg, where)))
    before = sorted(folder.iterdir())
    run(["train", f"resume='{folder}'", "trainer.max_steps=9", "trainer.num_threads=2"])
    ((cfg, where),) = seen
    assert where == folder
    saved = read_run_config(folder)
    assert (cfg.trainer.max_steps, cfg.trainer.num_threads) == (9, 2)
    assert cfg.resume == str(folder)
    assert cfg.model == saved.model
    assert cfg.data == saved.data
    assert [f for f in sorted(folder.iterdir()) if f.name != "train.log"] == before


@pytest.mark.parametrize(
    "word",
    ["seed=1", "model.num_layers=5", "optimizer.lr=1", "recipe=fsdd_wavenet", "data.batch_size=9"],
)
def test_resume_refuses_what_would_change_the_training(run_folder: Path, word: str) -> None:
    with pytest.raises(UserError, match=r"a continued run keeps its config"):
        resumed_config(run_folder, [f"resume={run_folder}", word])


def test_resume_allows_what_is_the_same_anyway(run_folder: Path) -> None:
    cfg = resumed_config(run_folder, ["seed=0", "model.num_layers=3"])
    assert OmegaConf.to_container(cfg.model) == OmegaConf.to_container(
        read_run_config(run_folder).model
    )


def test_a_continued_run_stretches_its_schedule(run_folder: Path) -> None:
    cfg = resumed_config(run_folder, ["trainer.max_steps=9"])
    assert cfg.scheduler.max_steps == 9
    assert resumed_config(run_folder, ["trainer.num_threads=2"]).scheduler.max_steps == 2


@pytest.mark.parametrize("flag", ["", "+"])
def test_a_continued_run_finds_recordings_that_moved(
    vocoder_folder: Path, tmp_path: Path, monkeypatch, flag: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(vocoder_folder, folder)
    saved = OmegaConf.load(folder / "config.yaml")
    saved.data.root = "old"
    saved.data.source = {"_target_": "wavestack.data.LJSpeech", "root": "old"}
    OmegaConf.save(saved, folder / "config.yaml")
    seen: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wavestack.training.train", lambda cfg, where: seen.append(cfg))
    assert run(["train", f"resume='{folder}'", f"{flag}data.root=new"]) == 0
    (cfg,) = seen
    assert cfg.data.root == cfg.data.source.root == str(tmp_path / "new")


def test_the_place_of_the_recordings_does_not_hang_on_the_working_folder(
    tmp_path: Path, monkeypatch
) -> None:
    seen: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wavestack.training.train", lambda cfg, where: seen.append(cfg))
    run(["train", "recipe=fsdd_wavenet", "data.root=recordings"])
    (cfg,) = seen
    assert cfg.data.root == cfg.data.source.root == str(tmp_path / "recordings")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], True),
        (["model.channels=8", "data.batch_size=4"], True),
        (["data.length=200"], False),
        (["data=synthetic"], False),
        (["data=copy_memory"], True),
        (["data.length=200", "++task.published.me=1.0"], True),
        (["debug=smoke"], False),
    ],
)
def test_published_figures_are_shown_for_the_data_they_are_of(
    words: list[str], shown: bool, tmp_path: Path, monkeypatch
) -> None:
    seen: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wavestack.training.train", lambda cfg, where: seen.append(cfg))
    run(["train", "recipe=adding", *words])
    (cfg,) = seen
    assert bool(cfg.task.get("published")) == shown


def test_a_mistake_found_in_a_loader_process_is_a_plain_line(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    # As a user's own data, which name no tasks.
    monkeypatch.setattr("wavestack.data.CopyMemory.tasks", ())
    words = ["recipe=copy_memory", "task=adding", "debug=smoke", "data.num_workers=1"]
    with pytest.raises(SystemExit) as caught:
        main(["train", *words])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "wavestack: task asks for batches with 'target', but those of data hold tokens, targets, "
        "mask"
    )
