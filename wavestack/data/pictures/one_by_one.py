"""Evaluation batches of one picture each, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

Batch = dict[str, Any]


class OneByOne(Sequence[Batch]):
    """A batch for each item of a split, made anew each time, so that none stays in memory.

    Args:
        read: the batch of an item.
        items: which items.

    Example:
        >>> batches = OneByOne(lambda item: {"item": item}, range(10))
        >>> len(batches), batches[3], [batch["item"] for batch in batches[7:]]
        (10, {'item': 3}, [7, 8, 9])
    """

    def __init__(self, read: Callable[[int], Batch], items: range) -> None:
        self.read = read
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Batch: ...
    @overload
    def __getitem__(self, index: slice) -> OneByOne: ...
    def __getitem__(self, index: int | slice) -> Batch | OneByOne:
        if isinstance(index, slice):
            return OneByOne(self.read, self.items[index])
        return self.read(self.items[index])
