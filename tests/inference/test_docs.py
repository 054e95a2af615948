"""docs/streaming.md: its code runs and its commands parse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from wavestack.command_line.words import parse
from wavestack.commands import COMMANDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "streaming.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_python_example_holds_what_it_claims():
    (code,) = blocks("python")
    exec(code, {})


def test_every_wavestack_command_is_one():
    text = "\n".join(blocks("console"))
    lines = re.findall(r"(?:^|\| )wavestack (.*?)(?: \\)?$", text, re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        command, *words = shlex.split(line)
        assert command in COMMANDS
        assert parse(command, words).overrides == words
