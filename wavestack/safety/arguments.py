"""Arguments of a config checked against the constructor that will get them.

A mistyped argument would otherwise surface as a TypeError deep inside a class, and a word where a
number belongs as something stranger still.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from wavestack.errors import UserError, nearest

_SIMPLE = (bool, int, float, str, type(None))


def check_arguments(
    target: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    key: str = "",
    partial: bool = False,
) -> None:
    """Stop at an argument that is unknown, missing or of a wrong simple type.

    Args:
        target: class or function about to be called.
        args: positional arguments.
        kwargs: named arguments.
        key: full name of the config node, for messages.
        partial: whether required arguments may still be missing.

    Raises:
        UserError: naming the full key, and the nearest known name for an unknown one.
    """
    try:
        signature = inspect.signature(target)
    except (ValueError, TypeError):  # some built-in classes have none; the call itself will tell
        return
    parameters = signature.parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [
        n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    for name in kwargs:
        if name not in known and not takes_any:
            raise UserError(
                f"{_join(key, name)}: {target.__name__} has no such argument{nearest(name, known)}"
            )
    try:
        (signature.bind_partial if partial else signature.bind)(*args, **kwargs)
    except TypeError as error:
        raise UserError(f"{key or target.__name__}: {target.__name__}: {error}") from error
    hints = _hints(target)
    for name, value in kwargs.items():
        if name not in hints or value is parameters[name].default:  # None against "= None"
            continue
        if not _fits(value, hints[name]):
            expected = inspect.formatannotation(hints[name])
            raise UserError(f"{_join(key, name)} must be {expected}, got {value!r}")


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    function = target.__init__ if inspect.isclass(target) else target
    try:
        return typing.get_type_hints(function)
    except Exception:  # a hint that exists for type checkers only says nothing here
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a simple value fits a hint; anything that is not plainly wrong does."""
    if not isinstance(value, _SIMPLE):
        return True
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if hint is type(None) or hint is None:
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str)
    # Any other hint (a Tensor, a Callable) says nothing about a simple value.
    return origin not in (list, tuple, dict, set)


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
