"""The stacks of wavestack as programs: gated blocks, effect layers, temporal blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from wavestack.inference.engines.blocks.parts import (
    build_conv,
    condition_signal,
    fold_batch_norm,
)
from wavestack.inference.engines.blocks.program import (
    GATE,
    GLU,
    Past,
    Piece,
    Program,
    fill,
    halves,
)
from wavestack.layers import DilatedStack, GatedResidualBlock
from wavestack.layers.norm import ChannelNorm, MaskedBatchNorm1d
from wavestack.models.audio_effect import AudioEffect
from wavestack.models.tcn import TCN
from wavestack.models.wavenet import WaveNet


def build_stack(program: Program, stack: DilatedStack, x: int) -> int:
    gates: list[int] = []
    skips: int | None = None
    for module in stack.blocks:
        block = cast(GatedResidualBlock, module)
        entered = x
        if block.narrow is not None:
            entered = build_conv(program, block.narrow, x, remembered=False)
        mixed = None
        if block.condition is not None:
            mixed = (condition_signal(program), halves(block.condition.weight))
        weight, bias = halves(block.conv.weight), block.conv.bias
        y = build_conv(
            program,
            block.conv,
            entered,
            weight=weight,
            bias=None if bias is None else halves(bias),
            mixed=mixed,
            into=program.signal(weight.shape[0], "gates"),
        )
        size = block.dilation_channels
        z = program.gate(y, size, GATE, program.signal(size, None if stack.lookahead else "z"))
        if stack.lookahead:
            beside = [(x, stack.residual_channels), *((gate, size) for gate in gates)]
            _wait(program, beside, program.condition, program.delays[x], program.delays[z])
            gates.append(z)
        elif stack.skip_channels is not None:
            skips = _add_skip(program, block, stack.skip_channels, z, skips)
        if block.residual_output:
            count, weight, bias = stack.residual_channels, block.project.weight, block.project.bias
            own = None if bias is None else bias[:count]
            x = program.convolve(z, weight[:count], own, onto=x, remembered=False)
    if stack.skip_channels is not None:
        for module, z in zip(stack.blocks, gates, strict=False):
            # All at the delay of the last gate.
            delay = program.delays[gates[-1]]
            block = cast(GatedResidualBlock, module)
            skips = _add_skip(program, block, stack.skip_channels, z, skips, delay)
    return x if skips is None else skips


def _add_skip(
    program: Program,
    block: GatedResidualBlock,
    channels: int,
    z: int,
    skips: int | None,
    delay: int = 0,
) -> int:
    """The sum of skips with that of one more block."""
    into = program.signal(channels) if skips is None else skips
    weight, bias = block.project.weight[-channels:], block.project.bias
    bias = None if bias is None else bias[-channels:]
    return program.convolve(z, weight, bias, onto=skips, into=into, remembered=False, delay=delay)


def _wait(
    program: Program,
    signals: Sequence[tuple[int | None, int]],
    condition: tuple[int, int, int] | None,
    since: int,
    until: int,
) -> None:
    """A tensor of the state: signals and the condition, held from one delay to another.

    Args:
        program: whose pasts it joins.
        signals: each with its channels; None stands for zeros.
        condition: as the program's.
        since, until: the delays.
    """
    pieces = [Piece(s, count, 0 if s is None else program.delays[s]) for s, count in signals]
    if condition is not None:
        pieces.append(Piece(condition[0], condition[2]))
    for piece in pieces:
        if piece.signal is not None:
            program.keep(piece.signal, until - piece.delay)
    program.pasts.append(Past(tuple(pieces), 0, since, until))


def wavenet_channels(model: WaveNet) -> int:
    """Of what enters: amplitudes for the first convolution, then the embedding."""
    first = 0 if model.first is None else model.first.in_channels
    return first + (0 if model.embed is None else model.residual_channels)


def build_wavenet(program: Program, model: WaveNet, x: int) -> int:
    first, embed = model.first, model.embed

    def enter(codes: Tensor) -> Tensor:
        parts = []
        if first is not None:
            parts.append(model.distribution.amplitudes(codes))
        if embed is not None:
            parts.append(embed(codes).transpose(1, 2))
        return torch.cat(parts, dim=1)

    program.enter = enter
    if first is not None:
        mixed = None
        if embed is not None:
            size = model.residual_channels
            chosen = first.weight.new_zeros(size, wavenet_channels(model), 1)
            chosen[:, -size:, 0] = torch.eye(size)
            mixed = (x, chosen)
        x = build_conv(program, first, x, mixed=mixed)
    x = program.pointwise("relu", build_stack(program, model.stack, x))
    x = build_conv(program, model.end, x, relu=True, remembered=False)
    return build_conv(program, model.out, x, remembered=False)


def build_effect(program: Program, effect: AudioEffect, x: int) -> int:
    dry, head = x, None
    gated = effect.activation == "gated"
    for i, array in enumerate(effect.each_array()):
        x = build_conv(program, array.enter, x, remembered=False)
        for layer in array.each_layer():
            width = layer.conv.in_channels
            weight, bias, mix = layer.conv.weight, layer.conv.bias, layer.mix_in.weight
            if gated:
                weight, bias, mix = halves(weight), halves(cast(Tensor, bias)), halves(mix)
            # The first activations of all are the head so far.
            z = program.signal(width, None if head is None else "z")
            y = program.signal(weight.shape[0], "gates") if gated else z
            build_conv(
                program,
                layer.conv,
                x,
                weight=weight,
                bias=bias,
                mixed=(dry, mix),
                into=y,
                relu=effect.activation == "relu",
            )
            if gated:
                program.gate(y, width, GATE, z)
            elif effect.activation == "tanh":
                program.pointwise("tanh", z)
            head = z if head is None else program.add(head, z, head)
            if layer.project is not None:
                x = program.convolve(
                    z, layer.project.weight, layer.project.bias, onto=x, remembered=False
                )
        scale = effect.head_scale if i == len(effect.arrays) - 1 else 1.0
        weight, bias = array.head.weight * scale, array.head.bias
        bias = None if bias is None else bias * scale
        head = build_conv(program, array.head, cast(int, head), weight=weight, bias=bias)
    return cast(int, head)


def build_tcn(program: Program, model: TCN, x: int) -> int:
    if model.embed is not None:
        program.enter = model.enter
    total: int | None = None
    for module in model.blocks:
        block: Any = module
        before, earlier = x, total
        y = _build_half(program, block, x, first=True)
        z = _build_half(program, block, y, first=False)
        if model.lookahead:
            _hold_back(program, model, block, before, earlier, y, z)
        if block.skip is not None:
            # In place, unless the sum so far has to wait for this block.
            fresh = total is None or block.lookahead
            into = program.signal(block.skip_channels) if fresh else total
            build_conv(program, block.skip, z, onto=total, into=into, remembered=False)
            total = into
        if block.residual_output:
            relu = block.activation == "relu"
            if block.shortcut is not None:
                x = build_conv(program, block.shortcut, x, onto=z, relu=relu, remembered=False)
            else:
                x = program.add(z, x, relu=relu)
            if block.activation == "gelu":
                program.pointwise("gelu", x)
    if total is not None:
        x = total
        if model.out is not None:
            program.pointwise("gelu" if model.activation == "gelu" else "relu", x)
    return x if model.out is None else build_conv(program, model.out, x, remembered=False)


def _hold_back(
    program: Program, model: TCN, block: Any, x: int, total: int | None, y: int, z: int
) -> None:
    """What the state of a model with look-ahead holds beside a block's convolutions.

    The input and the sum of skips wait for the branch, and so does the condition, which enters
    behind the first convolution.
    """
    since, until, condition = program.delays[x], program.delays[z], program.condition
    if block.lookahead:
        _wait(program, [(x, block.in_channels)], None, since, until)
        entering = since if condition is None else program.delays[y]
        _wait(program, [], condition, since, entering)
    skips = [(total, model.skip_channels)] if model.skip_channels else []
    _wait(program, skips, condition, since, until)


def _build_half(program: Program, block: Any, x: int, first: bool) -> int:
    """Convolution, normalization, condition and activation of a temporal block."""
    conv, norm = (block.conv1, block.norm1) if first else (block.conv2, block.norm2)
    glu = block.activation == "glu"
    lay_out: Callable[[Tensor], Tensor] = halves if glu else lambda weight: weight
    weight, bias = conv.weight, conv.bias
    if isinstance(norm, MaskedBatchNorm1d):
        weight, bias = fold_batch_norm(weight, bias, norm)
    condition = block.condition if first else None
    film = condition is not None and condition.out_channels == 2 * conv.out_channels
    plain = norm is None or isinstance(norm, MaskedBatchNorm1d)
    mixed = None
    if condition is not None and plain and not film:
        mixed = (condition_signal(program), lay_out(condition.weight))
    late = condition if mixed is None else None  # enters after the convolution is complete
    relu = block.activation == "relu"
    # The second convolution looks back on what the first one gives; nobody on what it gives itself.
    width = lay_out(weight).shape[0]
    name = "gates" if glu else None if first else "z"
    y = build_conv(
        program,
        conv,
        x,
        weight=lay_out(weight),
        bias=None if bias is None else lay_out(bias),
        mixed=mixed,
        into=program.signal(width, name),
        relu=relu and plain and late is None,
    )
    if isinstance(norm, ChannelNorm):
        program.layer_norm(y, norm.weight, norm.bias, norm.eps, parts=2 if glu else 1)
    if late is not None:
        parts = late.weight.chunk(2) if film else (late.weight,)
        weight = torch.cat([fill(lay_out(part)) for part in parts])
        h = program.convolve(
            condition_signal(program),
            weight,
            into=program.signal(weight.shape[0], "film"),
            remembered=False,
            delay=program.delays[y],
        )
        y = program.film(y, h) if film else program.add(y, h, y)
    if glu:
        size = block.out_channels
        return program.gate(y, size, GLU, program.signal(size, None if first else "z"))
    if block.activation == "gelu":
        program.pointwise("gelu", y)
    elif relu and not (plain and late is None):
        program.pointwise("relu", y)
    return y
