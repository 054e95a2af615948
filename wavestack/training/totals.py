"""What a model gives on a whole split, summed batch by batch and over all ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.tasks.base import Batch, Task

Sums = Callable[[Any, Batch], dict[str, tuple[Tensor, int]]]


@dataclass
class Totals:
    """Sums of tensors, of which figures are made.

    Attributes:
        sums: by name a float64 tensor on the CPU.
        counts: by the same name how many elements it counts.
    """

    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, value: Tensor, count: int) -> None:
        """Adds a tensor to the sum of its name."""
        value = value.detach().double().cpu()
        self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.counts[name] = self.counts.get(name, 0) + count

    def of_all_ranks(self, world_size: int) -> Totals:
        """The sum over the ranks, in the order of the ranks (every rank must call it).

        A rank that had no batch, and so knows no names, may take part.
        """
        if world_size == 1:
            return self
        gathered: list[Any] = [None] * world_size
        torch.distributed.all_gather_object(gathered, (self.sums, self.counts))
        together = Totals()
        for sums, counts in gathered:
            for name, value in sums.items():
                together.add(name, value, counts[name])
        return together


@torch.no_grad()
def totals(
    task: Task, sums: Sums, model: nn.Module, batches: Iterable[Batch], device: torch.device
) -> Totals:
    """Sums over all batches.

    Args:
        task: says which batches must be taken apart.
        sums: what is summed: `task.validation_sums` or `task.figure_sums`.
        model: the network, in eval mode, on ``device``.
        batches: a whole split, or this rank's part of it.
        device: where the model is.
    """
    found = Totals()
    for batch in batches:
        # In a part no row's figure depends on its neighbours.
        for part in task.apart(batch):
            for name, (value, count) in sums(model, to_device(part, device)).items():
                found.add(name, value, count)
    return found


def to_device(batch: Batch, device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on ``device``."""
    return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
