"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import wavestack.explain


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(wavestack.explain.__path__)])
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(f"wavestack.explain.{name}"))
    assert result.failed == 0
