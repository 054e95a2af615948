"""Batch normalization of globally pooled features, which have one value per image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PooledBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization that also trains where a batch has a single value per channel.

    Behind global pooling a batch of one image is one value per channel: its variance is 0, and
    torch stops with "Expected more than 1 value per channel". Here such a batch is normalized by
    the running statistics, after it has moved them as one sample v of a weighted stream with
    momentum m:

        d = v - mean,  mean <- mean + m d,  var <- (1 - m) (var + m d^2)

    Training and evaluation then compute the same function, and as v has moved the variance itself,
    no normalized value exceeds sqrt((1 - m) / m), 3 for m = 0.1, so that the scale cannot run away
    while the gradient takes the statistics for constants. From two values on, and in evaluation,
    this is ``torch.nn.BatchNorm2d`` itself, with the same parameters and buffers.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: m, share of the newest batch in the running statistics.

    Shape:
        x: (B, num_features, H, W) -> the same

    References:
        Finch (2009), Incremental Calculation of Weighted Mean and Variance, section 9.
        Ioffe (2017), Batch Renormalization, section 3: why running statistics alone do not do.

    Example:
        >>> norm = PooledBatchNorm2d(8).train()
        >>> norm(torch.randn(1, 8, 1, 1)).shape
        torch.Size([1, 8, 1, 1])
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps, momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize.

        Shape:
            x: (B, num_features, H, W) -> the same
        """
        if not self.training or x.shape[0] * x.shape[2] * x.shape[3] != 1:
            return super().forward(x)
        mean, var = self._moved(x.detach().flatten().to(self.running_mean))
        return F.batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps)

    @torch.no_grad()
    def _moved(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """The running statistics after one more sample; copies, as the next call moves them."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        m = self.momentum
        difference = value - self.running_mean
        mean = self.running_mean + m * difference
        var = (1 - m) * (self.running_var + m * difference**2)
        self.running_mean.copy_(mean)
        self.running_var.copy_(var)
        self.num_batches_tracked.add_(1)
        return mean, var
