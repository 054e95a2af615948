"""Data that come from recordings: each split is read once, when it is first asked for."""

from __future__ import annotations

from wavestack.data.base import TaskData
from wavestack.data.sound.recording import Recording, Source
from wavestack.data.splits import Split
from wavestack.errors import UserError


class RecordedData(TaskData):
    """The recordings of a source, split by split.

    Args:
        source: where the recordings come from.
        root: folder of the recordings, for messages; the source reads it.
    """

    sample_rate: int

    def __init__(self, source: Source, root: str | None) -> None:
        self.source = source
        self.root = root
        self.sample_rate = source.sample_rate
        self._recordings: dict[Split, list[Recording]] = {}

    def recordings(self, split: Split) -> list[Recording]:
        """The recordings of "train", "val" or "test", read at the first call and then kept.

        Raises:
            UserError: when the split is empty or its files cannot be used.
        """
        if split not in self._recordings:
            recordings = self.source.split(split)
            if not recordings:
                raise UserError(f"data: the {split} split holds no recording")
            self._recordings[split] = recordings
        return self._recordings[split]

    def num_items(self, split: Split) -> int:
        """Recordings of a split."""
        return len(self.recordings(split))
