"""The per-module table: own geometry beside what has accumulated since the input."""

from __future__ import annotations

import math

from wavestack.receptive_field.asking.measure import Ruler
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.figures import LayerAxis, LayerRow
from wavestack.receptive_field.recording.graph import Node
from wavestack.receptive_field.recording.trace import Traced
from wavestack.receptive_field.relation import Global

# The table follows this many phases of a period; the report itself follows all of them.
_PHASES = 64


def layer_rows(question: Question) -> list[LayerRow]:
    """One row per module that computes something itself, by its last call, in order."""
    run = question.run
    modules = dict(question.model.named_modules())
    last = {call.name: call for call in run.calls}
    own: dict[str, list[Node]] = {}
    for node in run.graph.nodes:
        own.setdefault(node.module, []).append(node)
    joined = _joined(run)
    sharp = _sharp_run(question)
    rulers = _rulers(question, sharp)
    measured: dict[tuple[int, int], LayerAxis] = {}
    before: dict[str, LayerAxis] = {}
    rows = []
    for name, call in sorted(last.items(), key=lambda entry: (entry[1].end, -entry[1].begin)):
        nodes = own.get(name, [])
        module = modules[name]
        params = sum(p.numel() for p in module.parameters(recurse=False))
        index = _output(call.outputs)
        if index is None or not (nodes or params) or (not name and not any(n.macs for n in nodes)):
            continue
        node = run.graph[index]
        geometry = next((n.geometry for n in nodes if n.geometry is not None), None)
        axes = {}
        for label, _, number in question.primary.axes:
            key = (origin_of(sharp.graph.nodes, index), number)
            if key not in measured:
                measured[key] = _layer_axis(rulers[number], sharp.graph[key[0]])
            found = measured[key]
            if found.local_size is None and number in joined[index]:
                # The axis is gone: what is left is global, and the local relation is the last one.
                found = before.get(label, found)
            elif found.local_size is not None:
                before[label] = found
            if number in joined[index] and found.local_size is not None:
                found = LayerAxis(
                    math.inf, found.local_size, found.jump, found.start, found.coverage
                )
            axes[label] = found
        kernel, stride, dilation = geometry if geometry is not None else (None, None, None)
        effective = None
        if kernel is not None and dilation is not None:
            # A single tap has no holes, whatever rate the operator was called with.
            dilation = tuple(d if k > 1 else 1 for k, d in zip(kernel, dilation, strict=True))
            effective = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        rows.append(
            LayerRow(
                name or "(model)",
                call.kind,
                kernel,
                effective,
                stride,
                dilation,
                axes,
                node.shape,
                params,
                sum(n.macs for n in nodes),
            )
        )
    return rows


def _output(outputs: object) -> int | None:
    if isinstance(outputs, int):
        return outputs
    items = (
        outputs.values()
        if isinstance(outputs, dict)
        else outputs
        if isinstance(outputs, list)
        else []
    )
    for item in items:
        found = _output(item)
        if found is not None:
            return found
    return None


def _joined(run: Traced) -> list[frozenset[int]]:
    """Per node, the axes that a global operator has joined on the way."""
    found: list[frozenset[int]] = []
    for node in run.graph.nodes:
        axes: frozenset[int] = frozenset()
        for edge in node.edges:
            source = run.graph[edge.source]
            axes |= found[edge.source]
            for i, (_, relation) in enumerate(edge.dims):
                if isinstance(relation, Global):
                    axes |= source.outer[i]
        found.append(axes)
    return found


def _sharp_run(question: Question) -> Traced:
    """The largest run with the same operators: there, borders are furthest away."""
    best = question.run
    for factor in sorted(question.runs):
        run = question.runs[factor]
        if run is not None and len(run.graph) == len(best.graph):
            best = run
    return best


def _rulers(question: Question, run: Traced) -> dict[int, Ruler]:
    item = question.primary
    return {number: question.ruler(run, item, number) for _, _, number in item.axes}


def origin_of(nodes: list[Node], index: int) -> int:
    """The first tensor in a chain of element-wise steps that ends here: it sees the same."""
    while True:
        node = nodes[index]
        if len(node.edges) != 1 or node.edges[0].groups is not None or node.edges[0].only:
            return index
        edge = node.edges[0]
        source = nodes[edge.source]
        plain = all(
            type(relation).__name__ == "Map" and reach == d
            for d, (reach, relation) in enumerate(edge.dims)
        )
        if not plain or source.shape != node.shape or source.operator.startswith("input "):
            return index
        index = edge.source


def _layer_axis(ruler: Ruler, node: Node) -> LayerAxis:
    pattern = ruler.measure(node, most_phases=_PHASES)
    if pattern is None:
        return LayerAxis(None, None, None, None, None)
    coverage = pattern.used / pattern.size if pattern.size else None
    return LayerAxis(pattern.size, pattern.size, pattern.jump, pattern.start, coverage)
