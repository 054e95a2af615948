"""What an engine of block streaming is, and which there are."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

from wavestack.layers import State

# In order of preference for "auto": name -> where the class is. Imported when it is its turn.
BLOCK_ENGINES = {
    "compiled": "wavestack.inference.engines.blocks.compiled:CompiledBlocks",
    "eager": "wavestack.inference.engines.blocks.eager:EagerBlocks",
}


class BlockEngine(Protocol):
    """A model in the middle of a signal.

    Args:
        model: in eval mode.
        state: the model's own stream state.

    Attributes:
        state: the same now; it may be replaced between two blocks.
    """

    state: State

    def __init__(self, model: Any, state: State) -> None: ...

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        ...

    def push(self, block: Tensor, condition: Tensor | None = None) -> Any:
        """The outputs that are due after the next block."""
        ...

    def finish(self, block: Tensor, condition: Tensor | None = None) -> Any:
        """The outputs still owed when the signal ends; block is empty, of the signal's shape."""
        ...
