"""Products of matrices: sums over a dimension."""

from __future__ import annotations

import math

from wavestack.receptive_field.recording.graph import Dim, Edge, Node
from wavestack.receptive_field.recording.operators.call import (
    Call,
    Made,
    broadcast,
)
from wavestack.receptive_field.recording.operators.masks import (
    mask_relation,
)
from wavestack.receptive_field.relation import IDENTITY, Constant, Global


def contract(
    call: Call, node: Node, place: list[int | None], partner: dict[int, int] | None = None
) -> Edge:
    """One operand of a product: its dimensions go to output dimensions, or are summed over (None).

    ``partner`` names, for a summed dimension, an output dimension that stays in step with it when
    the
    joining is cut: the rows of an attention matrix for its columns.
    """
    dims: list[Dim] = []
    for d, n in enumerate(node.shape):
        out = place[d]
        if out is None:
            local = None if partner is None else partner.get(d)
            dims.append((-1, Global(Constant(range(n)), "both", local)))
        elif n == call.out[out]:
            dims.append((out, IDENTITY))
        else:
            dims.append((-1, Constant(range(1))))
    return Edge(node.index, tuple(dims))


def product(
    call: Call,
    left: Node | None,
    right: Node | None,
    places: tuple[list[int | None], list[int | None]],
    depth: int,
) -> Made:
    """A product of two tensors that sums over one dimension (the last but in ``places`` None)."""
    edges = []
    rows = None
    columns = None
    if left is not None:
        columns = places[0].index(None)
        row = len(left.shape) - 2
        if row >= 0 and left.outer[columns] and left.outer[columns] & left.outer[row]:
            rows = places[0][row]
    if left is not None:
        partner = None if rows is None or columns is None else {columns: rows}
        edges.append(contract(call, left, places[0], partner))
    if right is not None:
        summed = places[1].index(None)
        step: int | None = rows
        if step is not None and right.shape[summed] != call.out[step]:
            step = None
        edge = contract(call, right, places[1], None if step is None else {summed: step})
        mask = _weights_mask(left)
        if mask is not None and rows is not None:
            edge = _masked(edge, summed, rows, mask)
            own = edges[0]
            edges[0] = _masked(own, columns or 0, rows, mask)
        edges.append(edge)
    return Made(edges, macs=math.prod(call.out) * depth)


def _weights_mask(node: Node | None) -> object:
    """The mask that attention weights have come from, if any."""
    note = None if node is None else node.note
    return note[1] if isinstance(note, tuple) and note and note[0] == "weights" else None


def _masked(edge: Edge, summed: int, rows: int, mask: object) -> Edge:
    dims = list(edge.dims)
    relation = mask_relation(mask, rows)
    if relation is None:
        return edge
    dims[summed] = relation
    return Edge(edge.source, tuple(dims))


def matmul(call: Call) -> list[Made]:
    """mm, bmm, matmul and vectors, with broadcasting of the leading dimensions."""
    a, b = (t for t in call.tensors()[:2])
    left, right = call.find(a), call.find(b)
    rank = len(call.out)
    if a.dim() == 1 or b.dim() == 1:
        return _vector_product(call, a, b, left, right)
    places_a: list[int | None] = [rank - a.dim() + d for d in range(a.dim() - 1)]
    places_b: list[int | None] = [rank - b.dim() + d for d in range(b.dim() - 2)]
    return [
        product(call, left, right, ([*places_a, None], [*places_b, None, rank - 1]), a.shape[-1])
    ]


def _vector_product(
    call: Call, a: object, b: object, left: Node | None, right: Node | None
) -> list[Made]:
    edges = []
    rank = len(call.out)
    if left is not None:
        n = len(left.shape)
        places: list[int | None] = [None] if n == 1 else [*range(rank), None]
        edges.append(contract(call, left, places))
    if right is not None:
        n = len(right.shape)
        places = [None] if n == 1 else [*range(n - 2), None, rank - 1]
        edges.append(contract(call, right, places))
    return [Made(edges)]


