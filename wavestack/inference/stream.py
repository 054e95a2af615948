"""A causal model run block by block, with its state kept here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.inference.chain import Chain
from wavestack.inference.engines.base import choose_engine
from wavestack.inference.engines.blocks import BLOCK_ENGINES
from wavestack.inference.saved_state import named_tensors, with_tensors
from wavestack.layers import State, map_state, reset_rows


class Stream:
    """Feed any causal module in blocks of any length; the outputs join to the offline output.

    A model that looks ahead gives each output ``latency`` samples later, and the last ones at
    ``flush``. The weights are those the model has when the stream is made, moved, or started afresh
    by ``reset()`` or ``flush()``.

    Args:
        model: anything with ``forward``, ``initial_state`` and ``stream``, or an ``nn.Sequential``
            of such modules and activations; put into eval mode.
        batch_size: rows that run side by side.
        history: "zeros", as ``forward`` assumes, or "silence", after endless silent input.
        engine: "auto", "compiled" (CPU, float32) or "eager".

    Attributes:
        engine: name of the engine that runs.

    Raises:
        ValueError: when the model cannot stream, the engine cannot run it (the message says why),
            or batch_size is below 1.

    Example:
        >>> from wavestack.layers import CausalConv1d
        >>> conv = CausalConv1d(1, 1, kernel_size=3)
        >>> stream = Stream(conv)
        >>> x = torch.randn(1, 1, 10)
        >>> y = torch.cat([stream.push(x[..., :4]), stream.push(x[..., 4:])], dim=-1)
        >>> torch.allclose(y, conv(x), atol=1e-6)
        True
    """

    def __init__(
        self, model: Any, batch_size: int = 1, *, history: str = "zeros", engine: str = "auto"
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {batch_size}")
        chained = Chain(model) if type(model) is nn.Sequential else model
        missing = [name for name in ("initial_state", "stream") if not hasattr(chained, name)]
        if missing:
            raise ValueError(f"{type(model).__name__} cannot stream: it has no {missing[0]}")
        self.model: Any = chained.eval()
        self.batch_size = batch_size
        self.history = history
        self._wanted_engine = engine
        self._latency: int | None = None
        self._last: tuple[Tensor, Tensor | None] | None = None  # block and condition
        self._start(None)

    def push(self, block: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs that are due after the next block.

        Args:
            block: the model's input, any number of samples along the last axis.
            condition: for conditioned models, of the block's length or 1.

        Raises:
            ValueError: when the block has another number of rows than the stream.
        """
        if block.shape[0] != self.batch_size:
            raise ValueError(
                f"block must have batch_size {self.batch_size} rows, got {tuple(block.shape)}"
            )
        y = self._running.push(block, condition)
        self._last = (block, condition)
        return y

    @torch.no_grad()
    def flush(self) -> Any:
        """End the signal, return the outputs still owed, and start afresh.

        A causal model owes nothing (output j is due with input j * stride), so the result is empty;
        one that looks ahead owes the last ``latency`` outputs. None when nothing was pushed.
        """
        if self._last is None:
            return None
        block, condition = self._last
        if condition is not None and condition.shape[-1] == block.shape[-1]:
            condition = condition[..., :0]
        rest = self._running.finish(block[..., :0], condition)
        self.reset()
        return rest

    @torch.no_grad()
    def reset(self, rows: Iterable[int] | None = None) -> None:
        """Start the given rows afresh, or all of them.

        Raises:
            ValueError: when single rows are reset between two outputs of a strided convolution, or
                where a model that looks ahead owes outputs: all rows share one phase.
        """
        if rows is None:
            self._last = None
            self._start(None)
        else:
            self.state = reset_rows(self.model, self.state, rows, self.history)

    @property
    def state(self) -> State:
        """The model's own stream state: nested tuples of tensors, the same in every engine."""
        return self._running.state

    @state.setter
    def state(self, state: State) -> None:
        self._running.state = state

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of the state under flat names, ready for ``torch.save`` or safetensors.

        It may be loaded into a stream on another device, of another float type or engine.

        Example:
            >>> from wavestack.layers import CausalConv1d
            >>> conv = CausalConv1d(1, 1, kernel_size=3)
            >>> stream, later = Stream(conv), Stream(conv)
            >>> _ = stream.push(torch.ones(1, 1, 5))
            >>> later.load_state_dict(stream.state_dict())
            >>> torch.equal(later.push(torch.zeros(1, 1, 2)), stream.push(torch.zeros(1, 1, 2)))
            True
        """
        return {name: tensor.clone() for name, tensor in named_tensors(self.state).items()}

    @torch.no_grad()
    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a saved state.

        Raises:
            ValueError: when it belongs to another model or batch size.
        """
        self.state = with_tensors(self._initial_state(), tensors)

    @torch.no_grad()
    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> Stream:
        """Move the model, as ``model.to`` does, and the stream with it, amid a signal too."""
        state = self.state
        self.model.to(device=device, dtype=dtype)
        self._start(map_state(lambda t: _moved(t, device, dtype), state))
        if self._last is not None:
            block, condition = self._last
            condition = None if condition is None else _moved(condition, device, dtype)
            self._last = (_moved(block, device, dtype), condition)
        return self

    @property
    def latency(self) -> int:
        """Input samples that an output waits for beyond its own, from the receptive field."""
        if self._latency is None:
            from wavestack.receptive_field import analyze

            self._latency = int(analyze(self.model, _example(self.model)).latency)
        return self._latency

    def _start(self, state: State | None) -> None:
        self.engine, found = choose_engine(self.model, self._wanted_engine, BLOCK_ENGINES)
        self._running: Any = found(self.model, self._initial_state() if state is None else state)

    def _initial_state(self) -> State:
        with torch.no_grad():
            return self.model.initial_state(self.batch_size, self.history)


def _example(model: Any) -> dict[str, Tensor]:
    """An input of the right shapes, for the calculator."""
    if isinstance(model, Chain):  # activations before the first layer change no shape
        return _example(next(part for part in model.parts if any(True for _ in part.parameters())))
    if hasattr(model, "example_input"):
        return model.example_input()
    names = [name for name in ("in_channels", "residual_channels") if hasattr(model, name)]
    new = next(model.parameters()).new_zeros
    example = {"x": new(1, getattr(model, names[0]), 64)}
    if getattr(model, "condition_channels", None):
        example["condition"] = new(1, model.condition_channels, 1)
    return example


def _moved(tensor: Tensor, device: Any, dtype: torch.dtype | None) -> Tensor:
    """As ``model.to``: codes and counters keep their integer type."""
    return tensor.to(device, dtype if tensor.is_floating_point() else None)
