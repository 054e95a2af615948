"""Tab completion, asked as the shell asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from wavestack.cli import run


def complete(line: str, monkeypatch: pytest.MonkeyPatch, capsys) -> list[str]:
    monkeypatch.setenv("COMP_LINE", line)
    assert run(["-sc", "query=bash"]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("wavestack ", "train"),
        ("wavestack ge", "generate"),
        ("/usr/bin/wavestack ge", "generate"),
        ("wavestack train re", "recipe="),
        ("wavestack train re", "resume="),
        ("wavestack train recipe=", "recipe=quickstart"),
        ("wavestack train recipe=quick", "recipe=quickstart"),
        ("wavestack train recipe=quickstart trainer.max_st", "trainer.max_steps="),
        ("wavestack train recipe=quickstart model.kern", "model.kernel_size="),
        ("wavestack train recipe=quickstart optimizer=", "optimizer=adamw"),
        ("wavestack train -m recipe=quickstart deb", "debug="),
        ("wavestack generate sec", "seconds="),
    ],
)
def test_word_is_completed(line: str, expected: str, monkeypatch, capsys) -> None:
    assert expected in complete(line, monkeypatch, capsys)


def test_nothing_is_offered_after_an_unknown_command(monkeypatch, capsys) -> None:
    assert complete("wavestack trian re", monkeypatch, capsys) == []


def test_users_own_recipes_are_completed(monkeypatch, capsys, tmp_path: Path) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "my_own.yaml").write_text("seed: 1\n")
    for flag in (f"--config-dir {tmp_path}", f"--config-dir={tmp_path}", f"-cd {tmp_path}"):
        found = complete(f"wavestack train {flag} recipe=my", monkeypatch, capsys)
        assert found == ["recipe=my_own"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("words", [["-sc"], ["train", "-sc"]])
def test_script_to_install_names_the_program(shell: str, words, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/wavestack"])
    assert run([*words, f"install={shell}"]) == 0
    text = capsys.readouterr().out
    assert "wavestack" in text
    assert "-sc query=" in text
