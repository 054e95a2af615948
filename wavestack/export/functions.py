"""A model as pure functions of tensors: the whole signal, and one step of a stream.

A stream's state is an argument and a result here, so that any runtime can keep it:

- ``offline``: x and its conditions -> y, for whole signals;
- ``step``: a block of x, the state -> y of the block, the new state. The first state is zeros;
- ``condition`` (conditioned WaveNets): labels and features -> the condition that ``step`` reads.

Batch and time are free in all of them; of models of images, batch, height and width.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.errors import UserError
from wavestack.inference.saved_state import named_tensors
from wavestack.layers import State, fold_weight_norm

BATCH, TIME, FRAMES = "batch", "time", "frames"
HEIGHT, WIDTH = "height", "width"
_IMAGE = (96, 160)  # pixels of the example, rows and columns
_ROWS, _SAMPLES = 2, 8  # of the example that is traced: sizes of 0 and 1 would be taken as fixed

Axes = dict[int, str]


@dataclass
class Function:
    """One function to export.

    Attributes:
        name: "offline", "step" or "condition".
        module: computes it, called with the inputs by name.
        inputs: an example of each; the state of a step is a dict of tensors.
        axes: for each input the axes that stay free, by name.
        outputs: names of what it returns, in order.
        hop_length: samples per frame, where an input has the axis "frames".
    """

    name: str
    module: nn.Module
    inputs: dict[str, Any]
    axes: dict[str, Any]
    outputs: list[str]
    hop_length: int | None = None

    @property
    def flat_inputs(self) -> dict[str, Tensor]:
        """Every tensor by name, those of the state as "state.NAME"."""
        return flat(self.inputs)

    def describe_inputs(self) -> dict[str, Any]:
        """Shape and type of every tensor, free axes by name."""
        axes = self.flat_axes
        return {
            name: {
                "shape": [axes.get(name, {}).get(k, size) for k, size in enumerate(tensor.shape)],
                "dtype": str(tensor.dtype).removeprefix("torch."),
            }
            for name, tensor in self.flat_inputs.items()
        }

    @property
    def flat_axes(self) -> dict[str, Axes]:
        """The free axes of every tensor by the same names."""
        states = {f"state.{name}": axes for name, axes in self.axes.get("state", {}).items()}
        return {name: axes for name, axes in self.axes.items() if name != "state"} | states


@dataclass
class Functions:
    """What there is to export of a model.

    Attributes:
        model: the model itself, weight norm folded, in eval mode, on the CPU.
        found: the functions.
        without_step: why there is no streaming step, or None.
    """

    model: Any
    found: list[Function] = field(default_factory=list)
    without_step: str | None = None


def functions_of(model: nn.Module) -> Functions:
    """Take a model apart into functions; the model itself stays as it is.

    Args:
        model: any module with ``example_input``, ``in_channels`` or ``residual_channels``.

    Raises:
        UserError: when the model does not say what its inputs are.

    Example:
        >>> from wavestack.models import TCN
        >>> [f.name for f in functions_of(TCN(1, 4, num_layers=2)).found]
        ['offline', 'step']
    """
    folded: Any = fold_weight_norm(copy.deepcopy(model).cpu()).eval().requires_grad_(False)
    inputs = example_inputs(folded, _SAMPLES)
    hop_length = getattr(folded, "hop_length", None) if "features" in inputs else None
    axes = {name: _axes_of(name, value, inputs) for name, value in inputs.items()}
    offline = _MainOutput(folded) if getattr(folded, "aux_classifier", None) else folded
    result = Functions(folded, [Function("offline", offline, inputs, axes, ["y"], hop_length)])
    if takes_images(inputs):
        return result
    conditions = {name: value for name, value in inputs.items() if name in ("labels", "features")}
    if conditions and hasattr(folded, "condition"):
        module = _Condition(folded)
        its_axes = {name: axes[name] for name in conditions}
        result.found.append(
            Function("condition", module, conditions, its_axes, ["condition"], hop_length)
        )
    result.without_step = why_no_step(folded)
    if result.without_step is None:
        result.found.append(_step_of(folded, inputs))
    return result


def example_inputs(model: Any, num_samples: int) -> dict[str, Tensor]:
    """Inputs of ``forward``, two rows of at least so many samples.

    Raises:
        UserError: when the model does not say what they are.
    """
    hop_length = getattr(model, "hop_length", None) if _listens(model) else None
    num_samples = max(num_samples, 3 * hop_length) if hop_length else num_samples
    if hasattr(model, "example_input"):
        takes_length = "num_samples" in inspect.signature(model.example_input).parameters
        example = model.example_input(num_samples) if takes_length else model.example_input()
    else:
        names = [n for n in ("in_channels", "residual_channels") if hasattr(model, n)]
        if not names:
            raise UserError(f"a {type(model).__name__} does not say what its inputs are")
        example = {"x": torch.zeros(1, getattr(model, names[0]), num_samples)}
        if getattr(model, "condition_channels", None):
            example["condition"] = torch.zeros(1, model.condition_channels, num_samples)
    if takes_images(example):
        return {
            name: value.new_zeros(_ROWS, value.shape[1], *_IMAGE) for name, value in example.items()
        }
    return {name: value.repeat(_ROWS, *[1] * (value.dim() - 1)) for name, value in example.items()}


def takes_images(inputs: Mapping[str, Any]) -> bool:
    """Whether the input is (B, C, H, W)."""
    return any(value.dim() == 4 for value in flat(inputs).values())


def why_no_step(model: Any) -> str | None:
    """Why a model has no streaming step with a state of fixed shapes; None where it has one."""
    name = type(model).__name__
    for needed in ("initial_state", "stream"):
        if not hasattr(model, needed):
            return f"a {name} cannot stream: it has no {needed}"
    inputs = example_inputs(model, _SAMPLES)
    with torch.no_grad():
        state = model.initial_state(_ROWS)
        _, after = model.stream(
            inputs["x"][..., :1], state, *_condition_columns(model, inputs, 1).values()
        )
    before, behind = named_tensors(state), named_tensors(after)
    if [t.shape for t in before.values()] != [t.shape for t in behind.values()]:
        return f"this {name} keeps a state of changing length (look-ahead or strides)"
    return None


def flat(inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """Named tensors, those of a nested dict as "NAME.KEY"."""
    found: dict[str, Tensor] = {}
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": tensor for key, tensor in value.items()}
        else:
            found[name] = value
    return found


class _Step(nn.Module):
    """One block of a stream; the state is a dict of its tensors that hold anything."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, x: Tensor, state: dict[str, Tensor], condition: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        extra = () if condition is None else (condition,)
        nested = _nested(self.model.initial_state(1), state, x.shape[0])
        y, after = self.model.stream(x, nested, *extra)
        return y, _held(after)


