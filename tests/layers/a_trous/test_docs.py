"""docs/densify.md: its code runs and gives the shapes and numbers in its comments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("torchvision")

PAGE = Path(__file__).resolve().parents[3] / "docs" / "densify.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install")


def test_the_page_holds(capsys):
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    with torch.no_grad():
        for block in blocks:
            exec(block, names)
            for expression, shape in re.findall(r"^(\S.*)\.shape +# (\([\d, ]+\))", block, re.M):
                assert str(tuple(eval(expression, names).shape)) == shape
    assert len(blocks) == 6
    assert "cannot densify 'features.4.block.2.avgpool': " in capsys.readouterr().out


def test_the_fields_of_the_page():
    page = PAGE.read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    with torch.no_grad():
        for block in blocks[:2]:
            exec(block, names)
        *imports, expression = blocks[2].strip().splitlines()
        exec("\n".join(imports), names)
        strided, dense = eval(expression, names)
    size, *jumps = map(int, re.findall(r"\d+", expression.split("#")[1]))
    assert (strided.size, dense.size) == (size, size)
    assert (strided.jump, dense.jump) == tuple(jumps)
