"""What the compiled engines keep on the disk is a help, never a condition."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba")

import numba

from wavestack.inference.engines.vector import cache


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of compiled code for this test alone."""
    monkeypatch.setenv("WAVESTACK_CACHE", str(tmp_path))
    cache.cache_folder.cache_clear()
    found = cache.cache_folder()
    assert found is not None
    yield found
    cache.cache_folder.cache_clear()


def twice(x):
    return 2 * x


def compiled() -> Any:
    """As a new process would have it: nothing in memory."""
    return cache.keep(numba.njit(twice))


def hits(function: Any) -> int:
    return sum(function.stats.cache_hits.values())


def test_code_is_compiled_once(folder: Path) -> None:
    first, second = compiled(), compiled()
    assert not cache.is_kept(first)
    assert (first(3), hits(first)) == (6, 0)
    assert cache.is_kept(first)
    assert (second(4), hits(second)) == (8, 1)


@pytest.mark.parametrize("suffix", ["nbc", "nbi"])
@pytest.mark.parametrize("content", [b"", b"garbage\n", None])
def test_a_spoilt_file_is_made_anew(folder: Path, suffix: str, content: bytes | None, caplog):
    compiled()(3)
    (file,) = folder.glob(f"*.{suffix}")
    file.write_bytes(file.read_bytes()[:60] if content is None else content)
    with caplog.at_level(logging.WARNING):
        function = compiled()
        assert (function(3), hits(function)) == (6, 0)
    assert "compiled anew" in caplog.text
    again = compiled()
    assert (again(3), hits(again)) == (6, 1)


def test_a_full_disk_costs_the_cache_alone(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    function = compiled()
    monkeypatch.setattr(cache.FunctionCache, "_save_overload", fail)
    with caplog.at_level(logging.WARNING):
        assert function(3) == 6
    assert "cannot be kept: [Errno 28] No space left" in caplog.text
