"""What a training run needs of its data: a source of recordings and how batches are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wavestack.data.sound.batches import Batch, CropBatches, whole_recordings
from wavestack.data.sound.recorded import RecordedData
from wavestack.data.sound.recording import Source
from wavestack.data.splits import Split
from wavestack.signal import LogMel


class AudioData(RecordedData):
    """Recordings of one source as training and evaluation batches.

    Args:
        source: where the recordings come from.
        batch_size: rows of a training batch, over all processes together.
        segment_samples: longest training segment, in samples.
        context_samples: audio before a segment that the model hears and the loss does not count;
            None: all that the model sees, which the trainer fills in from its receptive field.
        mel: makes log-mel conditioning frames of every waveform; none if None.
        num_workers: processes of the training loader; 0 makes batches in the main process.
        eval_batch_samples: bound of B * T for evaluation batches; more than the context.
        root: the key through which a user names a folder (``data.root=DIR``); configs hand it on to
            the source, and it is not used here.

    Raises:
        ValueError: when a number is out of its range or `mel` has another sample rate.

    Example:
        >>> from wavestack.data import SyntheticAudio
        >>> data = AudioData(SyntheticAudio(num_train=4), batch_size=2, segment_samples=2048)
        >>> sorted(data.train_batches(seed=0)[0])
        ['labels', 'mask', 'waveform']
    """

    tasks = ("AutoregressiveAudioTask",)

    def __init__(
        self,
        source: Source,
        batch_size: int,
        segment_samples: int,
        context_samples: int | None = 0,
        mel: LogMel | None = None,
        num_workers: int = 0,
        eval_batch_samples: int = 65536,
        *,
        root: str | None = None,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("segment_samples", segment_samples, 1),
            ("context_samples", context_samples or 0, 0),
            ("num_workers", num_workers, 0),
            ("eval_batch_samples", eval_batch_samples, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        if eval_batch_samples <= (context_samples or 0):
            raise ValueError(
                f"eval_batch_samples must be > context_samples ({context_samples}), "
                f"got {eval_batch_samples}"
            )
        if mel is not None and mel.sample_rate != source.sample_rate:
            raise ValueError(
                f"mel.sample_rate must be that of the source ({source.sample_rate} Hz), "
                f"got {mel.sample_rate}"
            )
        super().__init__(source, root)
        self.batch_size = batch_size
        self.segment_samples = segment_samples
        self.context_samples = context_samples
        self.mel = mel
        self.num_workers = num_workers
        self.eval_batch_samples = eval_batch_samples
        self.label_names = source.label_names

    def train_batches(self, seed: int) -> CropBatches:
        """The endless training batches of a seed."""
        return CropBatches(
            self.recordings("train"),
            batch_size=self.batch_size,
            segment_samples=self.segment_samples,
            seed=seed,
            feature=self.mel,
            context_samples=self._context(),
        )

    def eval_batches(self, split: Split) -> list[Batch]:
        """Every recording of a split, whole and once.

        One that is longer than `eval_batch_samples` comes in pieces, with a quarter of that length
        (or the training context, if that is longer) of the audio before each.
        """
        return whole_recordings(
            self.recordings(split),
            max_batch_samples=self.eval_batch_samples,
            feature=self.mel,
            context_samples=max(self._context(), self.eval_batch_samples // 4),
        )

    def _context(self) -> int:
        if self.context_samples is None:
            raise ValueError("context_samples must be a number before batches are made, got None")
        return self.context_samples

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """Synthetic recordings of the same sample rate, with the labels that the model expects."""
        labels = list(model.get("num_labels") or [])
        source: dict[str, Any] = {
            "_target_": "wavestack.data.SyntheticAudio",
            "sample_rate": data["source"]["sample_rate"],
            "num_train": 8,
            "num_val": 2,
            "num_test": 2,
            "min_seconds": 0.2,
            "max_seconds": 0.3,
        }
        if labels and labels != [6]:  # six are its own: a pluck and five vowels
            source["label_sizes"] = labels
        return {
            **super().stand_in(data, model),
            "source": source,
            "segment_samples": 2048,
            "context_samples": 0,
        }
