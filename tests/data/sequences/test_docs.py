"""docs/sequences.md: its code runs, its commands parse, its recipes exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from wavestack.command_line.words import parse
from wavestack.commands import COMMANDS
from wavestack.config import recipe_folder

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sequences.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_python_examples_run() -> None:
    music, data = blocks("python")
    names: dict[str, Any] = {"__name__": "docs"}
    exec(music, names)
    assert names["nats"].shape == (1, 39)
    assert names["longer"].shape == (1, 88, 56)
    exec(data, names)
    batch = names["batch"]
    assert batch["mask"].sum() == 16 * 56
    again = names["Echo"]().train_batches(seed=0)[1000]
    assert torch.equal(batch["tokens"], again["tokens"])


def test_commands_and_recipes_are_there() -> None:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert lines
    for line in lines:
        _, command, *words = shlex.split(line)
        assert command in COMMANDS, line
        assert parse(command, words).overrides == words, line
    known = {file.stem for file in recipe_folder().glob("*.yaml")}
    rows = re.findall(r"^\| (`.*?`) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named
    assert named <= known
