"""Recipes, folders of configs and run folders from a stranger, through the whole command line."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from wavestack.cli import run
from wavestack.errors import UserError
from wavestack.mistakes import plain_lines


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder; return the folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return folder


def refused(words: list[str]) -> str:
    """The plain message that ends a command line; a traceback or a success fails the test."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  (whatever it is, it must be plain)
        run(words)
    lines = plain_lines(caught.value, running=bool(getattr(caught.value, "__notes__", ())))
    assert lines is not None, repr(caught.value)
    return lines


GOOD = "# @package _global_\ndefaults: [/recipe/quickstart]\n"

# Every way found by which a file can reach into hydra's own keys, all as recipe=evil.
HOSTILE_RECIPES: dict[str, dict[str, str]] = {
    "callbacks": {
        "recipe/evil.yaml": """\
            # @package _global_
            hydra:
              callbacks:
                x: {_target_: builtins.open, file: written, mode: w}
            """
    },
    "package of the file": {
        "recipe/evil.yaml": """\
            # @package hydra.callbacks
            x: {_target_: builtins.open, file: written, mode: w}
            """
    },
    "package by its own name": {
        "recipe/evil.yaml": GOOD + "",
        "recipe/hydra.yaml": """\
            # @package _name_
            callbacks: {x: {_target_: builtins.open, file: written, mode: w}}
            """,
    },
    "package in a defaults list": {
        "recipe/evil.yaml": "# @package _global_\ndefaults: [/part@hydra.callbacks: x]\n",
        "part/x.yaml": "x: {_target_: builtins.open, file: written, mode: w}\n",
    },
    "a recipe behind the recipe": {
        "recipe/evil.yaml": "# @package _global_\ndefaults: [/recipe/second]\n",
        "recipe/second.yaml": "# @package _global_\nhydra: {callbacks: {x: {_target_: open}}}\n",
    },
    "logging factory": {
        "recipe/evil.yaml": """\
            # @package _global_
            hydra:
              job_logging:
                handlers:
                  x: {(): builtins.open, file: written, mode: w}
            """
    },
    "logging to a file": {
        "recipe/evil.yaml": """\
            # @package _global_
            hydra:
              hydra_logging:
                handlers:
                  x: {class: logging.FileHandler, filename: written}
                root: {handlers: [x]}
            """
    },
    "launcher": {
        "recipe/evil.yaml": """\
            # @package _global_
            hydra: {launcher: {_target_: os.system, command: touch written}}
            """
    },
    "sweeper": {
        "recipe/evil.yaml": """\
            # @package _global_
            hydra: {sweeper: {_target_: builtins.open, file: written, mode: w}}
            """
    },
    "sweep over more recipes": {
        "recipe/evil.yaml": """\
            # @package _global_
            hydra: {sweeper: {params: {recipe: quickstart}}}
            """
    },
    "environment": {
        "recipe/evil.yaml": "# @package _global_\nhydra: {job: {env_set: {LD_PRELOAD: x.so}}}\n"
    },
    "folder of the run": {
        "recipe/evil.yaml": "# @package _global_\nhydra: {run: {dir: written}}\n"
    },
    "folder of hydra's files": {
        "recipe/evil.yaml": "# @package _global_\nhydra: {output_subdir: ../../written}\n"
    },
    "search path": {
        "recipe/evil.yaml": "# @package _global_\nhydra: {searchpath: ['pkg://antigravity']}\n"
    },
    "choice of hydra's groups": {
        "recipe/evil.yaml": "# @package _global_\ndefaults: [override /hydra/job_logging: none]\n"
    },
    "the whole node": {
        "recipe/evil.yaml": """\
            # @package _global_
            seed: 0
            model: {callbacks: {x: {_target_: builtins.open, file: written, mode: w}}}
            hydra: ${model}
            """
    },
    "name as a path": {"recipe/evil.yaml": GOOD + "name: ../../written\n"},
    "trust from a file": {"recipe/evil.yaml": GOOD + "trust: os\n"},
    "environment resolver": {"recipe/evil.yaml": GOOD + "seed: ${oc.env:HOME}\n"},
    "resolver by another name": {
        "recipe/evil.yaml": GOOD + "name: oc.env\nseed: '${${name}:HOME}'\n"
    },
    "python tag": {
        "recipe/evil.yaml": """\
            # @package _global_
            seed: !!python/object/apply:os.system [touch written]
            """
    },
    "hostile part": {
        "recipe/evil.yaml": GOOD + "optimizer: {_target_: os.system, command: touch written}\n"
    },
    "hostile source": {
        "recipe/evil.yaml": GOOD + "data: {source: {_target_: builtins.open, file: written}}\n"
    },
}


