"""Small WaveNets of every kind, with conditions for a batch."""

from __future__ import annotations

from typing import Any

import torch

from wavestack.models import WaveNet

SMALL: dict[str, Any] = {
    "residual_channels": 6,
    "dilation_channels": 5,
    "skip_channels": 7,
    "end_channels": 4,
    "num_layers": 3,
    "num_stacks": 2,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "levels": {"quantization_channels": 512, "input_kernel_size": 3},
    "logistic": {"output": "logistic_mixture", "num_mixtures": 3, "input_kernel_size": 2},
    "gaussian": {"output": "gaussian", "weight_norm": True},
    "labels": {"num_labels": (3, 10), "label_channels": 4},
    "features": {"condition_channels": 5, "hop_length": 8},
    "both": {
        "num_labels": (3,),
        "condition_channels": 5,
        "hop_length": 4,
        "bottleneck_channels": 3,
        "weight_norm": True,
    },
    "lists": {"dilations": (1, 3, 7), "kernel_sizes": (1, 4, 2)},
    "pointwise": {"kernel_size": 1},
}


def build(name: str, length: int, batch_size: int) -> tuple[WaveNet, dict[str, torch.Tensor]]:
    """A model with offsets that matter, and conditions for a batch."""
    model = WaveNet(**SMALL, **VARIANTS[name]).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("bias"):
                parameter.add_(0.3 * torch.randn_like(parameter))
    conditions = {}
    if model.num_labels:
        columns = [torch.randint(0, n, (batch_size,)) for n in model.num_labels]
        conditions["labels"] = torch.stack(columns, dim=1)
    if model.condition_channels:
        frames = -(-length // model.hop_length)
        conditions["features"] = torch.randn(batch_size, model.condition_channels, frames)
    return model, conditions
