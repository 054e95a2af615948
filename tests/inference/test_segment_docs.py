"""docs/segment.md: its code runs and its commands parse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from wavestack.command_line.words import parse
from wavestack.commands import COMMANDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "segment.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install")


def test_the_example_holds_what_it_claims() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(code, {})


def test_every_command_is_one() -> None:
    lines = re.findall(r"^\$ wavestack (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        command, *words = shlex.split(line)
        assert command in COMMANDS
        assert parse(command, words).overrides == words
