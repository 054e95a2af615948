"""Batches of waveforms: crops for training, whole recordings for evaluation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from wavestack.data.order import BatchOrder
from wavestack.data.sound.cuts import EpochCuts
from wavestack.data.sound.recording import Recording
from wavestack.signal import LogMel

Batch = dict[str, Tensor]


class Row(NamedTuple):
    """What a row of a batch shows: samples [begin, stop) of a recording, counted from `start`."""

    recording: Recording
    begin: int
    start: int
    stop: int


class CropBatches(Dataset):
    """The training batches: ``batches[k]`` is batch k, a pure function of (seed, k).

    An epoch shows every sample of every recording once: recordings of at most `segment_samples`
    stay whole, longer ones are cut at borders that are redrawn every epoch. Segments of similar
    length share a batch and are padded at the end to its longest. A segment from the middle of a
    recording is preceded by up to `context_samples` of the audio before it, which the model hears
    and the loss does not count; at a recording's true beginning there is none.

    Give it to a DataLoader with ``sampler=range(first, last), batch_size=None``: workers, ranks and
    restarts change nothing.

    Args:
        recordings: at least one, none empty; all with the same number of labels.
        batch_size: rows of a batch.
        segment_samples: longest segment that the loss counts, in samples.
        seed: not negative.
        feature: makes conditioning frames; segments then begin at multiples of its hop length.
        context_samples: audio before a segment, in samples (rounded up to whole hops); one less
            than the receptive field lets every sample be predicted from all that the model can see.

    Raises:
        ValueError: when a number is out of its range or there is no recording.

    Notes:
        A batch is a dictionary: ``waveform`` (B, T) float32; ``mask`` (B, T) bool, True where the
        loss counts; ``labels`` (B, L) int64 if the recordings have labels; ``features``
        (B, n_mels, T // hop_length) float32 if there is a feature, T then being whole hops.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        batch_size: int,
        segment_samples: int,
        seed: int,
        feature: LogMel | None = None,
        context_samples: int = 0,
    ) -> None:
        if not recordings:
            raise ValueError("recordings must hold at least one recording, got none")
        if context_samples < 0:
            raise ValueError(f"context_samples must be >= 0, got {context_samples}")
        hop = feature.hop_length if feature else 1
        self.recordings = list(recordings)
        self.feature = feature
        self.context_samples = -(-context_samples // hop) * hop
        self.cuts = EpochCuts([len(r) for r in recordings], segment_samples, seed, align=hop)
        self.order = BatchOrder(len(self.cuts), batch_size, seed, lengths=self._row_lengths)

    @property
    def batches_per_epoch(self) -> float:
        """How many batches show every sample once."""
        return len(self.cuts) / self.order.batch_size

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        rows = []
        for item, epoch in zip(self.order.items(k), self.order.epochs(k), strict=True):
            starts, stops = self.cuts.epoch(int(epoch))
            start, stop = int(starts[item]), int(stops[item])
            begin = max(0, start - self.context_samples)
            rows.append(Row(self.recordings[self.cuts.owner[item]], begin, start, stop))
        return assemble(rows, self.feature)

    def _row_lengths(self, epoch: int) -> np.ndarray:
        starts, stops = self.cuts.epoch(epoch)
        return stops - np.maximum(0, starts - self.context_samples)


def whole_recordings(
    recordings: Sequence[Recording],
    *,
    max_batch_samples: int,
    feature: LogMel | None = None,
    context_samples: int | None = None,
) -> list[Batch]:
    """Batches that show each recording whole, once: for validation and test.

    Args:
        recordings: any number, none empty.
        max_batch_samples: bound of B * T for a batch of more than one row.
        feature: makes conditioning frames; T is then padded to whole hops.
        context_samples: if given, a recording longer than `max_batch_samples` is shown in pieces of
            at most that length, each preceded by so much of the audio before it, which does not
            count. With one less than the receptive field that changes nothing but the memory used.

    Returns:
        Batches as those of `CropBatches`, short recordings first.

    Raises:
        ValueError: when the context leaves no room for a piece.
    """
    hop = feature.hop_length if feature else 1
    rows: list[Row] = []
    for recording in sorted(recordings, key=len):
        end = -(-len(recording) // hop) * hop
        if context_samples is None or end <= max_batch_samples:
            rows.append(Row(recording, 0, 0, end))
            continue
        context = -(-context_samples // hop) * hop
        step = (max_batch_samples - context) // hop * hop
        if step < 1:
            raise ValueError(
                f"max_batch_samples must be > context_samples ({context}), got {max_batch_samples}"
            )
        for start in range(0, end, step):
            rows.append(Row(recording, max(0, start - context), start, min(start + step, end)))

    batches: list[Batch] = []
    together: list[Row] = []
    for row in rows:
        longest = max(other.stop - other.begin for other in (*together, row))
        if together and (len(together) + 1) * longest > max_batch_samples:
            batches.append(assemble(together, feature))
            together = []
        together.append(row)
    if together:
        batches.append(assemble(together, feature))
    return batches


def assemble(rows: Sequence[Row], feature: LogMel | None = None) -> Batch:
    """Make a batch of rows, padded at the end with silence to the longest."""
    B, T = len(rows), max(row.stop - row.begin for row in rows)
    # The frames at a segment's ends see half a window beyond it: audio where there is some.
    margin = feature.n_fft // 2 if feature else 0
    waveform = np.zeros((B, margin + T + margin), dtype=np.float32)
    mask = np.zeros((B, T), dtype=bool)
    for b, (recording, begin, start, stop) in enumerate(rows):
        offset = margin - begin  # column of the recording's sample 0
        first, last = max(0, begin - margin), min(len(recording), stop + margin)
        waveform[b, first + offset : last + offset] = recording.waveform[first:last]
        mask[b, start - begin : min(stop, len(recording)) - begin] = True

    batch = {"waveform": torch.from_numpy(waveform), "mask": torch.from_numpy(mask)}
    if rows[0].recording.labels:
        labels = [row.recording.labels for row in rows]
        batch["labels"] = torch.tensor(labels, dtype=torch.int64)
    if feature:
        with torch.no_grad():
            batch["features"] = feature.frames(batch["waveform"])[..., : T // feature.hop_length]
        # What lies beyond a row's own end was for the frames alone.
        for b, row in enumerate(rows):
            waveform[b, margin + row.stop - row.begin :] = 0
        batch["waveform"] = batch["waveform"][:, margin : margin + T].contiguous()
    return batch


def rank_rows(batch: Batch, rank: int, world: int) -> Batch:
    """The rows of a batch that one of several processes works on; together they are the batch.

    Raises:
        ValueError: when the batch cannot be shared out evenly, which would weigh rows unequally.
    """
    if not 0 <= rank < world:
        raise ValueError(f"rank must be in [0, {world}), got {rank}")
    B = len(next(iter(batch.values())))
    if B % world:
        raise ValueError(f"batch_size must be a multiple of the {world} processes, got {B}")
    rows = slice(rank * B // world, (rank + 1) * B // world)
    return {name: value[rows] for name, value in batch.items()}
