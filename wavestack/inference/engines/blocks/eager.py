"""The block engine that always can: the model's own ``stream``."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.layers import State


class EagerBlocks:
    """Run any model with ``initial_state`` and ``stream``; see ``BlockEngine``."""

    def __init__(self, model: Any, state: State) -> None:
        self.model = model
        self.state = state
        # Models that look ahead are told where the signal ends; the others owe nothing there.
        self._looks_ahead = "final" in inspect.signature(model.stream).parameters

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """None: what a ``Stream`` accepts, this engine runs."""
        return None

    def push(self, block: Tensor, condition: Tensor | None = None) -> Any:
        """The outputs that are due after the next block."""
        return self._run(block, {} if condition is None else {"condition": condition})

    def finish(self, block: Tensor, condition: Tensor | None = None) -> Any:
        """The outputs still owed when the signal ends."""
        options: dict[str, Any] = {"final": True} if self._looks_ahead else {}
        return self._run(
            block, options if condition is None else {**options, "condition": condition}
        )

    @torch.no_grad()
    def _run(self, block: Tensor, options: dict[str, Any]) -> Any:
        y, self.state = self.model.stream(block, self.state, **options)
        return y
