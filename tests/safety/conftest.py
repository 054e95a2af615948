"""A folder in which nothing may appear, whatever a hostile file asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder of a test; afterwards it must hold what it held before: nothing."""
    folder = tmp_path / "untouched"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == [], "a hostile config wrote a file"
