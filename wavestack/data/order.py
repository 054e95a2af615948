"""Which items make up batch k: a pure function of (seed, k)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

# Items are sorted by length within windows of so many batches: large enough that a batch's lengths
# lie within a few percent of each other, small enough that an epoch's batches stay random.
_WINDOW_BATCHES = 32


class BatchOrder:
    """An endless shuffled order of items, cut into batches of equal size.

    The epochs' permutations follow each other without a gap, and batch k holds the positions
    ``k * batch_size`` to ``(k + 1) * batch_size - 1`` of that line, so every item comes exactly
    once an epoch and no batch is smaller than the others. Nothing is remembered from one batch to
    the next: any process can ask for any k.

    With lengths, items of similar length share a batch, which saves padding.

    Args:
        num_items: how many items there are, at least 1.
        batch_size: items in a batch, at least 1.
        seed: not negative.
        lengths: length of each item, or a function that gives them for an epoch.

    Raises:
        ValueError: when a number is out of its range.

    Example:
        >>> order = BatchOrder(num_items=4, batch_size=2, seed=0)
        >>> sorted(order.items(0).tolist() + order.items(1).tolist())
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        num_items: int,
        batch_size: int,
        seed: int,
        lengths: Sequence[int] | np.ndarray | Callable[[int], np.ndarray] | None = None,
    ) -> None:
        if num_items < 1:
            raise ValueError(f"num_items must be >= 1, got {num_items}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {batch_size}")
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.num_items = num_items
        self.batch_size = batch_size
        self.seed = seed
        self._lengths = lengths
        self._arranged: dict[int, np.ndarray] = {}  # of the latest epochs, only to save time

    def items(self, k: int) -> np.ndarray:
        """Items of batch k: (batch_size,) int64. An item is repeated only where epochs meet."""
        epochs, positions = divmod(self._line(k), self.num_items)
        return np.array(
            [self._epoch(int(e))[p] for e, p in zip(epochs, positions, strict=True)], dtype=np.int64
        )

    def epochs(self, k: int) -> np.ndarray:
        """The epoch that each item of batch k belongs to: (batch_size,) int64."""
        return self._line(k) // self.num_items

    def _line(self, k: int) -> np.ndarray:
        if k < 0:
            raise ValueError(f"batch index must be >= 0, got {k}")
        return np.arange(k * self.batch_size, (k + 1) * self.batch_size, dtype=np.int64)

    def _epoch(self, epoch: int) -> np.ndarray:
        if epoch not in self._arranged:
            while len(self._arranged) >= 2:
                del self._arranged[next(iter(self._arranged))]
            self._arranged[epoch] = self._arrange(epoch)
        return self._arranged[epoch]

    def _arrange(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, epoch])
        items = rng.permutation(self.num_items)
        if self._lengths is None:
            return items
        lengths = self._lengths(epoch) if callable(self._lengths) else np.asarray(self._lengths)
        # epoch e-1 ... x x | h h b b b b b b b b t ... epoch e+1      (batch_size 4)
        #        batch:  ----------|-------|-------|---------
        # The head h completes the batch that the last epoch began, the tail t begins the next
        # epoch's first; only the body b between them can be grouped by length.
        B = self.batch_size
        head = -epoch * self.num_items % B
        num_groups = max(0, self.num_items - head) // B
        tail = head + num_groups * B
        body = items[head:tail]
        windows = np.arange(len(body)) // (_WINDOW_BATCHES * B)
        body = body[np.lexsort((lengths[body], windows))]
        body = body.reshape(num_groups, B)[rng.permutation(num_groups)]
        return np.concatenate([items[:head], body.ravel(), items[tail:]])