def addmm(call: Call) -> list[Made]:
    """A product plus a term."""
    bias, a, b = call.tensors()[:3]
    rank = len(call.out)
    lead: list[int | None] = list(range(rank - 2))
    if b.dim() == 1:
        made = Made([])
        for tensor, places in ((a, [0, None]), (b, [None])):
            node = call.find(tensor)
            if node is not None:
                made.edges.append(contract(call, node, list(places)))
    else:
        places_a: list[int | None] = [*lead, rank - 2, None]
        places_b: list[int | None] = [*lead, None, rank - 1]
        made = product(call, call.find(a), call.find(b), (places_a, places_b), a.shape[-1])
    term = call.find(bias)
    if term is not None:
        made.edges.append(broadcast(term, call.out))
    return [made]


def linear(call: Call) -> list[Made]:
    """A linear layer on the last dimension."""
    x, weight = call["input"], call["weight"]
    node, other = call.find(x), call.find(weight)
    edges = []
    rank = len(call.out)
    if node is not None:
        places: list[int | None] = [*range(len(node.shape) - 1), None]
        edges.append(contract(call, node, places))
    if other is not None:
        places = [rank - 1, None] if len(other.shape) == 2 else [None]
        edges.append(contract(call, other, places))
    bias = call.find(call.get("bias"))
    if bias is not None:
        edges.append(broadcast(bias, call.out))
    return [Made(edges, macs=math.prod(call.out) * x.shape[-1])]


def einsum(call: Call) -> list[Made]:
    """Any einsum: letters that leave are summed over."""
    equation: str = call["equation"].replace(" ", "")
    operands = call["operands"]
    inputs, _, output = equation.partition("->")
    terms = inputs.split(",")
    if "->" not in equation:
        letters = sorted(set(inputs) - {",", "."})
        output = ("..." if "..." in inputs else "") + "".join(
            letter for letter in letters if inputs.count(letter) == 1
        )
    rank = len(call.out)
    wide = rank - len(output.replace("...", ""))
    out_letters = _letters(output, rank, wide)
    named = [_letters(term, t.dim(), wide) for term, t in zip(terms, operands, strict=True)]
    edges = []
    depth = 1
    sizes: dict[str, int] = {}
    for letters, tensor in zip(named, operands, strict=True):
        sizes.update(zip(letters, tensor.shape, strict=True))
    for letter, n in sizes.items():
        if letter not in out_letters:
            depth *= n
    for letters, tensor in zip(named, operands, strict=True):
        node = call.find(tensor)
        if node is not None:
            places: list[int | None] = [
                out_letters.index(letter) if letter in out_letters else None for letter in letters
            ]
            edges.append(
                contract(
                    call,
                    node,
                    places,
                    _einsum_partners(call, named, operands, letters, out_letters),
                )
            )
    return [Made(edges, macs=math.prod(call.out) * depth)]


def _einsum_partners(
    call: Call, named: list[list[str]], operands: list, letters: list[str], out: list[str]
) -> dict[int, int]:
    """A summed letter stays in step with a kept letter that carries the same axis beside it."""
    partner = {}
    for d, letter in enumerate(letters):
        if letter in out:
            continue
        for others, tensor in zip(named, operands, strict=True):
            node = call.find(tensor)
            if node is None or letter not in others:
                continue
            outer = node.outer[others.index(letter)]
            for k, kept in enumerate(others):
                if kept in out and outer and outer & node.outer[k]:
                    partner[d] = out.index(kept)
    return partner


def _letters(term: str, rank: int, wide: int) -> list[str]:
    """One name per dimension; the dots stand for as many as are left."""
    if "..." not in term:
        return list(term)
    before, after = term.split("...")
    dots = rank - len(before) - len(after)
    return [*before, *(f".{wide - dots + k}" for k in range(dots)), *after]


def outer_product(call: Call) -> list[Made]:
    """Pairs of rows: every output (i, j) needs row i of one and row j of the other."""
    a, b = call.tensors()[:2]
    edges = []
    rank = len(call.out)
    for tensor, row in ((a, rank - 2), (b, rank - 1)):
        node = call.find(tensor)
        if node is not None:
            lead = rank - len(node.shape)
            dims: list[Dim] = [(lead + d, IDENTITY) for d in range(len(node.shape) - 2)]
            dims += [(row, IDENTITY), (-1, Constant(range(node.shape[-1])))]
            edges.append(Edge(node.index, tuple(dims)))
    return [Made(edges)]


RULES = {
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "dot"), matmul),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), addmm),
    "linear": linear,
    "einsum": einsum,
    "_cdist_forward": outer_product,
    "cdist": outer_product,
}
