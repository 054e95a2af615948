"""Sequences made from random numbers: endless for training, always the same for evaluation."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from torch.utils.data import Dataset

from wavestack.data.base import Batch, TaskData
from wavestack.data.splits import SPLITS, Split


class GeneratedSequences(TaskData):
    """Data that a function of a random generator makes; subclasses say which.

    Training batches never repeat: batch k is made from (seed, k). Validation and test sequences
    are the same whatever the seed of the training.

    Args:
        batch_size: sequences of a training batch, over all processes together.
        num_val: sequences of the validation split.
        num_test: sequences of the test split.
        num_workers: processes of the training loader; 0 makes batches in the main process.
        eval_batch_size: sequences of an evaluation batch.

    Raises:
        ValueError: when a number is below 1, or num_workers below 0.
    """

    item_noun: ClassVar[str] = "sequences"

    def __init__(
        self, batch_size: int, num_val: int, num_test: int, num_workers: int, eval_batch_size: int
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("num_val", num_val, 1),
            ("num_test", num_test, 1),
            ("num_workers", num_workers, 0),
            ("eval_batch_size", eval_batch_size, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        self.batch_size = batch_size
        self.sizes: dict[Split, int] = {"train": num_test, "val": num_val, "test": num_test}
        self.num_workers = num_workers
        self.eval_batch_size = eval_batch_size

    @abstractmethod
    def make(self, rng: np.random.Generator, count: int) -> Batch:
        """A batch of so many sequences."""

    def num_items(self, split: Split) -> int:
        """Sequences of a split; of training sequences, which have no end, as many as test ones."""
        return self.sizes[split]

    def train_batches(self, seed: int) -> GeneratedBatches:
        """The endless training batches of a seed."""
        return GeneratedBatches(self.make, self.batch_size, seed)

    def eval_batches(self, split: Split) -> list[Batch]:
        """The sequences of a split; of training, some that no training batch shows."""
        count, rows = self.sizes[split], self.eval_batch_size
        # Three numbers where training batches have two: no training batch begins like these.
        seeds = ([SPLITS.index(split), i, 1] for i in range(0, count, rows))
        return [
            self.make(np.random.default_rng(seed), min(rows, count - seed[1])) for seed in seeds
        ]


class GeneratedBatches(Dataset):
    """``batches[k]`` is made from (seed, k) and nothing else.

    Args:
        make: called with a random generator and the number of sequences.
        batch_size: sequences of a batch.
        seed: not negative.

    Raises:
        ValueError: when the seed is negative.
    """

    def __init__(
        self, make: Callable[[np.random.Generator, int], Batch], batch_size: int, seed: int
    ) -> None:
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.make = make
        self.batch_size = batch_size
        self.seed = seed

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        if k < 0:
            raise ValueError(f"batch index must be >= 0, got {k}")
        return self.make(np.random.default_rng([self.seed, k]), self.batch_size)
