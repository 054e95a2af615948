"""Where long recordings are cut: every epoch elsewhere, and every sample exactly once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class EpochCuts:
    """Cuts recordings into segments of bounded length, at borders that are redrawn every epoch.

    A recording of at most `segment_samples` stays whole. A longer one is cut into equal parts whose
    inner borders are moved at random, so that the segments of one epoch cover each sample exactly
    once: an epoch's loss counts every sample once, the first ones included, which crops at
    uniformly random places would nearly never show.

    Args:
        lengths: of the recordings, in samples.
        segment_samples: longest segment, in samples.
        seed: not negative; epoch e is a pure function of (seed, e).
        align: borders are multiples of it, in samples (the hop of conditioning frames).

    Raises:
        ValueError: when a segment is shorter than one multiple of `align`, or a recording is empty.
    """

    def __init__(
        self, lengths: Sequence[int], segment_samples: int, seed: int, *, align: int = 1
    ) -> None:
        if segment_samples < align:
            raise ValueError(
                f"segment_samples must be >= {align} (a conditioning frame), got {segment_samples}"
            )
        if min(lengths, default=0) < 1:
            raise ValueError("lengths must hold at least one recording and no empty one")
        self.seed = seed
        self.align = align
        # Everything is counted in units of `align`; the last unit of a recording may be incomplete.
        units = -(-np.asarray(lengths, dtype=np.int64) // align)
        longest = segment_samples // align
        # Parts of 7/8 of the longest segment leave room to move the borders.
        part = max(1, longest * 7 // 8)
        parts = np.where(units > longest, -(-units // part), 1)
        self.owner = np.repeat(np.arange(len(units)), parts)  # recording of each segment
        first = np.repeat(np.cumsum(parts) - parts, parts)
        self._index = np.arange(len(self.owner)) - first  # place of a segment in its recording
        self._is_first = self._index == 0
        self._is_last = self._index == parts[self.owner] - 1
        self._units = units[self.owner]
        self._size = self._units / parts[self.owner]
        self._room = np.clip((longest - self._size - 1) / 2, 0, self._size / 4)
        self._cached: tuple[int, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        """Segments in an epoch."""
        return len(self.owner)

    def epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """First sample of each segment and the one after its last: two (len(self),) int64 arrays.

        Both are multiples of `align`, so the end may lie after a recording's end by less than that.
        """
        if self._cached is None or self._cached[0] != epoch:
            # The third number keeps these draws apart from those of the order of batches.
            rng = np.random.default_rng([self.seed, epoch, 1])
            moved = rng.uniform(-1, 1, len(self.owner)) * self._room
            start = np.rint(self._index * self._size + moved).astype(np.int64)
            start[self._is_first] = 0
            stop = np.roll(start, -1)
            stop[self._is_last] = self._units[self._is_last]
            self._cached = (epoch, start * self.align, stop * self.align)
        return self._cached[1], self._cached[2]
