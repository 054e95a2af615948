"""Labelled recordings as batches for a classifier."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from wavestack.data.base import check_size
from wavestack.data.order import BatchOrder
from wavestack.data.sound.augment import FeatureMasks, SoundAugmentation, mix, stretch
from wavestack.data.sound.recorded import RecordedData
from wavestack.data.sound.recording import Recording, Source
from wavestack.data.splits import Split
from wavestack.signal import LogMel
from wavestack.signal.front_end import LogMelFrontEnd, WaveformFrontEnd

Batch = dict[str, Tensor]
FrontEnd = LogMelFrontEnd | WaveformFrontEnd

# Draws for one row are a function of (seed, batch, row) and of this number, which keeps them apart
# from those of the order of batches.
_STREAM = 2


class ClipData(RecordedData):
    """Whole recordings, each with one class, as training and evaluation batches.

    A batch holds ``x`` (B, C, T), what the front end makes of the waveforms, ``lengths`` (B,) and
    ``target``: (B,) int64 classes, or (B, K) shares of the classes where sounds were mixed.

    Args:
        source: where the recordings come from.
        batch_size: rows of a training batch, over all processes together.
        front_end: makes what the model is given.
        label: which of the source's kinds of label is the class (-1: the last).
        augmentation: varies the waveforms of training batches; None: they stay as they are.
        masks: hides parts of the features of training batches; None: nothing.
        mixup: how strongly pairs of training sounds are mixed: the share is drawn from
            Beta(mixup, mixup); 0: not at all.
        stretch: largest change of tempo of the features of training batches, as logarithm of the
            ratio; 0: none.
        num_workers: processes of the training loader; 0 makes batches in the main process.
        eval_batch_samples: bound of B * T for evaluation batches, in samples of audio.
        root: the key through which a user names a folder (``data.root=DIR``); configs hand it on to
            the source, and it is not used here.

    Raises:
        ValueError: when a number is out of its range, the source has no such label, or the front
            end another sample rate.
    """

    item_noun = "recordings"
    tasks = ("ClassificationTask",)
    description = "mean and deviation of the log-mel spectrum"

    def __init__(
        self,
        source: Source,
        batch_size: int,
        front_end: FrontEnd,
        label: int = -1,
        augmentation: SoundAugmentation | None = None,
        masks: FeatureMasks | None = None,
        mixup: float = 0.0,
        stretch: float = 0.0,
        num_workers: int = 0,
        eval_batch_samples: int = 400_000,
        *,
        root: str | None = None,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("mixup", mixup, 0),
            ("stretch", stretch, 0),
            ("num_workers", num_workers, 0),
            ("eval_batch_samples", eval_batch_samples, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        if not source.label_names:
            raise ValueError("source must have labels, and this one has none (labels=folder?)")
        kinds = len(source.label_names)
        if not -kinds <= label < kinds:
            raise ValueError(f"label must be in [-{kinds}, {kinds}), got {label}")
        if front_end.sample_rate != source.sample_rate:
            raise ValueError(
                f"front_end.sample_rate must be that of the source ({source.sample_rate} Hz), "
                f"got {front_end.sample_rate}"
            )
        super().__init__(source, root)
        self.batch_size = batch_size
        self.front_end = front_end
        self.label = label
        self.augmentation = augmentation
        self.masks = masks
        self.mixup = mixup
        self.stretch = stretch
        self.num_workers = num_workers
        self.eval_batch_samples = eval_batch_samples
        self.label_names = (source.label_names[label],)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their numbers."""
        return self.label_names[0]

    @property
    def channels(self) -> int:
        """Channels of the batches' ``x``."""
        return self.front_end.channels

    @property
    def step_rate(self) -> float:
        """Steps of the batches' ``x`` in a second."""
        return self.front_end.step_rate

    def train_batches(self, seed: int) -> ClipBatches:
        """The endless training batches of a seed."""
        return ClipBatches(self, seed)

    def eval_batches(self, split: Split) -> list[Batch]:
        """Every recording of a split, whole, once and unchanged, the short ones first."""
        batches: list[Batch] = []
        together: list[Recording] = []
        for recording in sorted(self.recordings(split), key=len):
            if together and (len(together) + 1) * len(recording) > self.eval_batch_samples:
                batches.append(self._evaluated(together))
                together = []
            together.append(recording)
        return [*batches, self._evaluated(together)]

    def class_of(self, recording: Recording) -> int:
        """The class of a recording."""
        return recording.labels[self.label]

    def features(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """What the model is given of some waveforms: x (B, C, T) and lengths (B,)."""
        lengths = torch.tensor([len(waveform) for waveform in waveforms])
        padded = torch.zeros(len(waveforms), int(lengths.max()))
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        with torch.no_grad():
            return self.front_end(padded, lengths)

    def descriptions(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """A vector for every recording of a split, for yardsticks, and its class: (N, D), (N,)."""
        recordings = self.recordings(split)
        mel = LogMel(self.sample_rate, n_fft=512, hop_length=256, n_mels=40)
        vectors = []
        for recording in recordings:
            frames = mel(F.pad(torch.from_numpy(recording.waveform), (0, 256))[None])[0]
            vectors.append(torch.cat([frames.mean(-1), frames.std(-1, correction=0)]).numpy())
        return np.stack(vectors), np.array([self.class_of(recording) for recording in recordings])

    def check_model(self, model: Any) -> None:
        """Stop when a model does not suit these data.

        Raises:
            UserError: naming the model's key.
        """
        check_size(model, "num_classes", len(self.class_names), "classes")
        check_size(model, "in_channels", self.channels, "channels")

    def _evaluated(self, recordings: Sequence[Recording]) -> Batch:
        x, lengths = self.features([recording.waveform for recording in recordings])
        target = torch.tensor([self.class_of(recording) for recording in recordings])
        return {"x": x, "lengths": lengths, "target": target}

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """Synthetic recordings of the same sample rate, with as many classes as the model has."""
        return {
            **super().stand_in(data, model),
            "label": -1,
            "source": {
                "_target_": "wavestack.data.SyntheticAudio",
                "sample_rate": data["source"]["sample_rate"],
                "num_train": 8,
                "num_val": 2,
                "num_test": 4,
                "min_seconds": 0.2,
                "max_seconds": 0.3,
                "label_sizes": [model["num_classes"]],
            },
        }


class ClipBatches(Dataset):
    """The training batches: ``batches[k]`` is batch k, a pure function of (seed, k).

    Args:
        data: says what there is and how it is varied.
        seed: not negative.
    """

    def __init__(self, data: ClipData, seed: int) -> None:
        self.data = data
        self.seed = seed
        self.recordings = data.recordings("train")
        # Variations begin with the sound itself: a cut or a background is drawn for what is heard.
        self.waveforms = [
            data.front_end.trimmed(torch.from_numpy(recording.waveform)).numpy()
            for recording in self.recordings
        ]
        # Not grouped by length, although that would save padding: a batch would hold long words or
        # short ones, slow speakers or fast ones, and its normalization see nothing else.
        self.order = BatchOrder(len(self.recordings), data.batch_size, seed)

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        data, items = self.data, self.order.items(k)
        rngs = [np.random.default_rng([self.seed, k, row, _STREAM]) for row in range(len(items))]
        sounds = [self._varied(self.waveforms[i], rng) for i, rng in zip(items, rngs, strict=True)]
        target = torch.tensor([data.class_of(self.recordings[i]) for i in items])
        if data.mixup:
            sounds, target = self._mixed(sounds, target, k)
        x, lengths = data.features(sounds)
        if data.stretch:
            logarithms = [rng.uniform(-data.stretch, data.stretch) for rng in rngs]
            x, lengths = stretch(x, lengths, torch.tensor(logarithms).exp())
        if data.masks is not None:
            for row, length, rng in zip(x, lengths.tolist(), rngs, strict=True):
                data.masks(row, length, rng)
        return {"x": x, "lengths": lengths, "target": target}

    def _varied(self, waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.data.augmentation is None:
            return waveform
        return self.data.augmentation(waveform, self.data.sample_rate, rng)

    def _mixed(
        self, sounds: list[np.ndarray], target: Tensor, k: int
    ) -> tuple[list[np.ndarray], Tensor]:
        """Every sound with another of the batch, and the classes in the same shares."""
        rng = np.random.default_rng([self.seed, k, len(sounds), _STREAM])
        partners = rng.permutation(len(sounds))
        shares = rng.beta(self.data.mixup, self.data.mixup, len(sounds))
        mixed = [
            mix(sound, sounds[partner], float(share))
            for sound, partner, share in zip(sounds, partners, shares, strict=True)
        ]
        classes = F.one_hot(target, len(self.data.class_names)).float()
        weight = torch.from_numpy(shares).float()[:, None]
        return mixed, weight * classes + (1 - weight) * classes[torch.from_numpy(partners)]
