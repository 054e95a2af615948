"""When the model does not take the example input: which layer fails, and what size would do."""

from __future__ import annotations

from torch import nn

from wavestack.errors import UserError
from wavestack.receptive_field.recording.inputs import Inputs
from wavestack.receptive_field.recording.trace import trace

_MOST_DOUBLINGS = 12


def explain_failure(model: nn.Module, inputs: Inputs, problem: Exception) -> UserError:
    """One or two plain lines for a model that failed on its example input."""
    module = _module_of(problem)
    where = f"layer {module!r}" if module else "the model"
    text = (str(problem) or type(problem).__name__).strip().splitlines()[0][:200]
    shapes = ", ".join(f"{i.name} {tuple(i.tensor.shape)}" for i in inputs.items)
    if "more than 1 value per channel" in text:  # batch statistics of a single position
        return UserError(
            f"{where} fails on {shapes}: in training mode its batch norm needs more than one value "
            "per channel; call model.eval() first, or give a batch of 2"
        )
    smallest = _smallest(model, inputs)
    if smallest is not None:
        return UserError(
            f"the input is too small: {where} fails on {shapes} ({text}); "
            f"the smallest that runs is {smallest}"
        )
    return UserError(f"{where} fails on {shapes}: {type(problem).__name__}: {text}")


def _module_of(problem: BaseException) -> str:
    for note in getattr(problem, "__notes__", []):
        if note.startswith("wavestack-module: "):
            return note.removeprefix("wavestack-module: ")
    return ""


def _with(inputs: Inputs, length: int) -> Inputs:
    """Every axis at least ``length`` long."""
    sizes = {}
    for item in inputs.items:
        shape = list(item.tensor.shape)
        for _, d, _ in item.axes:
            shape[d] = max(shape[d], length)
        sizes[item.name] = tuple(shape)
    return inputs.resized(sizes)


def _smallest(model: nn.Module, inputs: Inputs) -> str | None:
    """The smallest input that runs, all axes alike, found by doubling and halving."""
    lengths = [item.tensor.shape[d] for item in inputs.items for _, d, _ in item.axes]

    def runs(length: int) -> bool:
        own = _with(inputs, length)
        try:
            trace(model, own.args, own.kwargs, own.names, own.axis_dims, fake=True)
        except Exception:
            return False
        return True

    low, high = min(lengths), min(lengths)
    for _ in range(_MOST_DOUBLINGS):
        high *= 2
        if runs(high):
            break
        low = high
    else:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if runs(middle):
            high = middle
        else:
            low = middle
    item = next(item for item in inputs.items if item.axes)
    return ", ".join(f"{name} = {max(item.tensor.shape[d], high)}" for name, d, _ in item.axes)
