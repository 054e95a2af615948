"""One recording, and what every source of recordings offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wavestack.data.splits import Split


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A mono waveform with its name and class labels.

    Attributes:
        name: unique within its source, for messages.
        waveform: (T,) float32, full scale is [-1, 1].
        labels: one class index for each kind of label that the source knows.
    """

    name: str
    waveform: np.ndarray
    labels: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.waveform)


class Source(Protocol):
    """What AudioData asks of a data set.

    Attributes:
        sample_rate: of every recording, in Hz.
        label_names: for each kind of label the names of its classes; empty when unlabelled.
        report: what was counted while reading (kept, resampled, skipped and why).
    """

    sample_rate: int
    label_names: tuple[tuple[str, ...], ...]
    report: dict[str, Any]

    def split(self, name: Split) -> list[Recording]:
        """The recordings of one split, always in the same order."""
        ...
