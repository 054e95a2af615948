"""The graph of a module's forward, cut where the user wants it, with the shapes of an example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from wavestack.layers.conv2d import AtrousConv2d

# Unequal, so that height and width can be told apart; multiples of every usual stride.
EXAMPLE_SIZES = {1: (4096,), 2: (224, 256), 3: (32, 224, 256)}
MOST_QUESTIONS = 200


class _Asked(Exception):
    """Forward asks for a value: how many entries a shape has, whether a size is another."""

    def __init__(self, node: fx.Node) -> None:
        super().__init__("forward depends on the values of a tensor")
        self.node = node


class _Proxy(fx.Proxy):
    """A value of the graph that has a length, so that a shape can be unpacked."""

    def __len__(self) -> int:
        tracer: Any = self.tracer
        return len(tracer.value_of(self))


class Tracer(fx.Tracer):
    """Follows ``forward``; knows what each submodule returned, and where following failed.

    Args:
        answers: the values that forward has asked for so far, in order.
    """

    def __init__(self, answers: Sequence[Any] = ()) -> None:
        super().__init__()
        self.answers = iter(answers)
        self.returned: dict[str, Any] = {}
        self.failed: str | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """torch's own modules, our convolution, and all that changes with train and eval."""
        if isinstance(m, AtrousConv2d | nn.modules.batchnorm._BatchNorm):
            return True
        return super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: tuple, kwargs: dict) -> Any:
        """As in torch; notes the result."""
        path = self.path_of_module(m)
        try:
            self.returned[path] = super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed = self.failed or path
            raise
        return self.returned[path]

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """A value that forward computes with."""
        return _Proxy(node, self)

    def to_bool(self, obj: fx.Proxy) -> bool:
        """What an ``if`` decides for the example."""
        return bool(self.value_of(obj))

    def iter(self, obj: fx.Proxy) -> Any:
        """The entries of a shape, or of several tensors."""
        entries: Any = obj
        return (entries[i] for i in range(len(self.value_of(obj))))

    def value_of(self, obj: fx.Proxy) -> Any:
        """A value for the example, no tensor."""
        for answer in self.answers:
            return answer
        raise _Asked(obj.node)


def trace(model: nn.Module, layer: str | None, example: Tensor | None) -> fx.GraphModule:
    """The graph of a module in eval mode.

    Every node has the shape of its value for the example in ``node.meta["shape"]``: several
    tensors have that of the first, what is no tensor has None.

    Args:
        model: a copy that may be changed.
        layer: path of the submodule whose output ends the graph (its last call); None for all.
        example: an input; None for an image of the kind that the first convolution takes.

    Raises:
        ValueError: when forward cannot be followed, the layer is unknown or never called, or the
            model does not take the example.
    """
    if layer is not None and layer not in dict(model.named_modules()):
        raise ValueError(f"layer must name a module of the model, got {layer!r}")
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        fake = _example(model) if example is None else mode.from_tensor(example)
    graph, returned = _follow(model, mode, fake)
    if layer is not None:
        if layer not in returned:
            raise ValueError(f"layer {layer!r} is never called by the model")
        (output,) = graph.find_nodes(op="output")
        graph.erase_node(output)
        graph.output(fx.node.map_aggregate(returned[layer], _node_of))
    module = fx.GraphModule(model, graph, class_name=f"Dense{type(model).__name__}")
    module.graph.eliminate_dead_code()
    _run(module, mode, fake)
    return module


def _follow(
    model: nn.Module, mode: FakeTensorMode, example: Tensor
) -> tuple[fx.Graph, dict[str, Any]]:
    """The graph, and what each submodule returned; asks the example what forward asks for."""
    answers: list[Any] = []
    while True:
        tracer = Tracer(answers)
        try:
            return tracer.trace(model), tracer.returned
        except Exception as problem:
            asked = problem if isinstance(problem, _Asked) else None
            if asked is not None and len(answers) < MOST_QUESTIONS:
                asked.node.graph.output(asked.node)
                value = _run(fx.GraphModule(model, asked.node.graph), mode, example)
                if not isinstance(value, Tensor):
                    answers.append(value)
                    continue
            where = repr(tracer.failed) if tracer.failed else type(model).__name__
            raise ValueError(
                f"cannot densify {where}: torch.fx cannot follow its forward ({_line(problem)})"
            ) from problem


def _run(module: fx.GraphModule, mode: FakeTensorMode, example: Tensor) -> Any:
    with mode, torch.no_grad():
        try:
            return _Shapes(module).run(example)
        except Exception as problem:
            raise ValueError(
                f"the model does not take an input of shape {tuple(example.shape)}; give an "
                f"example_input that it takes ({_line(problem)})"
            ) from problem


class _Shapes(fx.Interpreter):
    """Notes the shape of every tensor, and every other value."""

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        first = value[0] if isinstance(value, tuple | list) and len(value) else value
        n.meta["shape"] = tuple(first.shape) if isinstance(first, Tensor) else None
        n.meta["several"] = first is not value
        n.meta["value"] = None if isinstance(first, Tensor) else value
        return value


def _example(model: nn.Module) -> Tensor:
    """An image, signal or volume for the model's first convolution."""
    for part in model.modules():
        if isinstance(part, nn.modules.conv._ConvNd):
            sizes = EXAMPLE_SIZES[len(part.kernel_size)]
            weight = part.weight
            shape = (1, part.in_channels, *sizes)
            return torch.empty(shape, dtype=weight.dtype, device=weight.device)
    return torch.empty(1, 3, *EXAMPLE_SIZES[2])


def _line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


def _node_of(value: Any) -> Any:
    return value.node if isinstance(value, fx.Proxy) else value
