"""Tensors that share memory: a write through one view is seen through all the others.

Every memory has a base tensor; a view knows the chain of view operators that leads to it from the
base. A write walks that chain back to make a new base, and a view that is read later repeats its
chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from wavestack.receptive_field.recording.graph import Dim, Edge, Graph, same, view_groups
from wavestack.receptive_field.recording.operators.call import dimension
from wavestack.receptive_field.recording.operators.shape import permute_edge
from wavestack.receptive_field.relation import IDENTITY, Inverse, Segment, Without

Replay = Callable[[str, dict[str, Any], int, list[Tensor], int], "int | None"]


@dataclass
class Base:
    """One memory: the node of the tensor that owns it, and how often it was written to."""

    node: int | None
    shape: tuple[int, ...]
    version: int = 0
    written: bool = False


@dataclass
class Step:
    """One view operator of a chain."""

    name: str
    values: dict[str, Any]
    outputs: list[Tensor]
    which: int
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass
class Handle:
    """What is known of one tensor."""

    tensor: Tensor
    node: int | None
    base: Base
    chain: list[Step] = field(default_factory=list)
    version: int = 0


class Aliases:
    """Which node each tensor is now."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.handles: dict[int, Handle] = {}

    def bind(self, tensor: Tensor, node: int) -> None:
        """A fresh tensor with its own memory (until ``view`` says otherwise)."""
        self.handles[id(tensor)] = Handle(tensor, node, Base(node, tuple(tensor.shape)))

    def is_foreign(self, tensor: Tensor) -> bool:
        """Whether this run has not seen the tensor being made."""
        handle = self.handles.get(id(tensor))
        return handle is None or handle.node is None

    def _handle(self, tensor: Tensor) -> Handle:
        handle = self.handles.get(id(tensor))
        if handle is None:
            handle = Handle(tensor, None, Base(None, tuple(tensor.shape)))
            self.handles[id(tensor)] = handle
        return handle

    def view(
        self,
        source: Tensor,
        output: Tensor,
        name: str,
        values: dict[str, Any],
        which: int,
        outputs: list[Tensor],
    ) -> None:
        """``output`` shows the memory of ``source``."""
        if output is source:
            return
        origin = self._handle(source)
        known = self.handles.get(id(output))
        step = Step(name, values, outputs, which, tuple(source.shape), tuple(output.shape))
        self.handles[id(output)] = Handle(
            output,
            None if known is None else known.node,
            origin.base,
            [*origin.chain, step],
            origin.base.version,
        )

    def node(self, tensor: Tensor, replay: Replay) -> int | None:
        """The node of a tensor as its memory is now."""
        handle = self.handles.get(id(tensor))
        if handle is None:
            return None
        if handle.version != handle.base.version:
            node = handle.base.node
            for step in handle.chain:
                if node is None:
                    break
                node = replay(step.name, step.values, node, step.outputs, step.which)
            handle.node, handle.version = node, handle.base.version
        return handle.node

    def write(self, tensor: Tensor, node: int | None, module: str, replay: Replay) -> None:
        """The tensor now holds what ``node`` says; None is a constant."""
        handle = self._handle(tensor)
        parents = [handle.base.node]
        for step in handle.chain[:-1]:
            last = parents[-1]
            parents.append(
                None
                if last is None
                else replay(step.name, step.values, last, step.outputs, step.which)
            )
        current = node
        for step, parent in zip(reversed(handle.chain), reversed(parents), strict=False):
            current = self._scatter(step, parent, current, module)
        handle.base.node = current
        handle.base.version += 1
        handle.node = node
        handle.version = handle.base.version

    def _scatter(self, step: Step, parent: int | None, new: int | None, module: str) -> int | None:
        """The tensor before a view operator, after a write to the tensor behind it."""
        edges: list[Edge] = []
        rank = len(step.before)
        hole = self._hole(step)
        if hole is not None:
            d, written = hole
            if parent is not None and len(written) < step.before[d]:
                dims = list(same(rank))
                dims[d] = (d, Without(written))
                edges.append(Edge(parent, tuple(dims)))
            if new is not None:
                edges.append(self._inverse(step, new, d, written, alone=parent is None))
        elif step.name in ("permute", "transpose", "t"):
            if new is not None:
                order = _order(step)
                back = [order.index(d) for d in range(rank)]
                edges.append(permute_edge(self.graph[new], back))
        elif len(step.before) and _size(step.before) == _size(step.after):
            if new is not None:
                edges.append(Edge(new, groups=view_groups(step.before, step.after)))
        else:
            sources = [index for index in (parent, new) if index is not None]
            from wavestack.receptive_field.recording.operators.call import everything

            found = [everything(self.graph[index]) for index in sources]
            if not found:
                return None
            return self.graph.add(
                f"write {step.name}", step.before, found, module, unknown=True
            ).index
        if not edges:
            return None
        return self.graph.add("write", step.before, edges, module).index

    @staticmethod
    def _hole(step: Step) -> tuple[int, range] | None:
        """The dimension and the positions that a slice or a selected index covers."""
        rank = len(step.before)
        values = step.values
        if step.name == "slice":
            d = dimension(values.get("dim") or 0, rank)
            n = step.before[d]
            start = values.get("start") or 0
            start = min(max(start + n if start < 0 else start, 0), n)
            stride = values.get("step") or 1
            return d, range(start, start + stride * step.after[d], stride)
        if step.name == "select":
            d = dimension(values["dim"], rank)
            k = values["index"] % step.before[d]
            return d, range(k, k + 1)
        if step.name == "unbind":
            d = dimension(values.get("dim") or 0, rank)
            return d, range(step.which, step.which + 1)
        if step.name in ("split", "split_with_sizes", "chunk"):
            d = dimension(values.get("dim") or 0, rank)
            start = sum(t.shape[d] for t in step.outputs[: step.which])
            return d, range(start, start + step.after[d])
        return None

    def _inverse(self, step: Step, new: int, d: int, written: range, *, alone: bool) -> Edge:
        if step.name in ("select", "unbind"):
            dims: list[Dim] = [(i if i < d else i + 1, IDENTITY) for i in range(len(step.after))]
            return Edge(new, tuple(dims), only=((d, written),))
        dims = list(same(len(step.after)))
        carries = alone and bool(self.graph[new].axes[d])
        if written.step == 1:
            dims[d] = (d, Segment(written.start, len(written), written, carries))
        else:
            dims[d] = (d, Inverse(written.step, written.start, len(written), carries))
        return Edge(new, tuple(dims))


def _order(step: Step) -> list[int]:
    rank = len(step.before)
    if step.name == "permute":
        return [dimension(d, rank) for d in step.values["dims"]]
    order = list(range(rank))
    if step.name == "t":
        return order[::-1]
    a, b = dimension(step.values["dim0"], rank), dimension(step.values["dim1"], rank)
    order[a], order[b] = order[b], order[a]
    return order


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total
