"""docs/atrous.md: its code gives the values in its comments, its pictures are there and drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wavestack.commands import COMMANDS
from wavestack.config import compose
from wavestack.explain import DRAWINGS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "atrous.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not in this install")


def test_values_in_comments_are_what_the_code_gives() -> None:
    names: dict = {}
    checked = 0
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        pending = ""
        for line in code.splitlines():
            expression, mark, comment = line.partition("  # ")
            if not mark:
                pending += line + "\n"
                continue
            exec(pending, names)
            pending = ""
            assert str(eval(expression, names)) == comment, line
            checked += 1
        exec(pending, names)
    assert checked >= 15


def test_pictures_are_the_drawings_in_their_order() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((images/[^)]+)\)", PAGE.read_text("utf-8"))
    assert shown == [f"images/atrous_{name}.png" for name in DRAWINGS]
    assert all((PAGE.parent / path).is_file() for path in shown)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / target).exists(), target


def test_commands_compose() -> None:
    lines = re.findall(r"^wavestack .+$|`(wavestack [^`]+)`", PAGE.read_text("utf-8"), re.MULTILINE)
    lines += re.findall(r"^(wavestack .+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    commands = [line.split() for line in lines if line]
    assert {command for _, command, *_ in commands} == {"explain", "design"}
    for _, command, *words in commands:
        assert command in COMMANDS
        compose(command, words)
