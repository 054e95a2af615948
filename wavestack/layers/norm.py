"""Normalizations of signals in batches with padding, and of one time step at a time."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers.lengths import hide_padding

NORMS = ("weight", "batch", "layer", None)


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalization whose statistics leave padding out.

    Shape:
        x: (B, C, T), valid: (B, 1, T) booleans or None -> (B, C, T)

    Attributes:
        synchronized: whether the statistics are those of the rows of all processes, see
            `synchronize_batch_norm`. Every process must then call the module equally often, be it
            with a batch without rows.

    Raises:
        ValueError: in training mode, when a single valid sample has no spread to divide by.

    References:
        Ioffe and Szegedy (2015), Batch Normalization.

    Example:
        >>> norm = MaskedBatchNorm1d(1)
        >>> x = torch.tensor([[[1.0, 3.0, 99.0]]])
        >>> norm(x, torch.tensor([[[True, True, False]]])).detach()[..., :2].round()
        tensor([[[-1.,  1.]]])
    """

    synchronized = False

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalize; the statistics are those of the valid samples."""
        shared = self.training and self.synchronized and _several_processes()
        if not shared and (x.shape[-1] == 0 or x.shape[0] == 0):
            return x
        if not self.training or (valid is None and not shared):
            return super().forward(x)
        total = _sum_over_processes if shared else _as_it_is
        number = x.shape[0] * x.shape[-1]
        samples = torch.tensor(number, device=x.device) if valid is None else valid.sum()
        count = int(total(samples))
        if count < 2:
            raise ValueError("batch normalization needs at least 2 valid samples in training mode")
        # 16-bit numbers cannot count beyond a few hundred or thousand samples.
        signal = hide_padding(x, valid).to(torch.promote_types(x.dtype, torch.float32))
        mean = total(signal.sum((0, 2))) / count
        # In two passes: the mean of squares less the squared mean loses half the digits.
        centred = hide_padding(signal - mean[:, None], valid)
        variance = total(centred.square().sum((0, 2))) / count
        self._remember(mean, variance * (count / (count - 1)))
        y = centred * torch.rsqrt(variance + self.eps)[:, None]
        y = y if self.weight is None else y * self.weight[:, None] + self.bias[:, None]
        return y.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        rate = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            rate = 1 / float(self.num_batches_tracked) if rate is None else rate
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate or 0.0)
        self.running_var.lerp_(variance.to(self.running_var.dtype), rate or 0.0)


def synchronize_batch_norm(module: nn.Module) -> nn.Module:
    """Has batch normalizations in training mode take the statistics of all processes' rows.

    `MaskedBatchNorm1d` is switched on in its place and keeps leaving padding out; any other becomes
    a `torch.nn.SyncBatchNorm` with the same parameters and buffers, which needs a GPU.

    Args:
        module: a model, which is changed in place.

    Returns:
        The module, or what stands in its place where it is itself a normalization.

    Example:
        >>> model = nn.Sequential(MaskedBatchNorm1d(2), nn.BatchNorm2d(2))
        >>> [type(part).__name__ for part in synchronize_batch_norm(model)]
        ['MaskedBatchNorm1d', 'SyncBatchNorm']
    """
    if isinstance(module, MaskedBatchNorm1d):
        module.synchronized = True
        return module
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for name, child in module.named_children():
        module.add_module(name, synchronize_batch_norm(child))
    return module


def _several_processes() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _sum_over_processes(x: Tensor) -> Tensor:
    """The sum of every process's tensor; the gradients of all of them flow back to each."""
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(x)


def _as_it_is(x: Tensor) -> Tensor:
    return x


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of each time step: no step reads another.

    Shape:
        x: (B, C, T) -> (B, C, T)

    References:
        Ba, Kiros and Hinton (2016), Layer Normalization.

    Example:
        >>> ChannelNorm(2)(torch.tensor([[[1.0, 5.0], [3.0, 5.0]]])).detach().round()
        tensor([[[-1.,  0.],
                 [ 1.,  0.]]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize every column."""
        columns = x.transpose(1, 2)
        y = F.layer_norm(columns, self.normalized_shape, self.weight, self.bias, self.eps)
        return y.transpose(1, 2)


def make_norm(norm: str | None, channels: int) -> MaskedBatchNorm1d | ChannelNorm | None:
    """The module for a name of NORMS; None for "weight", which belongs to the convolution."""
    if norm == "batch":
        return MaskedBatchNorm1d(channels)
    return ChannelNorm(channels) if norm == "layer" else None


def normalize(norm: nn.Module | None, x: Tensor, valid: Tensor | None) -> Tensor:
    """Apply what ``make_norm`` made, or what has been put in its place."""
    if norm is None:
        return x
    # What normalizes each step by itself cannot mix padding in; anything else must be told of it.
    return norm(x) if valid is None or isinstance(norm, ChannelNorm) else norm(x, valid)
