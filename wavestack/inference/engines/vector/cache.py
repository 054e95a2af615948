"""Where compiled code is kept from one process to the next.

The folder is the user's own, so it works for an installed package that nobody may write to. Its
name holds a digest of all that the machine code depends on beside the processor (which Numba
looks after): our source files, the versions of the compilers, and the set of instructions.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

from wavestack.inference.engines.vector.simd import instruction_set

logger = logging.getLogger(__name__)


@cache
def cache_folder() -> Path | None:
    """The folder of this version's compiled code, or None where none can be written.

    The environment variable WAVESTACK_CACHE names another place for it.
    """
    try:
        folder = _user_folder() / f"{instruction_set()}-{_digest()}"
        # What lies there will be executed: nobody else may put something there.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter: there is no home
        return None
    return folder if os.access(folder, os.W_OK) else None


def keep(function: Any) -> Any:
    """Let a function made by ``njit`` keep its machine code in ``cache_folder``."""
    if cache_folder() is not None:
        function._cache = _Cache(function.py_func)
    return function


def is_kept(function: Any) -> bool:
    """Whether some process has compiled the function before."""
    folder = cache_folder()
    if folder is None:
        return False
    return any(folder.glob(f"*.{function.py_func.__qualname__}-*.nbc"))


def _user_folder() -> Path:
    wanted = os.environ.get("WAVESTACK_CACHE")
    if wanted:
        return Path(wanted)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wavestack"


@cache
def _digest() -> str:
    hasher = hashlib.sha256()
    for package in ("numba", "llvmlite"):
        hasher.update(version(package).encode())
    for folder in ("vector", "compiled", "blocks"):
        for file in sorted((Path(__file__).parents[1] / folder).glob("*.py")):
            hasher.update(file.read_bytes())
    return hasher.hexdigest()[:16]


class _Locator(_CacheLocator):
    """Numba's way to ask where a function's code is kept."""

    def __init__(self, line: int) -> None:
        self._line = line

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator | None:
        return None if cache_folder() is None else cls(py_func.__code__.co_firstlineno)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return _digest()

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Implementation(CompileResultCacheImpl):
    _locator_classes: list[Any] = [_Locator]  # noqa: RUF012


class _Cache(FunctionCache):
    """Numba's cache, without which all works as well: a file of it that cannot be used costs one
    more compilation, not the call."""

    _impl_class = _Implementation

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # what reading a cut or foreign pickle raises may be anything
            logger.warning("%s cannot be read, so it is compiled anew: %s", self.cache_path, error)
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:  # a full disk, or no longer ours
            logger.warning("compiled code cannot be kept: %s", error)
