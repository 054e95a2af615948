"""docs/backbones.md: what its code states is what it gives, every backbone has its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wavestack.models.backbones import BACKBONES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "backbones.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not in this install")


def test_the_example_gives_what_it_states() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict = {}
    stated = 0
    for line in code.strip().splitlines():
        expression, _, comment = line.partition("#")
        if comment.strip().startswith("("):
            assert tuple(eval(expression, names)) == eval(comment)
            stated += 1
        else:
            exec(line, names)
    assert stated == 3


def test_every_backbone_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [name for name in rows if name in BACKBONES] == list(BACKBONES)
