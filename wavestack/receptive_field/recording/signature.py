"""What torch's schema says of an operator, and the tensors among its arguments and results."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from torch import Tensor


class Signature(NamedTuple):
    """An operator as its schema has it.

    Attributes:
        name: without namespace, overload, and the underscore of an operator in place
        is_view: whether it returns views of its argument
        written: the places of the arguments that it writes to
        names: of its arguments
    """

    name: str
    is_view: bool
    written: list[int]
    names: list[str]

    def bind(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Arguments by name."""
        return {**dict(zip(self.names, args, strict=False)), **kwargs}


@cache
def signature_of(func: Any) -> Signature:
    """The signature of an overload of an operator."""
    schema = func._schema
    name = schema.name.split("::")[-1]
    written = [
        k
        for k, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    if name.startswith(
        ("native_batch_norm", "_native_batch_norm", "_batch_norm_with", "batch_norm")
    ):
        written = []  # the running statistics: nothing reads them in the same run
    is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
    if name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    return Signature(name, is_view, written, [a.name for a in schema.arguments])


def tensors_of(args: Any, kwargs: Any) -> Iterator[Tensor]:
    """The tensors among arguments, those in lists included."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            for item in value:
                if isinstance(item, Tensor):
                    yield item


def flat(out: Any) -> list[Tensor]:
    """The tensors of a result, nested or not, in order."""
    if isinstance(out, Tensor):
        return [out]
    found: list[Tensor] = []
    for item in out:
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, list | tuple):
            found += flat(item)
    return found
