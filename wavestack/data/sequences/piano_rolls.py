"""Polyphonic music as piano-rolls: which of the 88 keys sound in each frame."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from wavestack.data.base import Batch, TaskData, check_size
from wavestack.data.order import BatchOrder
from wavestack.data.splits import SPLITS, Split, check_split
from wavestack.errors import UserError

NUM_KEYS = 88


class PianoRollSource(Protocol):
    """What `PianoRolls` asks of a collection of pieces."""

    def split(self, name: Split) -> list[np.ndarray]:
        """The pieces of one split, each (T, 88) of zeros and ones, always in the same order."""
        ...


class PianoRolls(TaskData):
    """Pieces of music in batches of whole pieces of similar length.

    A batch holds ``roll`` (B, 88, T) float32 of zeros and ones, zeros behind a piece's end, and
    ``lengths`` (B,) int64, frames of each piece.

    Args:
        source: where the pieces come from.
        batch_size: pieces of a training batch, over all processes together.
        transpose: training pieces are shifted by up to so many keys up or down, drawn anew each
            time; keys shifted off the keyboard are lost.
        num_workers: processes of the training loader; 0 makes batches in the main process.
        eval_batch_frames: bound of B * T for evaluation batches of more than one piece.
        root: the key through which a user names a folder (``data.root=DIR``); configs hand it on to
            the source, and it is not used here.

    Raises:
        ValueError: when a number is out of its range.

    Example:
        >>> data = PianoRolls(SyntheticPianoRolls(), batch_size=2)
        >>> data.train_batches(seed=0)[0]["roll"].shape[:2]
        torch.Size([2, 88])
    """

    item_noun: ClassVar[str] = "pieces"
    tasks = ("PianoRollTask",)

    def __init__(
        self,
        source: PianoRollSource,
        batch_size: int,
        transpose: int = 0,
        num_workers: int = 0,
        eval_batch_frames: int = 4096,
        *,
        root: str | None = None,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("transpose", transpose, 0),
            ("num_workers", num_workers, 0),
            ("eval_batch_frames", eval_batch_frames, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        if transpose >= NUM_KEYS:
            raise ValueError(f"transpose must be below {NUM_KEYS} keys, got {transpose}")
        self.source = source
        self.batch_size = batch_size
        self.transpose = transpose
        self.num_workers = num_workers
        self.eval_batch_frames = eval_batch_frames
        self.root = root
        self._pieces: dict[Split, list[np.ndarray]] = {}

    def pieces(self, split: Split) -> list[np.ndarray]:
        """The pieces of a split, each (T, 88), read at the first call and then kept.

        Raises:
            UserError: when the split is empty or its file cannot be used.
        """
        if split not in self._pieces:
            pieces = self.source.split(split)
            if not pieces:
                raise UserError(f"data: the {split} split holds no piece")
            self._pieces[split] = pieces
        return self._pieces[split]

    def num_items(self, split: Split) -> int:
        """Pieces of a split."""
        return len(self.pieces(split))

    def train_batches(self, seed: int) -> PianoRollBatches:
        """The endless training batches of a seed."""
        return PianoRollBatches(
            self.pieces("train"), self.batch_size, seed=seed, transpose=self.transpose
        )

    def eval_batches(self, split: Split) -> list[Batch]:
        """Every piece of a split, whole and once, short ones first."""
        batches: list[Batch] = []
        together: list[np.ndarray] = []
        for piece in sorted(self.pieces(split), key=len):
            if together and (len(together) + 1) * len(piece) > self.eval_batch_frames:
                batches.append(assemble(together))
                together = []
            together.append(piece)
        return [*batches, assemble(together)]

    def check_model(self, model: Any) -> None:
        """Stop when a model does not suit these data."""
        key = "num_keys" if hasattr(model, "num_keys") else "in_channels"
        check_size(model, key, NUM_KEYS, "keys")

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """A few synthetic pieces."""
        return {
            **super().stand_in(data, model),
            "source": {"_target_": "wavestack.data.SyntheticPianoRolls"},
        }


class PianoRollBatches(Dataset):
    """``batches[k]`` is batch k, a pure function of (seed, k), shifts included.

    Args:
        pieces: each (T, 88), at least one.
        batch_size: pieces of a batch.
        seed: not negative.
        transpose: largest shift in keys.
    """

    def __init__(
        self, pieces: Sequence[np.ndarray], batch_size: int, *, seed: int, transpose: int = 0
    ) -> None:
        self.pieces = list(pieces)
        self.transpose = transpose
        self.order = BatchOrder(
            len(self.pieces), batch_size, seed, lengths=[len(piece) for piece in self.pieces]
        )

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        pieces = [self.pieces[item] for item in self.order.items(k)]
        if self.transpose:
            # The last number keeps these draws apart from those of the order.
            rng = np.random.default_rng([self.order.seed, k, 2])
            shifts = rng.integers(-self.transpose, self.transpose + 1, len(pieces))
            pieces = [shifted(p, int(shift)) for p, shift in zip(pieces, shifts, strict=True)]
        return assemble(pieces)


def shifted(piece: np.ndarray, keys: int) -> np.ndarray:
    """A piece (T, 88) moved up by so many keys (down where negative).

    Example:
        >>> shifted(np.eye(3, dtype=np.uint8), 1).tolist()
        [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    """
    moved = np.zeros_like(piece)
    width = piece.shape[1]
    moved[:, max(0, keys) : width + min(0, keys)] = piece[:, max(0, -keys) : width - max(0, keys)]
    return moved


def assemble(pieces: Sequence[np.ndarray]) -> Batch:
    """Make a batch of pieces, padded at the end with silent frames to the longest."""
    longest = max(len(piece) for piece in pieces)
    roll = np.zeros((len(pieces), pieces[0].shape[1], longest), dtype=np.float32)
    for row, piece in zip(roll, pieces, strict=True):
        row[:, : len(piece)] = piece.T
    return {
        "roll": torch.from_numpy(roll),
        "lengths": torch.tensor([len(piece) for piece in pieces], dtype=torch.int64),
    }


class SyntheticPianoRolls:
    """Seeded progressions of triads over a walking bass: pieces that are always there.

    Piece i of a split is a pure function of (seed, split, i).

    Args:
        num_train: pieces of the training split.
        num_val: pieces of the validation split.
        num_test: pieces of the test split.
        max_frames: longest piece; the shortest has half of it.
        seed: not negative.

    Raises:
        ValueError: when a number is out of its range.
    """

    def __init__(
        self,
        num_train: int = 8,
        num_val: int = 2,
        num_test: int = 2,
        max_frames: int = 32,
        seed: int = 0,
    ) -> None:
        if max_frames < 4:
            raise ValueError(f"max_frames must be >= 4, got {max_frames}")
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.sizes = dict(zip(SPLITS, (num_train, num_val, num_test), strict=True))
        self.max_frames = max_frames
        self.seed = seed

    def split(self, name: Split) -> list[np.ndarray]:
        """Make the pieces of one split."""
        check_split(name)
        return [self._make(name, index) for index in range(self.sizes[name])]

    def _make(self, split: Split, index: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, SPLITS.index(split), index])
        num_frames = int(rng.integers(self.max_frames // 2, self.max_frames + 1))
        scale = np.array([0, 2, 4, 5, 7, 9, 11])
        roll = np.zeros((num_frames, NUM_KEYS), dtype=np.uint8)
        degree = 0
        for start in range(0, num_frames, 4):  # four frames a chord
            notes = [degree + step for step in (0, 2, 4)]
            keys = [39 + 12 * (note // 7) + scale[note % 7] for note in notes]
            roll[start : start + 4, keys] = 1
            roll[start : start + 4, keys[0] - 12] = 1
            degree = int((degree + rng.choice([3, 4, 5])) % 7)
        return roll
