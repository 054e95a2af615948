"""A WaveNet in the middle of generating, laid out for the kernel: one arena of weights in the
order of their use, one of signals, and the tables that name their addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavestack.inference.engines.compiled import tables as T
from wavestack.inference.engines.compiled.sampling import noise_lanes
from wavestack.inference.engines.compiled.weights import (
    BFLOAT16,
    FLOAT24,
    FLOAT32,
    pack_matrix,
    padded,
    to_bfloat16,
    to_float24,
)
from wavestack.inference.engines.plan import Plan, Rings
from wavestack.inference.engines.vector.memory import aligned_zeros
from wavestack.models.output import Gaussian, LogisticMixture
from wavestack.models.wavenet import WaveNet

Floats = NDArray[np.float32]

PRECISIONS = {"float32": FLOAT32, "float24": FLOAT24, "bfloat16": BFLOAT16}
_LINE_FLOATS = 16


class Network:
    """The tables of one network for one batch, and the memory that they point into.

    Args:
        model: in eval mode.
        state: its stream state.
        current: the next network input, (B, 1) codes or (B, 1, 1) values.
        condition: (B, C, 1), (B, C, T) or None.
        seed: of the sampling noise.
        precision: "float32", "float24" or "bfloat16", of the weight matrices.
        chunk: steps for which old taps are computed at once, a power of two.
        threads: 1 or 2.

    Attributes:
        table: the network's table, see ``tables``.
        layers: (L, LAYER_SIZE), the layers' tables.
    """

    def __init__(
        self,
        model: WaveNet,
        state: Any,
        current: Tensor,
        condition: Tensor | None,
        seed: int,
        precision: str = "float32",
        chunk: int = 16,
        threads: int = 1,
    ) -> None:
        self.model = model
        self.threads = threads
        self.plan = plan = Plan(model)
        self.batch_size = current.shape[0]
        self.chunk = chunk
        self.precision = PRECISIONS[precision]
        self.local = condition is not None and condition.shape[-1] > 1
        self.table = _table(T.NETWORK_SIZE)
        self.layers = _table(plan.num_layers * T.LAYER_SIZE).reshape(-1, T.LAYER_SIZE)
        self.residual, self.gate = padded(plan.residual_channels), padded(plan.dilation_channels)
        self.skip, self.conv = padded(plan.skip_channels), padded(plan.conv_channels)
        self.end = padded(plan.end.shape[1])
        self.out = padded(plan.out.shape[1])
        self._parts: list[tuple[Floats, list[tuple[NDArray[np.int64], Any]]]] = []
        self._memory: list[Any] = []  # what the tables point to must live as long as they
        self._lay_out_network(seed)
        self._lay_out_weights(condition)
        self._join()
        self._lay_out_signals(state, current)

    def set_current(self, current: Tensor) -> None:
        """Take (B, 1) codes or (B, 1, 1) values as the next input, whatever was drawn."""
        if self.plan.table is not None:
            self._codes[:] = current[:, 0].numpy()
        else:
            self._values[:] = current[:, 0, 0].numpy()

    def set_conditions(self, columns: Tensor, first_step: int) -> None:
        """Local conditions for the steps from first_step on: (B, C, steps)."""
        steps = columns.shape[-1]
        rows = aligned_zeros((steps + self.chunk) * self.batch_size * self.channels)
        shaped = rows.reshape(steps + self.chunk, self.batch_size, self.channels)
        # The rows after the last one are read ahead, but never used.
        shaped[:steps, :, : columns.shape[1]] = columns.permute(2, 0, 1).numpy()
        self._conditions = rows
        self.table[T.CONDITIONS] = rows.ctypes.data
        self.table[T.CONDITIONS_FROM] = first_step

    def _lay_out_network(self, seed: int) -> None:
        plan, family = self.plan, self.model.distribution
        self.channels = padded(plan.condition.shape[1]) if self.local else 0  # type: ignore[union-attr]
        self.window_used = 0 if plan.first is None else plan.first.shape[0]
        values = {
            T.NUM_LAYERS: plan.num_layers,
            T.LAYERS: self.layers.ctypes.data,
            T.BATCH: self.batch_size,
            T.RESIDUAL: self.residual,
            T.GATE: self.gate,
            T.SKIP: self.skip,
            T.CONV: self.conv,
            T.END: self.end,
            T.OUT: self.out,
            T.NARROWED: plan.narrow is not None,
            T.PRECISION: self.precision,
            T.CHUNK: self.chunk,
            T.CONDITION: self.channels,
            T.WINDOW_SIZE: padded(self.window_used),
            T.WINDOW_USED: self.window_used,
            T.NUM_AMPLITUDES: plan.first_channels,
            T.NUM_NOISE: noise_lanes(family.num_noise),
            T.FAMILY: T.SOFTMAX,
            T.SEED: np.uint64(seed).astype(np.int64),
        }
        if isinstance(family, LogisticMixture):
            values |= {T.FAMILY: T.LOGISTIC, T.MIXTURES: family.num_mixtures}
        elif isinstance(family, Gaussian):
            values |= {T.FAMILY: T.NORMAL}
        for index, value in values.items():
            self.table[index] = value

    def _lay_out_weights(self, condition: Tensor | None) -> None:
        """Collect all weights, in the order in which a step uses them."""
        plan = self.plan
        if plan.table is not None:
            size = plan.residual_channels
            self._rows(self.table, T.TABLE, plan.table[:, :size], self.residual)
        if plan.first is not None:
            size = plan.residual_channels
            self._matrix(self.table, T.FIRST, plan.first[:, :size])
            self._rows(self.table, T.FIRST_BIAS, plan.first_bias[:size], self.residual)
        if plan.amplitudes is not None:
            self._rows(self.table, T.AMPLITUDES, plan.amplitudes, plan.first_channels)
        self._rows(self.table, T.ZEROS, torch.zeros(1), self.conv)
        bias = plan.gate_bias
        if condition is not None and not self.local:
            bias = plan.conditioned_bias(condition)[0]
            self.table[T.GLOBAL] = self.batch_size > 1
        for index in range(plan.num_layers):
            self._lay_out_layer(index, bias[index])
        self._rows(self.table, T.SKIP_BIAS, plan.skip_bias, self.skip)
        self._matrix(self.table, T.END_WEIGHT, plan.end)
        self._rows(self.table, T.END_BIAS, plan.end_bias, self.end)
        self._matrix(self.table, T.OUT_WEIGHT, plan.out)
        # Codes that do not exist are never chosen.
        self._rows(self.table, T.OUT_BIAS, plan.out_bias, self.out, fill=-np.inf)
        for index in range(plan.num_layers):
            layer = self.layers[index]
            for tap in range(1, plan.kernel_sizes[index]):
                weight = self._halves(plan.old_taps[tap - 1][index])
                field = T.OLD if tap == 1 else None
                layer[T.OLD_BYTES] = self._matrix(layer, field, weight)
            if self.local and plan.condition is not None:
                self._matrix(layer, T.CONDITION_WEIGHT, self._halves(plan.condition[index]))

    def _lay_out_layer(self, index: int, bias: Tensor) -> None:
        plan, layer = self.plan, self.layers[index]
        residual = plan.residual_channels
        dilation, kernel_size = plan.dilations[index], plan.kernel_sizes[index]
        layer[T.DILATION], layer[T.KERNEL] = dilation, kernel_size
        layer[T.RING_ROWS] = (kernel_size - 1) * dilation
        layer[T.LOOK_AHEAD] = min(self.chunk, 1 << (dilation.bit_length() - 1))
        layer[T.PHASE] = index % self.chunk
        if plan.narrow is not None:
            self._matrix(layer, T.NARROW, plan.narrow[index])
        self._rows(layer, T.GATE_BIAS, self._halves(bias), 2 * self.gate)
        self._matrix(layer, T.PRESENT, self._halves(plan.present_taps[index]))
        to_residual, to_skips = plan.project[index].split([residual, plan.skip_channels], dim=1)
        has_residual = self.model.stack.blocks[index].residual_output
        if self.threads == 2:
            self._matrix(layer, T.SKIP_WEIGHT, to_skips)
            if has_residual:
                self._matrix(layer, T.PROJECT, to_residual)
                layer[T.PROJECT_COLUMNS] = self.residual
        elif has_residual:
            room = (0, self.residual - residual)
            both = torch.cat([torch.nn.functional.pad(to_residual, room), to_skips], dim=1)
            self._matrix(layer, T.PROJECT, both)
            layer[T.PROJECT_COLUMNS] = self.residual + self.skip
        else:
            self._matrix(layer, T.PROJECT, to_skips)
            layer[T.PROJECT_FROM], layer[T.PROJECT_COLUMNS] = self.residual, self.skip

    def _halves(self, rows: Tensor) -> Tensor:
        """(..., 2 D) with both halves padded to whole vectors."""
        room = (0, self.gate - self.plan.dilation_channels)
        halves = [torch.nn.functional.pad(half, room) for half in rows.chunk(2, dim=-1)]
        return torch.cat(halves, dim=-1)

    def _matrix(self, table: NDArray[np.int64], index: int | None, weight: Tensor) -> int:
        """Add a matrix in the network's precision; returns its size in bytes."""
        packed = pack_matrix(weight.numpy())
        if self.precision == BFLOAT16:
            packed = to_bfloat16(packed, *map(padded, weight.shape))
        elif self.precision == FLOAT24:
            packed = to_float24(packed, *map(padded, weight.shape))
        self._add(table, index, packed)
        return 4 * _whole_lines(len(packed))

    def _rows(
        self, table: NDArray[np.int64], index: int, rows: Tensor, width: int, fill: float = 0.0
    ) -> None:
        """Add vectors of float32, each padded to ``width``."""
        found = rows.reshape(-1, rows.shape[-1]).numpy()
        full = np.full((len(found), width), fill, np.float32)
        full[:, : found.shape[1]] = found
        self._add(table, index, full.ravel())

    def _add(self, table: NDArray[np.int64], index: int | None, values: Floats) -> None:
        self._parts.append((values, [] if index is None else [(table, index)]))

    def _join(self) -> None:
        """One arena for all weights; matrices start at cache lines."""
        sizes = [_whole_lines(len(values)) for values, _ in self._parts]
        arena = aligned_zeros(sum(sizes))
        start = 0
        for (values, places), size in zip(self._parts, sizes, strict=True):
            arena[start : start + len(values)] = values
            for table, index in places:
                table[index] = arena[start:].ctypes.data
            start += size
        self._memory.append(arena)
        self._parts.clear()

    def _lay_out_signals(self, state: Any, current: Tensor) -> None:
        """Rings, sums and rows between the products, and the current input."""
        batch, plan = self.batch_size, self.plan
        gates = self.chunk * batch * 2 * self.gate
        sizes = {
            T.WINDOW: batch * padded(self.window_used),
            T.VALUES: batch,
            T.ROWS: batch * (self.residual + self.skip),
            T.ENTERED: batch * self.conv,
            T.Y: batch * 2 * self.gate,
            T.H: batch * self.end,
            T.LOGITS: batch * self.out,
            T.NOISE: batch * int(self.table[T.NUM_NOISE]),
        }
        rings = [int(rows) * batch * self.conv for rows in self.layers[:, T.RING_ROWS]]
        # A second thread reads each layer's z while the first is at the next ones.
        z = [batch * self.gate] * (plan.num_layers if self.threads == 2 else 1)
        flags = [_LINE_FLOATS] * (plan.num_layers + 2)
        every = [*sizes.values(), *([gates] * plan.num_layers), *rings, *z, *flags]
        arena = aligned_zeros(sum(_whole_lines(size) for size in every))
        self._memory.append(arena)
        start = 0

        def take(size: int) -> Floats:
            nonlocal start
            taken = arena[start : start + size]
            start += _whole_lines(size)
            return taken

        parts = {index: take(size) for index, size in sizes.items()}
        for index, part in parts.items():
            self.table[index] = part.ctypes.data
        parts[T.NOISE][:] = 0.5  # never used as it is: temperature 0 only multiplies it
        for layer in self.layers:
            known = take(gates)
            layer[T.GATES] = known.ctypes.data
            # Where nothing is added to the offsets ahead, they are all that is known.
            offsets = self._offsets(layer)
            known.reshape(self.chunk, -1, offsets.shape[-1])[:] = offsets
        histories = Rings(plan, state[1]).data[2:].numpy()  # (positions, B, conv channels)
        first = 0
        for layer, size in zip(self.layers, rings, strict=True):
            ring = take(size)
            layer[T.RING] = ring.ctypes.data
            rows = int(layer[T.RING_ROWS])
            shaped = ring.reshape(rows, batch, self.conv)
            shaped[:, :, : plan.conv_channels] = histories[first : first + rows]
            first += rows
        signals = [take(size).ctypes.data for size in z]
        for index, layer in enumerate(self.layers):
            layer[T.Z] = signals[index % len(signals)]
            layer[T.KNOWN] = take(_LINE_FLOATS).ctypes.data
        self.table[T.PASSED] = take(_LINE_FLOATS).ctypes.data
        self.table[T.DRAWN] = take(_LINE_FLOATS).ctypes.data
        if plan.first is not None:
            # The kernel shifts the window before it adds the current input at its end.
            past = state[0].transpose(1, 2).reshape(batch, -1).numpy()
            window = parts[T.WINDOW].reshape(batch, -1)
            window[:, plan.first_channels : plan.first_channels + past.shape[1]] = past
        self._values = parts[T.VALUES]
        self._codes = np.zeros(batch, np.int64)
        self.table[T.CODES] = self._codes.ctypes.data
        self.set_current(current)

    def _offsets(self, layer: NDArray[np.int64]) -> Floats:
        """A layer's gate offsets where they lie, (1 or B, 2 * gate)."""
        rows = self.batch_size if self.table[T.GLOBAL] else 1
        offset = int(layer[T.GATE_BIAS] - self._memory[0].ctypes.data) // 4
        return self._memory[0][offset : offset + rows * 2 * self.gate].reshape(rows, -1)


def _whole_lines(count: int) -> int:
    return -(-count // _LINE_FLOATS) * _LINE_FLOATS


def _table(count: int) -> NDArray[np.int64]:
    return aligned_zeros(2 * count).view(np.int64)
