"""docs/tcn.md: its code runs and gives the numbers in its comments."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from wavestack.command_line.words import parse
from wavestack.commands import COMMANDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tcn.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install")


def test_examples_give_the_numbers_in_their_comments():
    page = PAGE.read_text("utf-8")
    names: dict = {}
    first, field, rows, stream, truncated = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(first, names)
    assert names["y"].shape == (8, 88, 200)
    exec(field, names)
    assert names["report"].axes["T"].size == int(re.search(r"# (\d+)\n", field)[1])
    assert names["report"].is_causal
    exec(rows, names)
    for row, length in enumerate(names["lengths"]):
        assert names["y"][row, :, length:].eq(0).all()
    exec(stream, names)
    assert names["latency"] == int(re.search(r"# (\d+) samples", stream)[1])
    assert names["first"].shape[-1] == int(re.search(r"# (\d+) outputs", stream)[1])
    offline = names["model"](names["signal"]).detach()
    torch.testing.assert_close(names["joined"], offline, atol=1e-6, rtol=0)
    exec(truncated, names)
    assert names["loss"].isfinite()


def test_every_command_of_the_page_is_one():
    (line,) = re.findall(r"`(wavestack [^`]+)`", PAGE.read_text("utf-8"))
    _, command, *words = shlex.split(line)
    assert command in COMMANDS
    assert parse(command, words).overrides == words
