"""Help texts come from the config files and leave nothing out."""

from __future__ import annotations

from pathlib import Path

import pytest

from wavestack.cli import run
from wavestack.command_line.help import read_command
from wavestack.commands import COMMANDS


def test_overview_names_every_command_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    run([])
    lines = capsys.readouterr().out.splitlines()
    for name, summary in COMMANDS.items():
        assert any(line.split()[:1] == [name] and summary in line for line in lines)
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_its_keys(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([command, "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"wavestack {command}")
    assert "hydra:" not in text
    assert "_schema" not in text
    assert max(map(len, text.splitlines())) <= 110


def test_help_lists_recipes_and_the_users_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "my_own.yaml").write_text("seed: 1\n")
    run(["train", "--config-dir", str(tmp_path), "--help"])
    _, _, rest = capsys.readouterr().out.partition("  recipe: ")
    names, _, _ = rest.partition("\n  debug: ")  # the next group
    assert {"my_own", "quickstart"} <= set(names.replace(",", " ").split())


def test_config_file_is_taken_apart() -> None:
    lead, groups, keys = read_command(
        "# What it does.\n#   example\ndefaults:\n  - a_schema\n  - model: null\n"
        "  - optional debug: null\n  - override hydra/x: y\n  - _self_\n\n"
        "seed: 0 # of all\ndata:\n  root: null\n\nhydra:\n  run: {dir: .}\n"
    )
    assert lead == ["What it does.", "  example"]
    assert groups == ["model", "debug"]
    assert keys == ["seed: 0 # of all", "data:", "  root: null"]
