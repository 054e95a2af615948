"""How the causal modules of wavestack become programs: by their structure, class by class.

A class is known exactly, never by inheritance: a subclass may compute something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from wavestack.inference.chain import Chain
from wavestack.inference.engines.blocks.parts import (
    affine,
    build_conv,
    dense_weight,
    fold_batch_norm,
)
from wavestack.inference.engines.blocks.program import Program, UnsupportedModelError
from wavestack.inference.engines.blocks.stacks import (
    build_effect,
    build_stack,
    build_tcn,
    build_wavenet,
    wavenet_channels,
)
from wavestack.layers import CausalConv1d, DilatedStack, LookaheadConv1d
from wavestack.models.audio_effect import AudioEffect
from wavestack.models.tcn import TCN
from wavestack.models.wavenet import WaveNet


def build_program(model: nn.Module) -> Program:
    """The program of a model in eval mode.

    Raises:
        UnsupportedModelError: saying which part cannot be compiled.
    """
    if not _has_width(model):
        raise UnsupportedModelError(f"{type(model).__name__} is not among the modules it knows")
    program = Program()
    channels = _input_channels(model)
    owner: Any = model.stack if isinstance(model, WaveNet) else model
    condition = getattr(owner, "condition_channels", None) or 0
    beside = isinstance(model, AudioEffect)  # whose mix-ins read input and condition as one
    program.input = program.signal(channels + condition * beside)
    program.input_channels = channels
    if condition:
        place = (program.input, channels) if beside else (program.signal(condition), 0)
        program.condition = (*place, condition)
    program.output = _build(program, model, program.input)
    if not program.pasts:
        raise UnsupportedModelError("it has no convolution")
    return program


def _input_channels(model: Any) -> int:
    if isinstance(model, Chain):
        return next((_input_channels(part) for part in model.parts if _has_width(part)), 1)
    if isinstance(model, AudioEffect):
        return 1
    if isinstance(model, WaveNet):
        return wavenet_channels(model)
    return model.residual_channels if isinstance(model, DilatedStack) else model.in_channels


def _kind(module: nn.Module) -> type:
    """The class of a module; weight normalization puts one of its own before it."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def _has_width(part: nn.Module) -> bool:
    return _kind(part) in _BUILDERS


def _build(program: Program, model: nn.Module, x: int, **options: Any) -> int:
    builder = _BUILDERS.get(_kind(model)) or _POINTWISE.get(_kind(model))
    if builder is None:
        raise UnsupportedModelError(f"{type(model).__name__} is not among the modules it knows")
    return builder(program, model, x, **options)


def _build_chain(program: Program, chain: Chain, x: int) -> int:
    parts = list(chain.parts)
    while parts:
        part = parts.pop(0)
        if getattr(part, "condition_channels", None):
            raise UnsupportedModelError("a part of a Sequential wants a condition")
        if type(part) is WaveNet or getattr(part, "embed", None) is not None:
            raise UnsupportedModelError("a part of a Sequential takes codes or tokens")
        options: dict[str, Any] = {}
        if _kind(part) is CausalConv1d:
            conv = cast(CausalConv1d, part)
            if parts and type(parts[0]) is nn.BatchNorm1d:
                weight, bias = fold_batch_norm(
                    dense_weight(conv), conv.bias, cast(nn.BatchNorm1d, parts.pop(0))
                )
                options = {"weight": weight, "bias": bias}
            if parts and type(parts[0]) is nn.ReLU:
                parts.pop(0)
                options["relu"] = True
        x = _build(program, part, x, **options)
    return x


def _build_batch_norm(program: Program, norm: nn.BatchNorm1d, x: int) -> int:
    scale, shift = affine(norm)
    return program.convolve(x, torch.diag(scale)[..., None], shift, remembered=False)


def _build_gelu(program: Program, module: nn.GELU, x: int) -> int:
    if module.approximate != "none":
        raise UnsupportedModelError(f"a GELU is approximated by {module.approximate}")
    return program.pointwise("gelu", x)


_BUILDERS: dict[type, Callable[..., int]] = {
    Chain: _build_chain,
    CausalConv1d: build_conv,
    LookaheadConv1d: build_conv,
    DilatedStack: build_stack,
    AudioEffect: build_effect,
    TCN: build_tcn,
    WaveNet: build_wavenet,
}
_POINTWISE: dict[type, Callable[..., int]] = {
    nn.Identity: lambda program, module, x: x,
    nn.Dropout: lambda program, module, x: x,
    nn.Dropout1d: lambda program, module, x: x,
    nn.BatchNorm1d: _build_batch_norm,
    nn.ReLU: lambda program, module, x: program.pointwise("relu", x),
    nn.LeakyReLU: lambda program, module, x: program.leaky_relu(x, module.negative_slope),
    nn.Tanh: lambda program, module, x: program.pointwise("tanh", x),
    nn.Sigmoid: lambda program, module, x: program.pointwise("sigmoid", x),
    nn.SiLU: lambda program, module, x: program.pointwise("silu", x),
    nn.GELU: _build_gelu,
}
