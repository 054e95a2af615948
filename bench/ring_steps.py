"""Frozen yardsticks for streaming: plain ring-buffer steps as one would write them.

For a chain of convolutions of kernel 2, each followed by a ReLU, one column at a time: read the
old input from the layer's ring, write the new one, two products, ReLU. Not to be made faster.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wavestack.layers import CausalConv1d


class TorchRingStep:
    """(B, C) columns of input to columns of output."""

    def __init__(self, convs: Sequence[CausalConv1d], batch_size: int = 1) -> None:
        self.layers = [
            (conv.weight[..., 0].T.contiguous(), conv.weight[..., 1].T.contiguous(), conv.bias)
            for conv in convs
        ]
        self.dilations = [conv.dilation[0] for conv in convs]
        self.rings = [torch.zeros(conv.dilation[0], batch_size, conv.in_channels) for conv in convs]
        self.t = 0

    @torch.inference_mode()
    def step(self, x: Tensor) -> Tensor:
        for (old, new, bias), ring, d in zip(self.layers, self.rings, self.dilations, strict=True):
            slot = self.t % d
            y = torch.addmm(bias, ring[slot], old) + x @ new
            ring[slot] = x
            x = torch.relu(y)
        self.t += 1
        return x


class NumpyRingStep:
    """(C,) columns of input to columns of output."""

    def __init__(self, convs: Sequence[CausalConv1d]) -> None:
        self.layers = [
            tuple(
                np.ascontiguousarray(tensor.detach().numpy())
                for tensor in (conv.weight[..., 0], conv.weight[..., 1], conv.bias)
            )
            for conv in convs
        ]
        self.dilations = [conv.dilation[0] for conv in convs]
        self.rings = [np.zeros((conv.dilation[0], conv.in_channels), np.float32) for conv in convs]
        self.t = 0

    def step(self, x: np.ndarray) -> np.ndarray:
        for (old, new, bias), ring, d in zip(self.layers, self.rings, self.dilations, strict=True):
            slot = self.t % d
            y = old @ ring[slot] + new @ x + bias
            ring[slot] = x
            x = np.maximum(y, 0)
        self.t += 1
        return x
