"""A WaveNet's weights laid out for one-sample steps, and the rings that hold its past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from wavestack.layers import GatedResidualBlock
from wavestack.models.wavenet import WaveNet


class Plan:
    """Weights of all layers as products of row vectors, offsets moved to where they cost nothing.

    With x' the residual row and c_l the sum of the residual offsets before layer l, the signal
    of the paper is x' + c_l. The halves of the gate's tanh form are in the weights, see
    ``EagerEngine``.

    Args:
        model: in eval mode.

    Attributes:
        present_taps: (L, conv_channels, 2 D) weights of the tap at the present sample.
        old_taps: one (L, conv_channels, 2 D) per older tap, 1 dilation back first; zeros where a
            layer has fewer.
        gate_bias: (L, 1, 2 D) offsets of the gates for the signals less their constants.
        constants: (L, conv_channels), what the rings hold less than the paper's signal.
    """

    def __init__(self, model: WaveNet) -> None:
        blocks = [cast(GatedResidualBlock, block) for block in model.stack.blocks]
        self.num_layers = len(blocks)
        self.residual_channels = model.residual_channels
        self.skip_channels = model.stack.skip_channels or 0
        self.dilation_channels = blocks[0].dilation_channels
        self.conv_channels = blocks[0].conv.in_channels
        self.dilations = model.stack.dilations
        self.kernel_sizes = model.stack.kernel_sizes
        self._lay_out_blocks(blocks)
        self._lay_out_ends(model)

    def conditioned_bias(self, condition: Tensor) -> Tensor:
        """The gates' offsets with the condition's share: (B, C, n) -> (n, L, B, 2 D)."""
        share = torch.einsum("bcn,lcd->nlbd", condition, self.condition)
        return share + self.gate_bias

    def _lay_out_blocks(self, blocks: list[GatedResidualBlock]) -> None:
        size, residual = self.dilation_channels, self.residual_channels
        half = torch.ones(2 * size).to(blocks[0].conv.weight)
        half[size:] = 0.5  # sigmoid(a) = (1 + tanh(a / 2)) / 2
        taps, biases, projects, narrows, conditions, constants = [], [], [], [], [], []
        offset = half.new_zeros(residual)
        skip_bias = half.new_zeros(self.skip_channels)
        for block in blocks:
            weight = block.conv.weight * half[:, None, None]
            taps.append(weight.permute(2, 1, 0).flip(0))  # present tap first: (k, C, 2 D)
            constant = offset
            if block.narrow is not None:
                constant = block.narrow.weight[..., 0] @ offset + _offset(block.narrow)
                narrows.append(block.narrow.weight[..., 0].T)
            constants.append(constant)
            biases.append(_offset(block.conv) * half + weight.sum(2) @ constant)
            if block.condition is not None:
                conditions.append((block.condition.weight[..., 0] * half[:, None]).T)
            # The last block has no residual output: zeros keep the rows alike.
            project = block.project.weight[..., 0].T / 2
            bias = _offset(block.project)
            missing = residual + self.skip_channels - len(bias)
            projects.append(torch.cat([project.new_zeros(size, missing), project], dim=1))
            bias = torch.cat([bias.new_zeros(missing), bias])
            offset = offset + bias[:residual]
            skip_bias = skip_bias + bias[residual:]
        most = max(2, *self.kernel_sizes)  # one old tap at least, if only of zeros
        padded = [torch.cat([t, t.new_zeros(most - len(t), *t.shape[1:])]) for t in taps]
        stacked = torch.stack(padded, dim=1).contiguous()  # (k, L, C, 2 D)
        self.present_taps, self.old_taps = stacked[0], list(stacked[1:])
        self.gate_bias = torch.stack(biases)[:, None]
        self.constants = torch.stack(constants)
        self.project = torch.stack(projects).contiguous()
        self.skip_bias = skip_bias
        self.narrow = torch.stack(narrows).contiguous() if narrows else None
        self.condition = torch.stack(conditions) if conditions else None

    def _lay_out_ends(self, model: WaveNet) -> None:
        room = (0, self.skip_channels)  # the row's skip half starts at zero
        pad = torch.nn.functional.pad
        self.table: Any = None  # per code: its embedding, and the first convolution's offset
        self.amplitudes: Any = None  # per code: what the first convolution reads
        self.first: Any = None
        self.first_bias: Any = None
        self.first_channels = 0
        if model.embed is not None:
            self.table = pad(model.embed.weight, room)
        if model.first is not None:
            self.first_channels = model.first.in_channels
            self.first = pad(model.first.weight.permute(2, 1, 0).flatten(0, 1), room)
            self.first_bias = pad(_offset(model.first), room)
            if model.embed is not None:
                self.table = self.table + self.first_bias
                codes = torch.arange(len(self.table), device=self.table.device)[None]
                self.amplitudes = model.distribution.amplitudes(codes)[0].T.to(self.table)
        self.end, self.end_bias = model.end.weight[..., 0].T.contiguous(), _offset(model.end)
        self.out, self.out_bias = model.out.weight[..., 0].T.contiguous(), _offset(model.out)


class Rings:
    """The past inputs of all dilated convolutions in one tensor, (positions, B, conv_channels).

    Layer l owns (kernel_size - 1) * dilation positions; the input of step t lies at t modulo that
    number. Position 0 is always zero, for taps that a layer does not have; position 1 takes
    what layers without a past would store.

    Args:
        plan: geometry and constants.
        histories: the stack's stream state, one (B, conv_channels, samples) per layer.
    """

    def __init__(self, plan: Plan, histories: Sequence[Tensor]) -> None:
        self.plan = plan
        lengths = [(k - 1) * d for k, d in zip(plan.kernel_sizes, plan.dilations, strict=True)]
        batch_size = histories[0].shape[0]
        self.data = plan.gate_bias.new_zeros(2 + sum(lengths), batch_size, plan.conv_channels)
        start = 2
        starts = []
        for history, length, constant in zip(histories, lengths, plan.constants, strict=True):
            self.data[start : start + length] = history.permute(2, 0, 1) - constant
            starts.append(start if length else 1)
            start += length
        device = self.data.device
        self.starts = torch.tensor(starts, device=device)
        self.lengths = torch.tensor([max(1, length) for length in lengths], device=device)
        self.dilations = torch.tensor(plan.dilations, device=device)
        self.kernel_sizes = torch.tensor(plan.kernel_sizes, device=device)
        self.taps = torch.arange(1, len(plan.old_taps) + 1, device=device)[:, None]

    def positions(self, first_step: int, num_steps: int) -> tuple[Tensor, Tensor]:
        """Where each step reads and writes.

        Shape:
            -> reads (num_steps, old taps, L), 1 dilation back first; writes (num_steps, L)
        """
        steps = torch.arange(first_step, first_step + num_steps, device=self.data.device)
        return self.positions_at(steps)

    def positions_at(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """The same for steps that lie on the device: (n,) int64."""
        writes = self.starts + steps[:, None] % self.lengths
        past = steps[:, None, None] - self.taps * self.dilations
        reads = self.starts + past % self.lengths
        return reads.masked_fill(self.taps >= self.kernel_sizes, 0), writes


def _offset(conv: torch.nn.Conv1d) -> Tensor:
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
