"""What a rule is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from wavestack.receptive_field.recording.graph import Edge, Graph, Node, whole
from wavestack.receptive_field.relation import IDENTITY, Constant, Global, Map

Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass
class Made:
    """How one output came about: its edges and what the table says about its operator."""

    edges: list[Edge]
    geometry: Geometry | None = None
    macs: int = 0
    note: Any = None
    unknown: bool = False


@dataclass
class Call:
    """One operator call.

    Attributes:
        name: the operator without namespace, overload or trailing underscore
        values: its arguments by name
        outputs: its output tensors, in order
        graph: the graph so far
        find: the node of a tensor, None for a constant
        concrete: the values of a constant tensor, None where they are not known
        module: path of the module that calls
    """

    name: str
    values: dict[str, Any]
    outputs: list[Tensor]
    graph: Graph
    find: Callable[[Any], Node | None]
    concrete: Callable[[Any], Tensor | None]
    module: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def get(self, key: str, default: Any = None) -> Any:
        """An argument, or the default where it is absent or None."""
        found = self.values.get(key)
        return default if found is None else found

    @property
    def out(self) -> tuple[int, ...]:
        """Shape of the first output."""
        return tuple(self.outputs[0].shape)

    def tensors(self) -> list[Tensor]:
        """All tensor arguments, lists opened."""
        found: list[Tensor] = []
        for value in self.values.values():
            for item in value if isinstance(value, list | tuple) else [value]:
                if isinstance(item, Tensor):
                    found.append(item)
        return found

    def nodes(self) -> list[Node]:
        """The nodes of all tensor arguments that depend on an input."""
        return [node for node in map(self.find, self.tensors()) if node is not None]


Rule = Callable[[Call], "list[Made] | None"]


def dimension(d: int, rank: int) -> int:
    """A dimension counted from the front."""
    return d + rank if d < 0 else d


def dimensions(dims: Any, rank: int) -> list[int]:
    """A list of dimensions counted from the front; None or an empty list is all of them."""
    if dims is None or (isinstance(dims, list | tuple) and not dims):
        return list(range(rank))
    if isinstance(dims, int):
        dims = [dims]
    return sorted({dimension(d, rank) for d in dims})


def spread(values: Any, number: int) -> tuple[int, ...]:
    """An int or a short list, one value per axis."""
    if isinstance(values, int):
        return (values,) * number
    values = tuple(int(v) for v in values)
    return values * number if len(values) == 1 else values


def broadcast(node: Node, out: Sequence[int]) -> Edge:
    """An element-wise operator's edge."""
    lead = len(out) - len(node.shape)
    return Edge(
        node.index,
        tuple(
            (i + lead, IDENTITY) if n == out[i + lead] else (-1, Constant(range(1)))
            for i, n in enumerate(node.shape)
        ),
    )


def everything(node: Node) -> Edge:
    """An edge to every position, known to join the axes."""
    return Edge(node.index, tuple((-1, Global(reach, "both")) for _, reach in whole(node.shape)))


def elementwise(call: Call) -> list[Made]:
    """Every output position needs the same position of every argument."""
    return [
        Made([broadcast(node, tuple(output.shape)) for node in call.nodes()])
        for output in call.outputs
    ]


def joined(
    node: Node,
    dims: Sequence[int],
    *,
    side: str = "both",
    keep: bool = True,
    exact: Map | None = None,
) -> Edge:
    """An edge that joins all positions of some dimensions.

    Args:
        node: the input
        dims: its dimensions that are joined
        side: "past", "both" or "batch"
        keep: whether the output still has these dimensions in step (softmax, norms), else they are
            gone
        exact: what is really read along them; everything by default
    """
    found: list[tuple[int | tuple[int, ...], Map]] = []
    for d, n in enumerate(node.shape):
        if d in dims:
            reach = exact if exact is not None else Constant(range(n))
            found.append((d if keep else -1, Global(reach, side, d if keep else None)))
        else:
            found.append((d, IDENTITY))
    return Edge(node.index, tuple(found))


def reduced(node: Node, dims: Sequence[int], out: Sequence[int], *, side: str = "both") -> Edge:
    """The edge of a sum, mean or maximum over some dimensions, kept at length 1 or removed."""
    keepdim = len(out) == len(node.shape)
    found: list[tuple[int | tuple[int, ...], Map]] = []
    at = 0
    for d, n in enumerate(node.shape):
        if d in dims:
            found.append((-1, Global(Constant(range(n)), side)))
            at += keepdim
        else:
            found.append((at, IDENTITY))
            at += 1
    return Edge(node.index, tuple(found))


def is_single(tensor: Tensor) -> bool:
    """Whether torch computes interpolation positions for this tensor in float32."""
    return tensor.dtype != torch.float64


def nothing(call: Call) -> list[Made]:
    """Outputs that depend on no input."""
    return [Made([]) for _ in call.outputs]
