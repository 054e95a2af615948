"""The adding problem: one number is asked for at the end of a sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wavestack.tasks.base import Batch, Task


class AddingTask(Task):
    """Squared error of the model's output at the last step of each sequence.

    Only the last output counts, so the model computes nothing else where it can
    (``model.forward_last``).

    A batch holds ``x`` (B, C, T) and ``target`` (B,).
    """

    metric = "squared_error"
    element = "sequences"

    @staticmethod
    def count(batch: Batch) -> int:
        """Sequences."""
        return len(batch["target"])

    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """Squared errors of all sequences."""
        last = self.last_outputs(model, batch["x"])[:, 0, -1].float()
        return (last - batch["target"]).square().sum(dtype=torch.float64)

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """The best constant for two uniform numbers: their mean sum, 1."""
        batches = data.eval_batches(split)
        squares = torch.cat([(batch["target"].double() - 1).square() for batch in batches])
        return {"always 1": {self.metric: float(squares.mean())}}
