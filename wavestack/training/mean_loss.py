"""The loss of a model over a list of whole recordings."""

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
    for batch in separate(batches):
        count += task.count(batch)
        loss_sum += task.loss_sum(model, to_device(batch, device)).double()
    return torch.stack([loss_sum.cpu(), torch.tensor(float(count), dtype=torch.float64)])


def separate(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Batches in which no row's figure depends on its neighbours.

    Padding comes after a recording's end and a causal network never sees it. Features are another
    matter: a frame may look at the next one, which is padding only where the batch has longer rows.
    So rows with features are cut to their own length and come one by one.
    """
    for batch in batches:
        if "features" not in batch or len(batch["waveform"]) == 1:
            yield batch
            continue
        hop_length = batch["waveform"].shape[-1] // batch["features"].shape[-1]
        for i, mask in enumerate(batch["mask"]):
            frames = -(-int(mask.nonzero().max() + 1) // hop_length) if mask.any() else 0
            row = {k: v[i : i + 1] for k, v in batch.items()}
            row["features"] = row["features"][..., :frames]
            for key in ("waveform", "mask"):
                row[key] = row[key][:, : frames * hop_length]
            if frames:
                yield row


def to_device(batch: Batch, device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on ``device``."""
    return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
