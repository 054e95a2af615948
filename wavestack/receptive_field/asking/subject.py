"""Which tensor is asked about: the model's output, a layer's, or one of several."""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn

from wavestack.errors import UserError
from wavestack.receptive_field.recording.trace import Traced


def subject_of(model: nn.Module, run: Traced, layer: str | None) -> int:
    """The node asked about in a run."""
    if layer is None or layer == "":
        return _only_tensor(run.outputs, run, model)
    for call in reversed(run.calls):
        if call.name == layer:
            return _first_tensor(call.outputs, layer)
    found = _pick(run.outputs, layer)
    if isinstance(found, int):
        return found
    names = [name for name, _ in model.named_modules() if name]
    if layer in names:
        raise UserError(f"layer {layer!r} is part of the model but was not called on this input")
    close = difflib.get_close_matches(layer, names, n=3, cutoff=0.0)
    raise UserError(f"no layer {layer!r} in {type(model).__name__}; nearest: {', '.join(close)}")


def subject_path(run: Traced, layer: str | None, node: int) -> tuple[str | None, list[str]]:
    """The module whose output is asked about (None: the model), and the way into it."""
    if not layer:
        found = _nodes(run.outputs)
        path = next(path for path, index in found if index == node)
        return None, path.split(".") if path else []
    for call in reversed(run.calls):
        if call.name == layer:
            path = _nodes(call.outputs)[0][0]
            return layer, path.split(".") if path else []
    return None, layer.split(".")


def _nodes(outputs: Any, path: str = "") -> list[tuple[str, int]]:
    if isinstance(outputs, int):
        return [(path, outputs)]
    if isinstance(outputs, dict):
        pairs: list[tuple[Any, Any]] = list(outputs.items())
    elif isinstance(outputs, list):
        pairs = list(enumerate(outputs))
    else:
        return []
    return [
        entry
        for key, item in pairs
        for entry in _nodes(item, f"{path}.{key}" if path else str(key))
    ]


def _pick(outputs: Any, layer: str) -> int | None:
    return dict(_nodes(outputs)).get(layer)


def _only_tensor(outputs: Any, run: Traced, model: nn.Module) -> int:
    found = _nodes(outputs)
    if len({index for _, index in found}) == 1:
        return found[0][1]
    kind = type(model).__name__
    if not found:
        raise UserError(f"the output of {kind} does not depend on its input")
    keys = ", ".join(path for path, _ in found[:8])
    made = []
    for _, index in found[:8]:
        owner = next(
            (c.name for c in run.calls if c.name and any(i == index for _, i in _nodes(c.outputs))),
            None,
        )
        if owner and owner not in made:
            made.append(owner)
    choices = [repr(name) for name in made] or [repr(path) for path, _ in found[:8]]
    raise UserError(
        f"{kind} returns several tensors ({keys}): "
        f"choose one with layer=, for example {', '.join(choices)}"
    )


def _first_tensor(outputs: Any, layer: str) -> int:
    found = _nodes(outputs)
    if not found:
        raise UserError(f"layer {layer!r} returns no tensor that depends on the input")
    return found[0][1]
