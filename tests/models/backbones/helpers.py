"""What tests of backbones share: weights that hide nothing, and the à trous relation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def shaken(model: nn.Module) -> nn.Module:
    """Statistics and parameters of every normalization drawn at random, in eval mode."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
    return model.eval()


def every(x: Tensor, step: int) -> Tensor:
    """Every step-th row and column."""
    return x[..., ::step, ::step]


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """Equal relative to the largest value: deep networks scale rounding with it."""
    scale = float(expected.abs().max())
    torch.testing.assert_close(actual, expected, atol=tolerance * scale, rtol=0)
