"""Copy memory: ten symbols, a long silence, and the request to say them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from wavestack.data.base import Batch, check_size
from wavestack.data.sequences.generated import GeneratedSequences

NUM_SYMBOLS = 10  # places that are to be remembered
ALPHABET = 8  # different symbols, the codes 1 to 8; 0 is the blank
REQUEST = 9


class CopyMemory(GeneratedSequences):
    """Sequences of length T + 20 whose first ten symbols are to be repeated in the last ten places.

    ::

        input   3 1 8 2 7 7 4 1 6 5 0 0 ... 0 0 9 9 9 9 9 9 9 9 9 9 9
        target  0 0 0 0 0 0 0 0 0 0 0 0 ... 0 0 0 3 1 8 2 7 7 4 1 6 5
                10 symbols, T - 1 blanks, 11 requests

    A batch holds ``tokens`` and ``targets``, both (B, T + 20) int64 in [0, 10), and ``mask``, True
    everywhere: as in the paper the loss is the mean over all T + 20 places, so that who remembers
    nothing pays 10 ln 8 / (T + 20) nats.

    Args:
        delay: T, places between the symbols and where they are asked for.
        batch_size: sequences of a training batch, over all processes together.
        num_val: sequences of the validation split.
        num_test: sequences of the test split.
        num_workers: processes of the training loader; 0 makes batches in the main process.

    Raises:
        ValueError: when a number is out of its range.

    References:
        Arjovsky, Shah and Bengio (2016), Unitary Evolution Recurrent Neural Networks, section 5.1;
        in the form of Bai, Kolter and Koltun (2018), section 4.

    Example:
        >>> batch = CopyMemory(delay=3, batch_size=1).train_batches(seed=0)[0]
        >>> batch["tokens"][0, 10:].tolist()
        [0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]
        >>> torch.equal(batch["targets"][0, 13:], batch["tokens"][0, :10])
        True
    """

    tasks = ("CopyMemoryTask",)

    def __init__(
        self,
        delay: int = 1000,
        batch_size: int = 32,
        num_val: int = 200,
        num_test: int = 1000,
        num_workers: int = 0,
    ) -> None:
        if delay < 1:
            raise ValueError(f"delay must be >= 1, got {delay}")
        super().__init__(batch_size, num_val, num_test, num_workers, eval_batch_size=50)
        self.delay = delay

    def make(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw so many sequences."""
        symbols = rng.integers(1, ALPHABET + 1, (count, NUM_SYMBOLS))
        tokens = np.zeros((count, self.delay + 2 * NUM_SYMBOLS), dtype=np.int64)
        targets = np.zeros_like(tokens)
        tokens[:, :NUM_SYMBOLS] = targets[:, -NUM_SYMBOLS:] = symbols
        tokens[:, -NUM_SYMBOLS - 1 :] = REQUEST
        return {
            "tokens": torch.from_numpy(tokens),
            "targets": torch.from_numpy(targets),
            "mask": torch.ones(tokens.shape, dtype=torch.bool),
        }

    def check_model(self, model: Any) -> None:
        """Stop when a model does not suit these data."""
        for key in ("num_embeddings", "out_channels"):
            check_size(model, key, REQUEST + 1, "codes", or_more=True)

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """The same, shorter and fewer."""
        return {**super().stand_in(data, model), "delay": 12, "num_val": 4, "num_test": 4}
