"""README.md and recipes/README.md: their code runs, their commands parse, their tables are true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from wavestack.command_line.words import parse
from wavestack.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.is_file(), reason="the README is not in this install")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("code", blocks("python") if README.is_file() else [])
def test_python_examples_print_what_their_comments_say(
    code: str, capsys: pytest.CaptureFixture
) -> None:
    short = code.replace("16_000, batch_size", "200, batch_size")  # a second of four voices
    exec(short, {})
    for printed in capsys.readouterr().out.split():
        assert f"# {printed}" in code


def test_every_wavestack_command_is_one() -> None:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    commands = [line.partition(" #")[0] for line in lines if line.startswith("wavestack ")]
    assert len(commands) >= 7
    for line in commands:
        _, command, *words = shlex.split(line)
        assert command in COMMANDS, line
        assert parse(command, words).overrides == words, line


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^make ([a-z-]+)", "\n".join(blocks("console")), re.MULTILINE)
    assert {"quickstart", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_and_pictures_lead_somewhere() -> None:
    for page in (README, ROOT / "recipes" / "README.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_tables_are_what_the_committed_results_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import tables

    for page in tables.PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert tables.with_tables(text) == text, f"{page}: run python -m bench.tables"
