"""Single convolutions and normalizations as operations of a program."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wavestack.inference.engines.blocks.program import Program, UnsupportedModelError
from wavestack.layers import CausalConv1d, LookaheadConv1d


def build_conv(
    program: Program, conv: CausalConv1d | LookaheadConv1d, x: int, **options: Any
) -> int:
    """A convolution; options as in ``Program.convolve``."""
    if conv.stride[0] != 1:
        raise UnsupportedModelError(f"a convolution has stride {conv.stride[0]}")
    weight = options.pop("weight", None)
    weight = dense_weight(conv) if weight is None else weight
    bias = options.pop("bias", conv.bias)
    lookahead = getattr(conv, "lookahead", 0)
    return program.convolve(x, weight, bias, conv.dilation[0], lookahead=lookahead, **options)


def condition_signal(program: Program) -> int:
    if program.condition is None:
        raise UnsupportedModelError("a part of it wants a condition")
    return program.condition[0]


def dense_weight(conv: CausalConv1d | LookaheadConv1d) -> Tensor:
    """The weight with the zeros between its groups written out."""
    if conv.groups == 1:
        return conv.weight
    blocks = conv.weight.unflatten(0, (conv.groups, -1))
    size = blocks.shape[2]
    dense = conv.weight.new_zeros(conv.out_channels, conv.in_channels, conv.kernel_size[0])
    for i, block in enumerate(blocks):
        rows = slice(i * block.shape[0], (i + 1) * block.shape[0])
        dense[rows, i * size : (i + 1) * size] = block
    return dense


def fold_batch_norm(
    weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm1d
) -> tuple[Tensor, Tensor]:
    """A convolution and the batch normalization behind it as one."""
    scale, shift = affine(norm)
    bias = shift if bias is None else bias * scale + shift
    return weight * scale[:, None, None], bias


def affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise UnsupportedModelError("a batch normalization keeps no running statistics")
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias
