"""The convolution of a zero-padded signal, which keeps no padded copy for the backward pass.

``F.conv1d(F.pad(x, ...))`` saves the padded signal, beside x itself, which the activation before it
has saved already: twice the memory. Here the backward pass pads x again. On a CPU it also takes
faster ways to the same sums:

* The gradient of x is a convolution of the same kind with the kernel turned round. oneDNN computes
  that in half the time of its own backward pass for dilated kernels.
* The gradient of a tap's weights, sum over t of g[:, t] x[:, t + shift]^T, is for a long row
  a convolution whose kernel is all of g: a single output position. oneDNN runs it at the peak of
  the machine, where the BLAS's matrix product reaches 40 % on an AMD CPU.

Measured by ``python -m bench.training_path``.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# In smaller batches and shorter rows the Python costs more than the copies that it saves.
LEAST_VALUES, LEAST_SAMPLES = 1 << 16, 512
# Rows from which on the weights' gradient is taken row by row.
LONG_ROW = 8192


def padded_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    left: int,
    right: int,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve x with zeros on both sides; the faster of two ways to the same function.

    Args:
        x: the signal.
        weight: (out_channels, C / groups, kernel_size).
        bias: (out_channels,) or None.
        left: zeros before the first sample.
        right: zeros behind the last.
        stride: input samples per output.
        dilation: input samples between two taps.
        groups: as in torch.nn.functional.conv1d.

    Shape:
        x: (B, C, T) -> (B, out_channels, 1 + (T + left + right - span - 1) // stride), where
        span = (kernel_size - 1) * dilation

    Example:
        >>> padded_conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 3), None, left=1, right=1)
        tensor([[[2., 3., 3., 2.]]])
    """
    if stride == groups == 1 and recomputing_pays(x, weight):
        return PaddedConv1d.apply(x, weight, bias, left, right, dilation)
    x = F.pad(x, (left, right)) if left or right else x
    return F.conv1d(x, weight, bias, stride, 0, dilation, groups)


def recomputing_pays(x: Tensor, weight: Tensor) -> bool:
    """Whether ``PaddedConv1d`` is worth its Python: in training, on a CPU, for long signals.

    Under autocast and in compiled graphs the plain operators stay: those choose dtypes and
    saved tensors by themselves.
    """
    return (
        not torch.compiler.is_compiling()  # first: what follows would tie a graph to its sizes
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and weight.shape[-1] > 1
        and x.numel() >= LEAST_VALUES
        and x.shape[-1] >= LEAST_SAMPLES
        and x.is_contiguous()  # else the copy is a transposition too, and dear to repeat
        and torch.is_grad_enabled()
        and (x.requires_grad or weight.requires_grad)
        and not torch.is_autocast_enabled("cpu")
    )


class PaddedConv1d(torch.autograd.Function):
    """x, weight, bias, left, right, dilation -> the convolution, with stride and groups 1.

    Works on every device and dtype, and can be differentiated twice: its gradients are made of
    torch's own operators.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor | None, left: int, right: int, dilation: int
    ) -> Tensor:
        return F.conv1d(zero_padded(x, left, right), weight, bias, dilation=dilation)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, ctx.left, ctx.right, ctx.dilation = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad[:3]
        grad_x = grad_weight = None
        if for_x:  # output t reads x[t + j d - left], so x[t] is read by output t - j d + left
            turned = weight.flip(2).transpose(0, 1).contiguous()
            span = (weight.shape[-1] - 1) * ctx.dilation
            # No name for the padded copy: its memory, still in the cache, serves again below.
            grad_x = F.conv1d(
                zero_padded(g, span - ctx.left, span - ctx.right), turned, dilation=ctx.dilation
            )
        if for_weight:
            grad_weight = weight_gradient(g, x, weight, ctx.left, ctx.right, ctx.dilation)
        return grad_x, grad_weight, g.sum((0, 2)) if for_bias else None, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        x, weight = ctx.saved_tensors
        dx, dweight, dbias = tangents[:3]
        parts = []
        for signal, kernel in ((dx, weight), (x, dweight)):
            if signal is not None and kernel is not None:
                padded = zero_padded(signal, ctx.left, ctx.right)
                parts.append(F.conv1d(padded, kernel, dilation=ctx.dilation))
        if dbias is not None:
            parts.append(dbias[:, None].expand_as(parts[0]) if parts else dbias[:, None])
        return sum(parts[1:], parts[0])


def weight_gradient(
    g: Tensor, x: Tensor, weight: Tensor, left: int, right: int, dilation: int
) -> Tensor:
    """The gradient of the kernel from that of the output, g: (B, out_channels, T)."""
    samples = x.shape[-1]
    rows = image_rows(samples) if samples == g.shape[-1] >= LONG_ROW else None
    if rows is None or g.device.type != "cpu" or g.dtype != torch.float32:
        padded = zero_padded(x, left, right)
        sizes = ([1], [0], [dilation], False, [0], 1)
        mask = [False, True, False]
        return torch.ops.aten.convolution_backward(g, padded, weight, None, *sizes, mask)[1]
    shape = (-1, 1, rows, samples // rows)
    gradients = []
    for j in range(weight.shape[-1]):
        delay = left - j * dilation  # tap j reads x that much earlier
        shifted = zero_padded(x, delay, -delay)
        products = [
            F.conv2d(x_row.reshape(shape), g_row.reshape(shape))[..., 0, 0].t()
            for x_row, g_row in zip(shifted, g, strict=True)
        ]
        gradients.append(sum(products[1:], products[0]))
    return torch.stack(gradients, dim=2)


def image_rows(samples: int) -> int | None:
    """Rows of an image that holds so many samples, 256 to 512 in each row; None where none fits.

    oneDNN takes a long kernel of several rows at full speed, one of a single row at half of it.

    Example:
        >>> image_rows(16384), image_rows(16000), image_rows(16411)
        (32, 32, None)
    """
    possible = range(max(2, samples // 512), samples // 256 + 1)
    return next((rows for rows in possible if samples % rows == 0), None)


def zero_padded(x: Tensor, left: int, right: int) -> Tensor:
    """x between zeros; a negative number cuts samples off instead.

    Joined and not filled, which takes half the time of torch.nn.functional.pad.
    """
    samples = x.shape[-1]
    if left < 0 or right < 0:
        x = x[..., max(0, -left) : samples - max(0, -right)]
    parts = [x.new_zeros(*x.shape[:-1], left)] if left > 0 else []
    parts.append(x)
    if right > 0:
        parts.append(x.new_zeros(*x.shape[:-1], right))
    return torch.cat(parts, dim=-1) if len(parts) > 1 else x
