"""The graph of a module's forward, cut where the user wants it, with the shapes of an example."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

# Unequal, so that height and width can be told apart; multiples of every usual stride.
EXAMPLE_SIZES = {1: (4096,), 2: (224, 256), 3: (32, 224, 256)}


class Tracer(fx.Tracer):
    """Follows ``forward``; remembers what each submodule returned, and where following failed."""

    def __init__(self) -> None:
        super().__init__()
        self.returned: dict[str, Any] = {}
        self.failed: str | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """torch's own modules, and normalizations of a batch, which change with train and eval."""
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
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


def trace(model: nn.Module, layer: str | None) -> fx.Graph:
    """The graph of a module in eval mode.

    Args:
        model: a copy that may be changed.
        layer: path of the submodule whose output ends the graph (its last call); None for all.

    Raises:
        ValueError: when forward branches on values, or the layer is unknown or never called.
    """
    if layer is not None and layer not in dict(model.named_modules()):
        raise ValueError(f"layer must name a module of the model, got {layer!r}")
    tracer = Tracer()
    try:
        graph = tracer.trace(model)
    except Exception as problem:
        where = repr(tracer.failed) if tracer.failed else type(model).__name__
        reason = str(problem).strip().splitlines() or [type(problem).__name__]
        raise ValueError(
            f"cannot densify {where}: torch.fx cannot follow its forward ({reason[0]})"
        ) from problem
    if layer is not None:
        if layer not in tracer.returned:
            raise ValueError(f"layer {layer!r} is never called by the model")
        (output,) = graph.find_nodes(op="output")
        graph.erase_node(output)
        graph.output(fx.node.map_aggregate(tracer.returned[layer], _node_of))
    return graph


def note_shapes(module: fx.GraphModule, example: Tensor | None) -> None:
    """Run the graph on shapes alone and note them in ``node.meta["shape"]``.

    A tensor has its shape, several tensors have those of the first, anything else has None.

    Raises:
        ValueError: when the module does not take the example.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode, torch.no_grad():
        fake = _example(module) if example is None else mode.from_tensor(example)
        try:
            _Shapes(module).run(fake)
        except Exception as problem:
            reason = str(problem).strip().splitlines() or [type(problem).__name__]
            raise ValueError(
                f"the model does not take an input of shape {tuple(fake.shape)}; give an "
                f"example_input that it takes ({reason[0]})"
            ) from problem


class _Shapes(fx.Interpreter):
    """Notes the shape of every value."""

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        first = value[0] if isinstance(value, tuple | list) and len(value) else value
        n.meta["shape"] = tuple(first.shape) if isinstance(first, Tensor) else None
        n.meta["several"] = first is not value
        return value


def _example(module: nn.Module) -> Tensor:
    """An image, signal or volume for the module's first convolution."""
    for part in module.modules():
        if isinstance(part, nn.modules.conv._ConvNd):
            sizes = EXAMPLE_SIZES[len(part.kernel_size)]
            weight = part.weight
            shape = (1, part.in_channels, *sizes)
            return torch.empty(shape, dtype=weight.dtype, device=weight.device)
    return torch.empty(1, 3, *EXAMPLE_SIZES[2])


def _node_of(value: Any) -> Any:
    return value.node if isinstance(value, fx.Proxy) else value
