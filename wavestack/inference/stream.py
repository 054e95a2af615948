"""A causal model run block by block, with its state kept here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from wavestack.layers import reset_rows


class Stream:
    """Feed any causal module in blocks of any length; the outputs join to the offline output.

    Args:
        model: anything with ``forward``, ``initial_state`` and ``stream``; put into eval mode.
        batch_size: rows that run side by side.
        history: "zeros", as ``forward`` assumes, or "silence", after endless silent input.

    Raises:
        ValueError: when the model cannot stream, or batch_size is below 1.

    Example:
        >>> from wavestack.layers import CausalConv1d
        >>> conv = CausalConv1d(1, 1, kernel_size=3)
        >>> stream = Stream(conv)
        >>> x = torch.randn(1, 1, 10)
        >>> y = torch.cat([stream.push(x[..., :4]), stream.push(x[..., 4:])], dim=-1)
        >>> torch.allclose(y, conv(x), atol=1e-6)
        True
    """

    def __init__(self, model: Any, batch_size: int = 1, *, history: str = "zeros") -> None:
        missing = [name for name in ("initial_state", "stream") if not hasattr(model, name)]
        if missing:
            raise ValueError(f"{type(model).__name__} cannot stream: it has no {missing[0]}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {batch_size}")
        self.model = model.eval()
        self.batch_size = batch_size
        self.history = history
        self._latency: int | None = None
        self.state: Any = None
        self._last_output: Tensor | None = None
        self._restart()

    @torch.no_grad()
    def push(self, block: Tensor, condition: Tensor | None = None) -> Tensor:
        """The outputs that are due after the next block.

        Args:
            block: the model's input, any number of samples along the last axis.
            condition: for conditioned models, of the block's length or 1.
        """
        extra = {} if condition is None else {"condition": condition}
        y, self.state = self.model.stream(block, self.state, **extra)
        self._last_output = (y[0] if isinstance(y, tuple) else y)[..., :0]
        return y

    def flush(self) -> Tensor | None:
        """End the signal and start afresh.

        A causal model owes nothing at the end (output j is due with input j * stride), so the
        result is empty; None when nothing was pushed.
        """
        rest = self._last_output
        self._restart()
        return rest

    @torch.no_grad()
    def reset(self, rows: Iterable[int] | None = None) -> None:
        """Start the given rows afresh, or all of them.

        Raises:
            ValueError: when single rows are reset between two outputs of a strided convolution.
        """
        if rows is None:
            self._restart()
        else:
            self.state = reset_rows(self.model, self.state, rows, self.history)

    @property
    def latency(self) -> int:
        """Input samples that an output waits for beyond its own, from the receptive field."""
        if self._latency is None:
            from wavestack.receptive_field import analyze

            self._latency = int(analyze(self.model, self._example()).latency)
        return self._latency

    def _example(self) -> dict[str, Tensor]:
        if hasattr(self.model, "example_input"):
            return self.model.example_input()
        channels = next(
            getattr(self.model, name)
            for name in ("in_channels", "residual_channels")
            if hasattr(self.model, name)
        )
        new = next(self.model.parameters()).new_zeros
        example = {"x": new(1, channels, 64)}
        if getattr(self.model, "condition_channels", None):
            example["condition"] = new(1, self.model.condition_channels, 1)
        return example

    @torch.no_grad()
    def _restart(self) -> None:
        self.state = self.model.initial_state(self.batch_size, self.history)
        self._last_output = None
