"""One run of a module that records every tensor operator, without computing anything.

Inputs are fake tensors: torch works out shapes alone. Whatever does not depend on an input
(weights, masks, index tables) stays real, so that constant indices keep their values. Where a
model's control flow needs values, the run is repeated with real tensors.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.nn.modules import module as torch_module

from wavestack.receptive_field.recording import carry
from wavestack.receptive_field.recording.carry import Factor, Trace
from wavestack.receptive_field.recording.functions import FunctionMode
from wavestack.receptive_field.recording.graph import Graph
from wavestack.receptive_field.recording.recorder import NeedsValuesError, Recorder
from wavestack.receptive_field.recording.running import while_recording


@dataclass
class ModuleCall:
    """One call of a module: what it returned, and how its own operators were numbered."""

    name: str
    kind: str
    outputs: Any
    begin: int
    end: int


@dataclass
class Traced:
    """A recorded run.

    Attributes:
        graph: all tensors
        inputs: per input name, its node
        outputs: what the model returned, tensors replaced by nodes (None for constants)
        calls: module calls in order of completion
        read_values: modules in which Python read a value that depends on the input
    """

    graph: Graph
    inputs: dict[str, int]
    outputs: Any
    calls: list[ModuleCall]
    read_values: list[str] = field(default_factory=list)


def map_tensors(value: Any, apply: Callable[[Tensor], Any]) -> Any:
    """A structure of tuples, lists and dicts with its tensors replaced."""
    if isinstance(value, Tensor):
        return apply(value)
    if isinstance(value, dict):
        return {key: map_tensors(item, apply) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_tensors(item, apply) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {key: map_tensors(getattr(value, key), apply) for key in value.__dataclass_fields__}
    return None


def trace(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    names: dict[int, str],
    axis_dims: dict[str, list[tuple[int, int]]],
    *,
    fake: bool,
) -> Traced:
    """Run a module once and record it.

    Args:
        model: the module, left as it was
        args, kwargs: what it is called with
        names: id of an input tensor -> its name
        axis_dims: per input name, (dimension, axis number) of the axes to follow
        fake: on shapes alone; False computes for real
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True) if fake else None
    recorder = Recorder(mode)
    inputs: dict[str, int] = {}

    def enter(tensor: Tensor) -> Tensor:
        own = tensor.detach()
        own = mode.from_tensor(own) if mode is not None else own.clone()
        name = names.get(id(tensor))
        if name is not None:
            factors = [carry.plain(n) for n in own.shape]
            for d, axis in axis_dims.get(name, []):
                step = Trace(torch_fraction(1), 1, True)
                factors[d] = (Factor(own.shape[d], ((axis, step),)),)
            node = recorder.graph.add_input(name, tuple(own.shape), factors)
            inputs[name] = node.index
            recorder.aliases.bind(own, node.index)
        return own

    paths = {id(child): path for path, child in model.named_modules()}
    calls: list[ModuleCall] = []
    begins: list[int] = []

    def before(module: nn.Module, _: Any) -> None:
        recorder.stack.append(paths.get(id(module), recorder.module))
        begins.append(len(recorder.graph))

    def after(module: nn.Module, _: Any, output: Any) -> None:
        outputs = map_tensors(output, lambda t: getattr(recorder.find(t), "index", None))
        begin = begins.pop()
        name = recorder.stack.pop()
        if id(module) in paths:
            calls.append(
                ModuleCall(name, type(module).__name__, outputs, begin, len(recorder.graph))
            )

    def swap(value: Any) -> Any:
        if isinstance(value, Tensor):
            return enter(value)
        if isinstance(value, dict):
            return type(value)({key: swap(item) for key, item in value.items()})
        if type(value) in (list, tuple):
            return type(value)(swap(item) for item in value)
        return value

    with ExitStack() as stack:
        stack.enter_context(while_recording())
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(untouched(model, deep=not fake))
        stack.enter_context(_slow_attention())
        stack.enter_context(_quiet())
        run_args = tuple(swap(value) for value in args)
        run_kwargs = {key: swap(value) for key, value in kwargs.items()}
        hooks = [
            torch_module.register_module_forward_pre_hook(before),
            torch_module.register_module_forward_hook(after),
        ]
        for hook in hooks:
            stack.callback(hook.remove)
        stack.callback(recorder.restore)
        try:
            with recorder, FunctionMode(recorder):
                output = model(*run_args, **run_kwargs)
        except Exception as problem:
            if fake and _wants_values(problem):
                raise NeedsValuesError(str(problem)) from problem
            problem.add_note(f"wavestack-module: {recorder.module}")
            raise
        outputs = map_tensors(output, lambda t: getattr(recorder.find(t), "index", None))
    return Traced(recorder.graph, inputs, outputs, calls, recorder.read_values)


def _wants_values(problem: BaseException | None) -> bool:
    seen = 0
    while problem is not None and seen < 10:
        if isinstance(
            problem, NeedsValuesError | DataDependentOutputException | DynamicOutputShapeException
        ):
            return True
        text = f"{type(problem).__name__} {problem}"
        if any(
            key in text
            for key in (
                "DataDependent",
                "data-dependent",
                "FakeTensor",
                "fake tensor",
                "meta tensor",
            )
        ):
            return True
        problem = problem.__cause__ or problem.__context__
        seen += 1
    return False


@contextmanager
def untouched(model: nn.Module, *, deep: bool) -> Iterator[None]:
    """Attributes and buffers of all modules are afterwards what they were before."""
    # Scripted modules keep their state on their own side and cannot gain attributes as they run.
    plain = [child for child in model.modules() if not isinstance(child, torch.jit.ScriptModule)]
    attributes = [(child, dict(child.__dict__)) for child in plain]
    buffers = [(child, dict(child._buffers)) for child in plain]
    own = list(model.buffers()) if deep else []
    copies = [(buffer, buffer.detach().clone()) for buffer in own]
    try:
        yield
    finally:
        for child, kept in attributes:
            for key in [k for k in child.__dict__ if k not in kept]:
                del child.__dict__[key]
            for key, value in kept.items():
                if child.__dict__.get(key) is not value:
                    child.__dict__[key] = value
        for child, registered in buffers:
            child._buffers.clear()
            child._buffers.update(registered)
        with torch.no_grad():
            for buffer, copy in copies:
                if not torch.equal(buffer, copy):
                    buffer.copy_(copy)


@contextmanager
def _quiet() -> Iterator[None]:
    """torch logs a failing shape rule with its whole stack; the error itself says enough."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the model's own; they come again when it really runs
            yield
    finally:
        logger.setLevel(before)


@contextmanager
def _slow_attention() -> Iterator[None]:
    """The fused transformer layer is one operator without gradients: leave it off."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def torch_fraction(value: int) -> Any:
    """A Fraction: every input axis starts with jump 1."""
    from fractions import Fraction

    return Fraction(value)
