"""Interpolations that configs may use: other keys, and a few harmless functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf.basecontainer import BaseContainer

from wavestack.errors import UserError

# Functions of other keys or of the clock. Those left out read the environment (secrets would end up
# in saved configs and shared files of weights) or make config nodes out of strings.
_PLAIN = frozenset(
    {"now", "hydra", "python_version", "oc.select", "oc.dict.keys", "oc.dict.values"}
)


@contextmanager
def plain_resolvers() -> Iterator[None]:
    """While it lasts, any other `${resolver:...}` is a UserError, however its name is spelt.

    The functions are exchanged in OmegaConf's own table, because a resolver's name may itself be
    the result of an interpolation, which no search through the text would see.
    """
    table = BaseContainer._resolvers
    before = dict(table)
    for name in before:
        if name not in _PLAIN:
            table[name] = _refuse(name)
    try:
        yield
    finally:
        for name, resolver in before.items():
            table[name] = resolver


def _refuse(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise UserError(f"${{{name}:...}} is not allowed in a config; write the value itself")

    return refuse
