"""``nn.Sequential`` of causal layers as one causal model."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

from wavestack.layers import State
from wavestack.layers.state import check_history

# Each sample by itself, in eval mode: nothing to remember.
POINTWISE = (
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.BatchNorm1d),
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.Sigmoid),
)


class Chain(nn.Module):
    """Run the parts of an ``nn.Sequential`` in blocks, each with a state of its own.

    Args:
        parts: causal layers, stacks or models, and activations between them.

    Raises:
        ValueError: when a part can neither stream nor works on each sample by itself.

    Example:
        >>> import torch
        >>> from wavestack.layers import CausalConv1d
        >>> chain = Chain(nn.Sequential(CausalConv1d(1, 4, 3), nn.ReLU(), CausalConv1d(4, 1, 3)))
        >>> y, state = chain.stream(torch.ones(1, 1, 5), chain.initial_state(1))
        >>> y.shape, len(state)
        (torch.Size([1, 1, 5]), 3)
    """

    def __init__(self, parts: nn.Sequential) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            Chain(part) if type(part) is nn.Sequential else part for part in parts
        )
        for index, part in enumerate(self.parts):
            if not _remembers(part) and type(part) not in POINTWISE:
                raise ValueError(
                    f"Sequential cannot stream: part {index}, {type(part).__name__}, has no "
                    "initial_state and does not work on each sample by itself"
                )

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole signal."""
        for part in self.parts:
            x = part(x)
        return x

    def initial_state(
        self, batch_size: int, history: str = "zeros", silence: Tensor | None = None
    ) -> State:
        """One state for each part, () for those that remember nothing.

        Args:
            batch_size: rows of the stream.
            history: "zeros" or "silence", what endless silent input leaves in every part.
            silence: (B or 1, C, 1), the silent input; zeros when None.

        Raises:
            ValueError: when a part cannot be told what its silent input is.
        """
        check_history(history)
        state: list[State] = []
        for index, part in enumerate(self.parts):
            if not _remembers(part):
                state.append(())
                silence = None if silence is None else part(silence)
            elif history == "zeros":
                state.append(part.initial_state(batch_size))  # type: ignore[operator]
            else:
                state.append(_after_silence(part, index, batch_size, silence))
                if index + 1 < len(self.parts):
                    column = _silent_column(part, silence).expand(batch_size, -1, -1)
                    # A constant input has always given a constant output: the next one's silence.
                    silence, _ = part.stream(column, state[-1])  # type: ignore[operator]
        return tuple(state)

    def stream(
        self, x: Tensor, state: tuple[State, ...], final: bool = False
    ) -> tuple[Tensor, State]:
        """Run the next block; final says that the signal ends with it."""
        new_state: list[State] = []
        for part, history in zip(self.parts, state, strict=True):
            if _remembers(part):
                ends: dict[str, Any] = {"final": True} if final and _looks_ahead(part) else {}
                x, history = part.stream(x, history, **ends)  # type: ignore[operator]
            else:
                x = part(x)
            new_state.append(history)
        return x, tuple(new_state)


def _remembers(part: nn.Module) -> bool:
    return hasattr(part, "initial_state") and hasattr(part, "stream")


def _looks_ahead(part: Any) -> bool:
    return "final" in inspect.signature(part.stream).parameters


def _after_silence(part: Any, index: int, batch_size: int, silence: Tensor | None) -> State:
    if silence is None:
        return part.initial_state(batch_size, "silence")
    if "silence" not in inspect.signature(part.initial_state).parameters:
        raise ValueError(
            f"history must be 'zeros' here: part {index}, {type(part).__name__}, cannot be told "
            "what its silent input is"
        )
    return part.initial_state(batch_size, "silence", silence)


def _silent_column(part: Any, silence: Tensor | None) -> Tensor:
    if silence is not None:
        return silence
    channels = getattr(part, "in_channels", None) or part.residual_channels
    return next(part.parameters()).new_zeros(1, channels, 1)
