"""Configs: what composes, what is refused with its full name, and where recipes come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from wavestack.command_line.words import parse
from wavestack.commands import COMMANDS
from wavestack.config import compose, config_folder, read_run_config, recipe_folder
from wavestack.errors import UserError
from wavestack.mistakes import plain_lines
from wavestack.schemas import TrainerConfig

RECIPES = sorted(file.stem for file in recipe_folder().glob("*.yaml"))


def message(words: list[str], command: str = "train", config_dir: Path | None = None) -> str:
    """What a user reads when these words are refused."""
    with pytest.raises((UserError, HydraException, OmegaConfBaseException, YAMLError)) as caught:
        compose(command, words, config_dir)
    lines = plain_lines(caught.value)
    assert lines is not None
    assert len(lines.splitlines()) <= 2
    return lines


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_and_resolves(recipe: str) -> None:
    cfg = compose("train", [f"recipe={recipe}", "debug=smoke"])
    assert cfg.name == recipe
    assert cfg.trainer.max_steps == 2
    assert cfg.trainer.device == "cpu"
    assert cfg.data.batch_size == 2  # of the stand-in for the recipe's own data
    for key in ("data.root", "data.source.root"):
        assert OmegaConf.select(cfg, key) is None, key
    assert not OmegaConf.missing_keys(cfg)
    assert "${" not in OmegaConf.to_yaml(cfg)


@pytest.mark.parametrize(
    ("words", "sources"),
    [
        (["recipe=esc10"], {"people (Piczak 2015)"}),
        (["recipe=esc10", "data=labelled_folder"], None),
        (["recipe=camvid_hdc", "data=mask_folder"], None),
        (["model=wavenet"], None),
    ],
)
def test_figures_of_others_are_shown_on_their_own_data_alone(
    words: list[str], sources: set[str] | None
) -> None:
    published = compose("train", words).task.get("published")
    assert (None if published is None else set(published)) == sources


def test_published_figures_belong_to_data() -> None:
    data = {file.stem for file in (config_folder() / "data").glob("*.yaml")}
    published = {file.stem for file in (config_folder() / "published").glob("*.yaml")}
    assert published
    assert published <= data


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_opens_with_a_sentence_and_its_command(recipe: str) -> None:
    lines = (recipe_folder() / f"{recipe}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")
    assert any(f"wavestack train recipe={recipe}" in line for line in lines[:8])


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("rf", "design")])
def test_every_command_has_a_config_that_says_how_to_use_it(command: str) -> None:
    text = (config_folder() / f"{command}.yaml").read_text()
    assert text.startswith("#")


def test_command_line_wins_over_debug_over_recipe_over_defaults() -> None:
    assert compose("train", ["recipe=quickstart"]).trainer.max_steps > 2
    words = ["recipe=quickstart", "debug=smoke"]
    assert compose("train", words).trainer.max_steps == 2
    assert compose("train", [*words, "trainer.max_steps=3"]).trainer.max_steps == 3


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("trainer.max_stps=3", "trainer.max_stps: there is no such key; did you mean max_steps"),
        ("trainr.max_steps=3", "trainr: there is no such key; did you mean trainer?"),
        ("model.kernl_size=3", "model.kernl_size: there is no such key; did you mean kernel_size"),
        ("trainer.devices=two", "trainer.devices: Value 'two'"),
        ("trainer.compile=7.5", "trainer.compile: Value '7.5'"),
        ("seed=x", "seed: Value 'x'"),
        ("trainer.device=gpu", "trainer.device must be one of auto, cpu, cuda; got 'gpu'"),
        ("trainer.precision=fp8", "trainer.precision must be one of"),
        ("recipe=quikstart", "recipe=quikstart: there is no such recipe; did you mean quickstart"),
        ("model=wavnet", "model=wavnet: there is no such model; did you mean wavenet"),
        ("name=a/b", "name must be"),
        ("seed={", "seed={: not understood"),
        ("seed=1,2", "seed=1,2"),
        ("seed=${oc.env:HOME}", "${oc.env:...} is not allowed"),
        ("seed=${nothing.here}", "seed must be given: seed=VALUE; nothing.here, which it"),
        ("seed={a: é,", "text with other characters in quotes within quotes: 'key=\"text\"'"),
    ],
)
def test_mistake_is_named_with_its_full_key(word: str, expected: str) -> None:
    assert expected in message(["recipe=quickstart", word])


@pytest.mark.parametrize(
    ("command", "words", "expected"),
    [
        (
            "rf",
            ["model=forecaster"],
            "model.window and model.horizon must be given: model.window=VALUE model.horizon=VALUE; "
            "data.window and data.horizon, which they follow, are not there",
        ),
        (
            "train",
            ["recipe=adding", "model=wavenet"],
            "model.sample_rate must be given: model.sample_rate=VALUE; data.source.sample_rate, "
            "which it follows, is not there (another choice of model or data would do)",
        ),
    ],
)
def test_a_key_that_follows_nothing_is_named(command: str, words: list[str], expected: str) -> None:
    assert expected in message(words, command)


@pytest.mark.parametrize("value", ["日本", "a/naïve folder", "é b"])
def test_letters_beyond_ascii_need_no_quotes(value: str) -> None:
    line = parse("generate", [f"primer={value}", "run=x", 'out="ü"'])
    assert compose("generate", line.overrides).primer == value
    assert compose("generate", line.overrides).out == "ü"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trainer: {max_stps: 3}", "trainer.max_stps: there is no such key; did you mean"),
        ("trainer: {max_steps: many}", "trainer.max_steps: Value 'many'"),
        ("trainr: {max_steps: 3}", "trainr: there is no such key; did you mean trainer?"),
        ("defaults: [override /model: wavnet]", "model=wavnet: there is no such model"),
        ("seed: [1", "not valid YAML"),
    ],
)
def test_mistake_in_a_recipe_is_named_with_the_recipe(
    text: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    said = message(["recipe=mine"], config_dir=tmp_path)
    assert expected in said
    assert "mine" in said or "wavnet" in said


def test_users_own_recipes_and_parts_come_first(tmp_path: Path) -> None:
    for name, text in {
        "recipe/quickstart.yaml": "# @package _global_\nseed: 41\n",
        "optimizer/adamw.yaml": "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.5\n",
        "optimizer/mine.yaml": "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.25\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    words = ["recipe=quickstart", "model=wavenet", "trainer.max_steps=1"]
    cfg = compose("train", words, tmp_path)
    assert (cfg.seed, cfg.optimizer.lr) == (41, 0.5)
    assert compose("train", [*words, "optimizer=mine"], tmp_path).optimizer.lr == 0.25


def test_user_recipe_builds_on_ours_and_needs_no_package_line(tmp_path: Path) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "mine.yaml").write_text(
        "defaults: [quickstart, _self_]\nseed: 42\nmodel: {num_layers: 4}\n"
    )
    ours = compose("train", ["recipe=quickstart"])
    cfg = compose("train", ["recipe=mine"], tmp_path)
    assert (cfg.seed, cfg.model.num_layers, cfg.name) == (42, 4, "mine")
    assert cfg.model.residual_channels == ours.model.residual_channels


def test_smoke_test_keeps_the_form_of_a_recipes_data() -> None:
    full = compose("train", ["recipe=fsdd_wavenet", "data.root=/nowhere"])
    smoke = compose("train", ["recipe=fsdd_wavenet", "debug=smoke"])
    assert smoke.data.source.sample_rate == full.data.source.sample_rate
    assert smoke.data.source.label_sizes == full.model.num_labels
    assert smoke.data.batch_size <= 2


def test_composing_leaves_no_trace_in_the_process() -> None:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    before = BaseContainer._resolvers["oc.env"]
    settings = HydraConfig.instance().cfg
    compose("train", ["recipe=quickstart"])
    assert BaseContainer._resolvers["oc.env"] is before
    assert not GlobalHydra.instance().is_initialized()
    assert HydraConfig.instance().cfg is settings


def test_run_config_is_read_back_as_it_was(tmp_path: Path) -> None:
    cfg = compose("train", ["recipe=quickstart"])
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    assert read_run_config(tmp_path) == cfg
    assert OmegaConf.get_type(read_run_config(tmp_path).trainer) is TrainerConfig


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "model is missing"),
        ("just words", "config.yaml"),
        ("model: {_target_: os.system}", "_target_ os.system is not on the list"),
        ("trainer: {steps: 3}", "trainer.steps: there is no such key"),
        ("seed: !!python/object/apply:os.system [true]", "not valid YAML"),
        ("a: &a [*a]", "config.yaml"),
    ],
)
def test_run_config_of_a_stranger_is_checked(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml: ") as caught:
        read_run_config(tmp_path)
    assert expected in str(caught.value)


def test_folder_without_a_config_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run folder"):
        read_run_config(tmp_path)