class _MainOutput(nn.Module):
    """The logits of a model with an auxiliary head, which is there for training."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)["out"]


class _Condition(nn.Module):
    """The condition of a whole signal from labels and features."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, labels: Tensor | None = None, features: Tensor | None = None) -> Tensor:
        frames = 0 if features is None else features.shape[-1]
        return self.model.condition(labels, features, frames * (self.model.hop_length or 1))


def _step_of(model: Any, inputs: dict[str, Tensor]) -> Function:
    state = _held(model.initial_state(_ROWS))
    samples = inputs["x"].shape[-1]
    extra = _condition_columns(model, inputs, samples)
    step_inputs = {"x": inputs["x"], "state": state, **extra}
    axes: dict[str, Any] = {
        "x": _axes_of("x", inputs["x"], {}),
        "state": {name: {0: BATCH} for name in state},
    }
    for name, value in extra.items():
        axes[name] = {0: BATCH, 2: TIME} if value.shape[-1] > 1 else {0: BATCH}
    outputs = ["y", *(f"next_state.{name}" for name in state)]
    return Function("step", _Step(model), step_inputs, axes, outputs)


def _listens(model: Any) -> bool:
    return bool(getattr(model, "condition_channels", None))


def _condition_columns(
    model: Any, inputs: Mapping[str, Tensor], num_samples: int
) -> dict[str, Tensor]:
    """What ``stream`` reads beside x for that many samples: {"condition": ...} or nothing."""
    if "condition" in inputs:
        return {"condition": inputs["condition"][..., :num_samples]}
    given = {name: inputs[name] for name in ("labels", "features") if name in inputs}
    if not given or not hasattr(model, "condition"):
        return {}
    with torch.no_grad():
        found = model.condition(given.get("labels"), given.get("features"), num_samples)
    return {"condition": found}


def _held(state: State) -> dict[str, Tensor]:
    """The tensors of a state that hold anything: a kernel of one tap keeps no history."""
    return {name: tensor for name, tensor in named_tensors(state).items() if tensor.shape[-1]}


def _nested(template: State, held: Mapping[str, Tensor], rows: Any) -> State:
    def build(part: State, path: str) -> State:
        if isinstance(part, Tensor):
            name = path or "0"
            return held[name] if name in held else part.expand(rows, -1, -1)
        return tuple(build(p, f"{path}.{i}" if path else str(i)) for i, p in enumerate(part))

    return build(template, "")


def _axes_of(name: str, value: Tensor, inputs: Mapping[str, Tensor]) -> Axes:
    if value.dim() == 4:
        return {0: BATCH, 2: HEIGHT, 3: WIDTH}
    if name == "labels" or value.shape[-1] == 1:  # one column for all samples
        return {0: BATCH}
    if name == "features":
        return {0: BATCH, 2: FRAMES}
    # Where there are frames, a whole number of them covers the samples.
    last = value.dim() - 1
    return {0: BATCH, last: f"{FRAMES} * hop_length" if "features" in inputs else TIME}
