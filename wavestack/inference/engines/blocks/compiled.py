"""The block engine in Numba: one compiled loop for every model whose structure it knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from wavestack.inference.engines.vector.requirement import why_no_numba
from wavestack.inference.saved_state import named_tensors, with_tensors
from wavestack.layers import State

if TYPE_CHECKING:
    from wavestack.inference.engines.blocks.program import Past

_TILE_ROWS = 64
_SPARE = 64  # floats behind each signal, for vectors that end beyond its rows


class CompiledBlocks:
    """Run the causal modules of wavestack on one CPU core; see ``BlockEngine``.

    The weights are packed once. A push allocates its output and nothing else.
    """

    def __init__(self, model: Any, state: State) -> None:
        from wavestack.inference.engines.blocks.kernel import advance, prepare
        from wavestack.inference.engines.blocks.structure import build_program

        prepare()  # now, and not amid the first block
        with torch.no_grad():
            program = build_program(model)
            self.operations, self.weights = program.tables()
        self.program = program
        self._advance = advance
        self._output_channels = program.channels[program.output]
        self._template = state
        self.batch_size = next(iter(named_tensors(state).values())).shape[0]
        self._tile = max(1, _TILE_ROWS // self.batch_size)
        self._lay_out_signals()
        place, first = (program.condition or (0, 0, 0))[:2]
        self._delay = program.delays[program.output]
        self._ends = np.array([program.input, place, first, program.output, self._delay], np.int64)
        self._clock = np.array([0, -1], np.int64)
        self._no_condition = np.zeros((self.batch_size, 0, 1), np.float32)
        self.state = state

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        for parameter in model.parameters():
            if parameter.device.type != "cpu":
                return f"it runs on the CPU, and the model is on {parameter.device}"
            if parameter.dtype != torch.float32:
                return f"it computes in float32, and the model is {parameter.dtype}"
        missing = why_no_numba()
        if missing is not None:
            return missing
        from wavestack.inference.engines.blocks.program import UnsupportedModelError
        from wavestack.inference.engines.blocks.structure import build_program

        try:
            with torch.no_grad():
                build_program(model)
        except UnsupportedModelError as error:
            return str(error)
        return None

    def push(self, block: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs that are due after the next block."""
        # Every call into torch or numpy costs a tenth of what a small net takes for a sample.
        if self.program.enter is not None:
            with torch.no_grad():
                block = self.program.enter(block)
        length = block.shape[-1]
        wanted = (self.batch_size, self.program.input_channels, length)
        if block.shape != wanted or block.dtype is not torch.float32:
            raise ValueError(
                f"block must be float32 of shape {wanted}, got {block.dtype}, {tuple(block.shape)}"
            )
        given = self._no_condition
        if condition is not None or self.program.condition is not None:
            given = self._checked(condition, length)
        x = (block.detach() if block.requires_grad else block).contiguous().numpy()
        return self._pass(x, given, length)

    def finish(self, block: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs still owed when the signal ends: zeros behind it, in every layer."""
        self._clock[1] = self._clock[0]
        x = np.zeros((self.batch_size, self.program.input_channels, self._delay), np.float32)
        channels = self.program.condition[2] if self.program.condition else 0
        given = np.zeros((self.batch_size, channels, 1), np.float32)
        rest = self._pass(x, given, self._delay)
        self._clock[1] = -1
        return rest

    def _pass(self, x: np.ndarray, condition: np.ndarray, length: int) -> Tensor:
        if self._delay:
            before = int(self._clock[0])
            length = max(0, before + length - self._delay) - max(0, before - self._delay)
        y = np.empty((self.batch_size, self._output_channels, length), np.float32)
        self._advance(
            x,
            condition,
            y,
            self.operations,
            self._signals,
            self._places,
            self.weights,
            self._memory,
            self._ends,
            self._clock,
            self._tile,
        )
        return torch.from_numpy(y)

    @property
    def state(self) -> State:
        """The model's own stream state, copied from the signals' pasts."""
        tensors = {}
        for name, past in zip(named_tensors(self._template), self.program.pasts, strict=True):
            length = past.length(int(self._clock[0]))
            tensor = torch.zeros(self.batch_size, past.channels, length)
            for channels, cells in self._cells(past, length):
                tensor[:, channels] = torch.from_numpy(cells).permute(1, 2, 0)
            tensors[name] = tensor
        return with_tensors(self._template, tensors)

    @state.setter
    def state(self, state: State) -> None:
        tensors = list(named_tensors(state).values())
        self._clock[:] = self._step_of(tensors), -1
        self._memory[:] = 0
        self._places[:] = self._signals[:, 2]
        for tensor, past in zip(tensors, self.program.pasts, strict=True):
            for channels, cells in self._cells(past, tensor.shape[-1]):
                cells[:] = tensor[:, channels].detach().permute(2, 0, 1).numpy()

    def _step_of(self, tensors: list[Tensor]) -> int:
        """How many samples led to a state; beyond the greatest delay any number will do."""
        pasts = self.program.pasts
        for step in range(max(past.until for past in pasts), -1, -1):
            shapes = [(self.batch_size, past.channels, past.length(step)) for past in pasts]
            if all(t.shape == shape for t, shape in zip(tensors, shapes, strict=True)):
                return step
        found = [tuple(tensor.shape) for tensor in tensors]
        raise ValueError(f"state must hold tensors of shapes {shapes} here, got {found}")

    def _lay_out_signals(self) -> None:
        from wavestack.inference.engines.blocks.convolution import padded
        from wavestack.inference.engines.vector.memory import aligned_zeros

        program, rows = self.program, self._tile * self.batch_size
        table, offset = [], 0
        for channels, samples in zip(program.channels, program.samples, strict=True):
            row, past = padded(channels), samples * self.batch_size
            # Room to run on before the past is moved back: for half the cost of its length.
            capacity = past + (max(4 * rows, past // 2) if past else rows)
            table.append((offset, row, past, capacity))
            offset += -(-(capacity * row + _SPARE) // _SPARE) * _SPARE
        self._signals = np.array(table, np.int64)
        self._places = self._signals[:, 2].copy()
        self._memory = aligned_zeros(offset)

    def _cells(self, past: Past, length: int) -> Iterator[tuple[slice, np.ndarray]]:
        """The channels of each piece, and a view of its last rows, (length, B, channels)."""
        start = 0
        for piece in past.pieces:
            channels = slice(start, start + piece.channels)
            start += piece.channels
            if piece.signal is None:
                continue
            offset, row, _, _ = self._signals[piece.signal]
            passed = (past.since - piece.delay) * self.batch_size
            end = offset + (self._places[piece.signal] - passed) * row
            rows = self._memory[end - length * self.batch_size * row : end]
            yield channels, rows.reshape(length, self.batch_size, row)[..., : piece.channels]

    def _checked(self, condition: Tensor | None, length: int) -> np.ndarray:
        wanted = self.program.condition
        if condition is None or wanted is None:
            word = "given" if condition is None else "None"
            raise ValueError(f"condition must be {word} for this model")
        rows, channels = (1, self.batch_size), wanted[2]
        given = tuple(condition.shape)
        if (
            len(given) != 3
            or given[0] not in rows
            or given[1] != channels
            or given[2] not in (1, length)
        ):
            raise ValueError(
                f"condition must have shape (B or 1, {channels}, {length} or 1), "
                f"got {given} for B = {self.batch_size}"
            )
        return condition.detach().float().expand(self.batch_size, -1, -1).contiguous().numpy()
