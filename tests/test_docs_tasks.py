"""Pages of docs/ on one task each: their code runs, their commands compose."""

from __future__ import annotations

import re
import shlex
from inspect import signature
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from wavestack.commands import COMMANDS
from wavestack.config import compose
from wavestack.data import ESC10, FSDD

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("classification.md", "forecasting.md", "super_resolution.md")

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the docs are not in this install")


def text(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_give_the_shapes_that_they_state(page: str) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", text(page), re.DOTALL)
    *setup, last = code.strip().splitlines()
    expression, _, comment = last.partition("#")
    names: dict = {}
    exec("\n".join(setup), names)
    stated = re.search(r"\(([\d, ]+)\)", comment)
    assert stated is not None
    assert tuple(eval(expression, names)) == tuple(int(size) for size in stated[1].split(","))


@pytest.mark.parametrize("page", PAGES)
def test_commands_compose(page: str) -> None:
    blocks = re.findall(r"```\n(.*?)```", text(page), re.DOTALL)
    inline = re.findall(r"`(wavestack [^`]+)`", text(page))
    lines = [*"".join(blocks).splitlines(), *inline]
    assert len(lines) >= 3
    for line in lines:
        program, command, *words = shlex.split(line.replace("=K", "=7"))
        assert program == "wavestack"
        assert command in COMMANDS
        cfg = compose(command, words)
        if command == "train":
            assert OmegaConf.select(cfg, "model._target_").startswith("wavestack.models.")


def test_keys_of_a_source_that_the_page_names_exist() -> None:
    known = {name for source in (FSDD, ESC10) for name in signature(source).parameters}
    named = set(re.findall(r"`data\.source\.(\w+)=", text("classification.md")))
    assert {"holdout", "fold"} <= named <= known
