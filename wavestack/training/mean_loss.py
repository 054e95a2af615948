"""The loss and the figures of a model over a whole split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.tasks.base import Batch, Task


@torch.no_grad()
def loss_totals(
    task: Task, model: nn.Module, batches: Iterable[Batch], device: torch.device
) -> Tensor:
    """Sums over all batches.

    Args:
        task: says what is summed and what counts.
        model: the network, in eval mode, on ``device``.
        batches: whole recordings, padded; masks say what counts.
        device: where the model is.

    Returns:
        A float64 tensor (sum of losses, number of elements that count) on the CPU.
    """
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    count = 0
    for batch in separate(task, batches):
        count += task.count(batch)
        loss_sum += task.loss_sum(model, to_device(batch, device)).double()
    return torch.stack([loss_sum.cpu(), torch.tensor(float(count), dtype=torch.float64)])


@torch.no_grad()
def figure_means(
    task: Task, model: nn.Module, batches: Iterable[Batch], device: torch.device
) -> tuple[dict[str, float], dict[str, int]]:
    """The figures that a task reports, over all batches.

    Args:
        task: says which figures there are and what they count.
        model: the network, in eval mode, on ``device``.
        batches: a whole split.
        device: where the model is.

    Returns:
        For each figure its value and how many elements it counts.
    """
    sums = {figure.name: 0.0 for figure in task.figures}
    counts = {figure.name: 0 for figure in task.figures}
    for batch in separate(task, batches):
        for name, (value, count) in task.figure_sums(model, to_device(batch, device)).items():
            sums[name] += float(value.double())
            counts[name] += count
    means = {f.name: f.scale * sums[f.name] / max(counts[f.name], 1) for f in task.figures}
    return means, counts


def separate(task: Task, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Batches in which no row's figure depends on its neighbours."""
    for batch in batches:
        yield from task.apart(batch)


def to_device(batch: Batch, device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on ``device``."""
    return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