@pytest.mark.parametrize("name", HOSTILE_RECIPES)
def test_hostile_recipe_is_refused_before_anything_runs(
    name: str, untouched: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "stranger", HOSTILE_RECIPES[name])
    recipe = "hydra" if name == "package by its own name" else "evil"
    refused(["train", f"recipe={recipe}", "--config-dir", str(folder)])


@pytest.mark.parametrize("words", [["recipe=quickstart,evil"], ["recipe=glob(*)"]])
def test_hostile_recipe_in_a_sweep_is_refused_before_any_job(
    words: list[str], untouched: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "stranger", HOSTILE_RECIPES["logging factory"])
    with pytest.raises(UserError, match=r"hydra\.job_logging"):
        run(["train", "--multirun", *words, "--config-dir", str(folder)])


@pytest.mark.parametrize(
    "word",
    [
        "+hydra.callbacks.x._target_=builtins.open",
        "hydra.launcher._target_=os.system",
        "hydra.sweeper._target_=os.system",
        "+hydra.job_logging.handlers.x={'()':builtins.open,file:written,mode:w}",
        "+hydra.job_logging.handlers.x={class:logging.config.dictConfig}",
        "+hydra.job_logging.formatters.x={'()':os.system}",
        "+hydra.launcher.x={_target_:os.system}",
    ],
)
def test_hydra_constructs_nothing_from_the_command_line_either(word: str, untouched: Path) -> None:
    assert "hydra." in refused(["train", "recipe=quickstart", word])


@pytest.mark.parametrize(
    "file", ["train.yaml", "hydra/job_logging/default.yaml", "hydra/callbacks/x.yaml"]
)
def test_folder_of_configs_cannot_replace_a_commands_own(
    file: str, untouched: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "stranger", {file: "hydra: {}\n"})
    with pytest.raises(UserError, match="cannot replace this"):
        run(["train", "recipe=quickstart", "--config-dir", str(folder)])


@pytest.mark.parametrize(
    "words",
    [
        ["--config-path", "/"],
        ["-cp=/"],
        ["--config-name", "evil"],
        ["--experimental-rerun", "evil.pickle"],
    ],
)
def test_flags_that_replace_the_config_or_read_pickles_are_gone(
    words: list[str], untouched: Path
) -> None:
    with pytest.raises(UserError, match="no such flag"):
        run(["train", *words])


def test_target_of_a_command_comes_from_the_command_line_alone(
    untouched: Path, tmp_path: Path
) -> None:
    text = """\
        # @package _global_
        target: os.system
        arguments: {command: touch written}
        input: [1]
        """
    folder = write(tmp_path / "stranger", {"model/evil.yaml": text})
    # conf/rf.yaml merges its own (empty) target after any part.
    assert "must be given" in refused(["rf", "model=evil", "--config-dir", str(folder)])


@pytest.mark.parametrize("word", ["+hydra.sweeper.params.recipe=evil", "hydra.sweeper.params={}"])
def test_sweeper_params_bring_no_recipes(word: str, untouched: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "stranger", HOSTILE_RECIPES["callbacks"])
    with pytest.raises(UserError, match=r"hydra\.sweeper\.params"):
        run(["train", "--multirun", "recipe=quickstart", word, "--config-dir", str(folder)])


@pytest.mark.parametrize(
    "text",
    [
        "model: {_target_: os.system, command: touch written}\n",
        "model: {_target_: torch.nn.Identity, x: '${oc.env:HOME}'}\n",
        "model: !!python/object/apply:os.system [touch written]\n",
    ],
)
@pytest.mark.parametrize(
    "words", [["generate"], ["export"], ["stream", "input=x.wav"], ["evaluate"]], ids=lambda w: w[0]
)
def test_run_folder_of_a_stranger_runs_nothing(
    text: str, words: list[str], untouched: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "stranger", {"config.yaml": text})
    refused([*words, f"run={folder}"])


def test_resumed_config_of_a_stranger_runs_nothing(untouched: Path, tmp_path: Path) -> None:
    text = "hydra: {callbacks: {x: {_target_: builtins.open, file: written, mode: w}}}\n"
    folder = write(tmp_path / "stranger", {"config.yaml": text})
    refused(["train", f"resume={folder}"])
