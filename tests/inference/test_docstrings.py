"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import wavestack.inference

NAMES = [
    module.name
    for module in pkgutil.walk_packages(wavestack.inference.__path__, "wavestack.inference.")
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_in_docstrings(name):
    if ".engines.kernels." in name:
        pytest.importorskip("triton", reason="Triton is not installed")
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
