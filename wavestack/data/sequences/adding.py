"""The adding problem: which two of many numbers are marked, and what is their sum?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from wavestack.data.base import Batch, check_size
from wavestack.data.sequences.generated import GeneratedSequences


class AddingProblem(GeneratedSequences):
    """Sequences of uniform random numbers, two of them marked; the target is the sum of those two.

    A batch holds ``x`` (B, 2, T) float32: numbers in [0, 1) and marks, 1.0 at two places and 0.0
    elsewhere; and ``target`` (B,) float32. Always answering 1 gives a mean squared error of 1/6.

    Args:
        length: numbers of a sequence.
        batch_size: sequences of a training batch, over all processes together.
        num_val: sequences of the validation split.
        num_test: sequences of the test split.
        num_workers: processes of the training loader; 0 makes batches in the main process.

    Raises:
        ValueError: when a number is out of its range.

    References:
        Hochreiter and Schmidhuber (1997), Long Short-Term Memory, section 5.4; in the form of Bai,
        Kolter and Koltun (2018), section 4: two places anywhere in the sequence.

    Example:
        >>> batch = AddingProblem(length=5, batch_size=1).train_batches(seed=0)[0]
        >>> numbers, marks = batch["x"][0]
        >>> torch.equal(batch["target"][0], (numbers * marks).sum())
        True
    """

    tasks = ("AddingTask",)

    def __init__(
        self,
        length: int = 600,
        batch_size: int = 32,
        num_val: int = 1000,
        num_test: int = 1000,
        num_workers: int = 0,
    ) -> None:
        if length < 2:
            raise ValueError(f"length must be >= 2, got {length}")
        super().__init__(batch_size, num_val, num_test, num_workers, eval_batch_size=100)
        self.length = length

    def make(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw so many sequences."""
        numbers = rng.random((count, self.length), dtype=np.float32)
        first = rng.integers(0, self.length, count)
        second = (first + rng.integers(1, self.length, count)) % self.length  # never the first
        marks = np.zeros_like(numbers)
        rows = np.arange(count)
        marks[rows, first] = marks[rows, second] = 1
        target = numbers[rows, first] + numbers[rows, second]
        x = np.stack([numbers, marks], axis=1)
        return {"x": torch.from_numpy(x), "target": torch.from_numpy(target)}

    def check_model(self, model: Any) -> None:
        """Stop when a model does not suit these data."""
        check_size(model, "in_channels", 2, "channels")
        check_size(model, "out_channels", 1, "numbers to predict")

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """The same, shorter and fewer."""
        return {**super().stand_in(data, model), "length": 16, "num_val": 4, "num_test": 4}
