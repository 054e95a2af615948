"""What a stream remembers: nested tuples of plain tensors, owned by the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

from torch import Tensor

State: TypeAlias = "Tensor | tuple[State, ...]"

HISTORIES = ("zeros", "silence")


class Causal(Protocol):
    """A module that can be run in blocks: ``forward`` offline, ``initial_state`` and ``stream``."""

    def initial_state(self, batch_size: int, history: str = "zeros") -> State: ...

    def stream(self, x: Tensor, state: Any) -> tuple[Tensor, State]: ...


def check_history(history: str) -> None:
    """Refuse a history that no layer knows.

    Raises:
        ValueError: when history is neither "zeros" nor "silence".
    """
    if history not in HISTORIES:
        raise ValueError(f"history must be one of {HISTORIES}, got {history!r}")


def map_state(function: Callable[[Tensor], Tensor], state: State) -> State:
    """Apply a function to every tensor of a state.

    Example:
        >>> import torch
        >>> map_state(lambda t: t + 1, (torch.zeros(2), (torch.ones(1),)))
        (tensor([1., 1.]), (tensor([2.]),))
    """
    if isinstance(state, Tensor):
        return function(state)
    return tuple(map_state(function, part) for part in state)


def flat_state(state: State) -> list[Tensor]:
    """Every tensor of a state, first to last.

    Example:
        >>> import torch
        >>> [t.shape[0] for t in flat_state((torch.zeros(2), (torch.ones(1),)))]
        [2, 1]
    """
    if isinstance(state, Tensor):
        return [state]
    return [tensor for part in state for tensor in flat_state(part)]


def detach_state(state: State) -> State:
    """Cut the graph behind a state, for back-propagation truncated at block borders.

    Example:
        >>> import torch
        >>> detach_state((torch.ones(1, requires_grad=True) * 2,))[0].requires_grad
        False
    """
    return map_state(lambda tensor: tensor.detach(), state)


def reset_rows(
    module: Causal, state: State, rows: Iterable[int], history: str = "zeros", **silence: Any
) -> State:
    """Start some rows of a batch afresh and leave the others where they are.

    Args:
        module: the module whose ``stream`` returned the state.
        state: left unchanged; a new one is returned.
        rows: indices into the batch.
        history: "zeros" or "silence", as in ``initial_state``.
        **silence: what else the module's ``initial_state`` takes.

    Raises:
        ValueError: when a strided convolution stands between two outputs, or one that looks ahead
            owes some: a row that starts afresh would need another phase than its neighbours.

    Example:
        >>> import torch
        >>> from wavestack.layers import CausalConv1d
        >>> conv = CausalConv1d(1, 1, kernel_size=3)
        >>> _, state = conv.stream(torch.ones(2, 1, 5), conv.initial_state(2))
        >>> reset_rows(conv, state, rows=[0])[:, 0]
        tensor([[0., 0.],
                [1., 1.]])
    """
    rows = list(rows)
    first = _first_tensor(state)
    if first is None or not rows:
        return state
    fresh = module.initial_state(first.shape[0], history, **silence)
    return _replace_rows(state, fresh, rows)


def _first_tensor(state: State) -> Tensor | None:
    if isinstance(state, Tensor):
        return state
    found = (_first_tensor(part) for part in state)
    return next((tensor for tensor in found if tensor is not None), None)


def _replace_rows(old: State, fresh: State, rows: list[int]) -> State:
    if not isinstance(old, Tensor) or not isinstance(fresh, Tensor):
        return tuple(_replace_rows(o, f, rows) for o, f in zip(old, fresh, strict=True))
    if old.shape != fresh.shape:
        raise ValueError(
            "single rows can be reset only where the phase of every stride is 0 and no output is "
            f"owed: a convolution with stride or look-ahead holds "
            f"{old.shape[-1] - fresh.shape[-1]} samples beyond its first history"
        )
    new = old.clone()
    new[rows] = fresh[rows].to(new.dtype)
    return new
