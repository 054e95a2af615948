"""docs/receptive_field.md: its code runs, its commands parse, its table is the figures'."""

from __future__ import annotations

import json
import re
import shlex
from fractions import Fraction
from pathlib import Path

import pytest

from wavestack.command_line.words import parse
from wavestack.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "receptive_field.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install")


def blocks(language: str) -> list[str]:
    """The content of the fenced blocks of one language."""
    fenced = PAGE.read_text("utf-8").split("```")[1::2]
    heads = [block.partition("\n") for block in fenced]
    return [content for head, _, content in heads if head == language]


def test_python_example_gives_the_numbers_in_its_comments(tmp_path, monkeypatch):
    pytest.importorskip("torchvision")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    names: dict = {}
    exec(code.replace("report.verify()", "report.verify"), names)
    axis = names["report"].axes["H"]
    assert (axis.size, axis.jump, axis.start) == (427, Fraction(32), -213)
    assert "# 427" in code
    assert "# -213" in code
    assert names["report"].depends_on((3, 3))["H"].tolist() == list(range(224))
    assert (tmp_path / "resnet50.html").is_file()


def test_every_command_of_the_page_is_one():
    lines = [line for block in blocks("") for line in block.splitlines() if line]
    assert len(lines) >= 7
    for line in lines:
        program, command, *words = shlex.split(line)
        assert program == "wavestack"
        assert command in COMMANDS
        assert parse(command, words).overrides == words


def test_table_is_the_one_of_the_committed_figures():
    figures = json.loads(
        (ROOT / "bench" / "results" / "receptive_field_literature.json").read_text("utf-8")
    )["figures"]
    _, _, rest = PAGE.read_text("utf-8").partition("<!-- literature: begin -->\n")
    rows = [line.split("|")[1:-1] for line in rest.splitlines()[2:] if line.startswith("|")]
    assert [int(row[1].strip().replace(",", "")) for row in rows] == list(figures.values())
    for row in rows:
        stated = row[6].strip()
        assert not stated or stated == row[1].strip(), row[0]


def test_pictures_of_the_page_exist():
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / name).is_file(), name
