"""docs/segmentation.md: its code gives what it states, its table counts what is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

import wavestack.models
from wavestack.command_line.words import parse
from wavestack.commands import COMMANDS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "segmentation.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not in this install")


@pytest.mark.slow
def test_examples_give_the_numbers_in_their_comments() -> None:
    names: dict = {}
    stated = 0
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(block, names)
        for line in block.splitlines():
            expression, _, comment = line.partition("#")
            name, _, value = expression.rpartition(" = ")
            number = re.match(r" (\d+|True|\([\d, ]+\))", comment)
            if number:
                found = eval(name if name else value, names)
                found = tuple(found.shape) if isinstance(found, torch.Tensor) else found
                assert found == eval(number[1]), line
                stated += 1
    assert stated == 7


def test_parameters_of_the_table_are_those_of_the_classes() -> None:
    page = PAGE.read_text("utf-8")
    rows = re.findall(r"^\|.*\| `(\w+\([^`]+\))`.*\| ([\d.]+) M \|$", page, re.MULTILINE)
    assert len(rows) == 7
    for call, millions in rows:
        with torch.device("meta"):
            model = eval(call, vars(wavestack.models))
        assert f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}" == millions, call


def test_every_command_of_the_page_is_one() -> None:
    page = PAGE.read_text("utf-8")
    blocks = "\n".join(part for part in page.split("```")[1::2] if part.startswith("\n"))
    lines = re.findall(r"^wavestack .*$", blocks, re.MULTILINE)
    lines += re.findall(r"`(wavestack [^`]+)`", page)
    assert len(lines) == 7
    for line in lines:
        _, command, *words = shlex.split(line)
        assert command in COMMANDS
        assert parse(command, words).overrides == words
