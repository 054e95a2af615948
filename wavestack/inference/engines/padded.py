"""A WaveNet's weights and past as GPU kernels take them: channels padded to powers of two."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wavestack.inference.engines.plan import Plan
from wavestack.models.output import LogisticMixture, MuLawSoftmax
from wavestack.models.wavenet import WaveNet

SOFTMAX, MIXTURE, NORMAL = 0, 1, 2  # what a kernel's head draws from
LEAST = 32  # the least side of a matrix product on tensor cores


def padded_size(size: int) -> int:
    """The power of two, at least 32, that a kernel's tile has for so many channels."""
    return max(LEAST, 1 << (size - 1).bit_length())


def head_of(model: WaveNet) -> tuple[int, int]:
    """What the head draws from, and how many codes or components it chooses among."""
    family = model.distribution
    if isinstance(family, MuLawSoftmax):
        return SOFTMAX, family.num_parameters
    if isinstance(family, LogisticMixture):
        return MIXTURE, family.num_mixtures
    return NORMAL, 1


def tile_sizes(model: WaveNet) -> dict[str, int]:
    """The kernels' compile-time sizes: C conv, R residual, D dilation, S skip and E end channels,
    W what the first convolution reads, Q codes or components.

    Example:
        >>> tile_sizes(WaveNet(24, 40, 64, 100, num_layers=2))
        {'C': 32, 'R': 32, 'D': 64, 'S': 64, 'E': 128, 'W': 32, 'Q': 256}
    """
    block: Any = model.stack.blocks[0]
    head, columns = head_of(model)
    window = 1 if model.first is None else model.first.in_channels * model.first.kernel_size[0]
    channels = {
        "C": block.conv.in_channels,
        "R": model.residual_channels,
        "D": block.dilation_channels,
        "S": model.stack.skip_channels or 0,
        "E": model.end.out_channels,
        "W": window,
        # The continuous heads need one random number more than components.
        "Q": columns if head == SOFTMAX else columns + 1,
    }
    return {name: padded_size(size) for name, size in channels.items()}


class PaddedPlan:
    """A ``Plan`` with every side of every matrix padded by zeros, and the head by family.

    Zeros stay zeros through tanh(f) (1 + tanh(g)) and relu, so the padding costs arithmetic but
    changes nothing.

    Args:
        model: in eval mode.
        dtype: of the matrices and rings; sums and offsets are float32.

    Attributes:
        sizes: see ``tile_sizes``.
        taps: (k, L, C, 2 D), the present sample's tap first; f and g of a channel side by side.
        window: past network inputs that the first convolution reads, 0 without one.
    """

    def __init__(self, model: WaveNet, dtype: torch.dtype) -> None:
        # Offsets are sums over all layers: never in half precision.
        half = next(model.parameters()).dtype in (torch.float16, torch.bfloat16)
        plan = Plan(copy.deepcopy(model).float() if half else model)
        self.plan, self.dtype = plan, dtype
        family: Any = model.distribution
        self.head, self.num_columns = head_of(model)
        self.num_amplitudes = family.num_amplitudes
        self.window = 0 if plan.first is None else len(plan.first) // family.num_amplitudes
        self.sizes = tile_sizes(model)
        self._lay_out_blocks(plan)
        self._lay_out_ends(plan)

    def conditioned_bias(self, condition: Tensor) -> Tensor:
        """The gates' offsets with the condition's share: (B, C, n) -> (n, L, B, 2 D) float32, as
        ``taps`` has its columns."""
        condition = condition.to(self.plan.gate_bias.dtype)
        return self._gates(self.plan.conditioned_bias(condition).float())

    def _gates(self, gates: Tensor) -> Tensor:
        """[f | g] in the last dimension to padded f and g of each channel side by side."""
        halves = gates.unflatten(-1, (2, -1))
        halves = F.pad(halves, (0, self.sizes["D"] - halves.shape[-1]))
        return halves.transpose(-1, -2).flatten(-2).contiguous()

    def _lay_out_blocks(self, plan: Plan) -> None:
        C, R, D, S = (self.sizes[name] for name in "CRDS")
        taps = torch.stack([plan.present_taps, *plan.old_taps])
        self.num_taps = len(taps)
        self.taps = self._pad(self._gates(taps), C, 2 * D)
        # A dummy where there is none: a kernel's argument needs an address.
        self.narrow = self.taps if plan.narrow is None else self._pad(plan.narrow, R, C)
        self.residual = self._pad(plan.project[..., : plan.residual_channels], D, R)
        self.skip = self._pad(plan.project[..., plan.residual_channels :], D, S)
        self.gate_bias = self._gates(plan.gate_bias.float())
        self.skip_bias = self._pad_row(plan.skip_bias, S)
        device = self.taps.device
        lengths = [(k - 1) * d + 1 for k, d in zip(plan.kernel_sizes, plan.dilations, strict=True)]
        starts = [sum(lengths[:i]) for i in range(len(lengths))]
        numbers = [*starts, *lengths, *plan.dilations, *plan.kernel_sizes]
        self.num_positions = sum(lengths)
        self.geometry = torch.tensor(numbers, dtype=torch.int32, device=device)

    def _lay_out_ends(self, plan: Plan) -> None:
        R, S, E, W, Q = (self.sizes[name] for name in "RSEWQ")
        residual = plan.residual_channels
        like = self.skip_bias
        # Codes enter by a row of the table; otherwise row 0 holds the first convolution's offset.
        if plan.table is None:
            rows, self.amplitudes = plan.first_bias[None], like
        else:
            rows = plan.table
            self.amplitudes = like if plan.amplitudes is None else plan.amplitudes.float()
        self.amplitudes = self.amplitudes.contiguous()
        self.table = F.pad(rows[:, :residual].float(), (0, R - residual)).contiguous()
        # Amplitudes in all their 24 bits: they are few.
        first = self.table.new_zeros(0, residual) if plan.first is None else plan.first
        self.first = self._pad(first[:, :residual], W, R, torch.float32)
        self.end, self.end_bias = self._pad(plan.end, S, E), self._pad_row(plan.end_bias, E)
        # Each kind of parameter in columns of its own.
        self.num_kinds = len(plan.out_bias) // self.num_columns
        kinds, missing = (self.num_kinds, self.num_columns), (0, Q - self.num_columns)
        self.out = self._pad(
            F.pad(plan.out.unflatten(1, kinds), missing).flatten(1), E, self.num_kinds * Q
        )
        self.out_bias = F.pad(plan.out_bias.unflatten(0, kinds), missing).flatten().float()

    def _pad(self, matrix: Tensor, rows: int, columns: int, dtype: Any = None) -> Tensor:
        missing = (0, columns - matrix.shape[-1], 0, rows - matrix.shape[-2])
        return F.pad(matrix, missing).to(dtype or self.dtype).contiguous()

    def _pad_row(self, row: Tensor, columns: int) -> Tensor:
        return F.pad(row, (0, columns - len(row))).float().contiguous()


class PaddedRings:
    """The past of all layers, (positions, B, C), and of the first convolution.

    Layer l owns (kernel_size - 1) * dilation + 1 positions, one more than it looks back: what a
    step writes is then never what it reads, and a kernel needs one barrier a step.

    Args:
        padded: geometry and constants.
        state: the model's stream state.
        current: the network input of the next step.
    """

    def __init__(self, padded: PaddedPlan, state: Any, current: Tensor) -> None:
        first, histories = state
        self.batch_size = batch_size = current.shape[0]
        shape = (padded.num_positions, batch_size, padded.sizes["C"])
        self.data = torch.zeros(shape, dtype=padded.dtype, device=current.device)
        self._fill(padded, histories)
        # Slot t modulo (window + 1) holds the amplitudes at step t.
        slots = (padded.window + 1, padded.num_amplitudes, batch_size)
        self.inputs = torch.zeros(slots, dtype=torch.float32, device=current.device)
        if padded.window:
            past = first.permute(2, 1, 0)  # steps -(window - 1) to -1
            self.inputs[padded.window + 1 - len(past) :] = past
        # Codes stay integers; real values are their own amplitude.
        self.codes = torch.zeros(batch_size, dtype=torch.int32, device=current.device)
        self.set_current(padded, current)

    def set_current(self, padded: PaddedPlan, current: Tensor, step: int = 0) -> None:
        """Put the network input of a step in its place: B codes or values."""
        values = current.reshape(self.batch_size)
        slot = step % len(self.inputs)
        if padded.head == SOFTMAX:
            self.codes.copy_(values)
            if padded.window:
                self.inputs[slot] = padded.amplitudes[values].T
        else:
            self.inputs[slot, 0] = values

    def _fill(self, padded: PaddedPlan, histories: Sequence[Tensor]) -> None:
        starts, lengths = padded.geometry.view(4, -1)[:2].tolist()
        columns = zip(histories, starts, lengths, padded.plan.constants, strict=True)
        for history, start, length, constant in columns:
            past = history.permute(2, 0, 1) - constant  # steps -(length - 1) to -1
            self.data[start + 1 : start + length, :, : past.shape[-1]] = past
