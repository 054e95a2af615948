"""Attention as one operator: every row reads every column that no mask hides."""

from __future__ import annotations

import math

import numpy as np
import torch

from wavestack.receptive_field.recording.graph import Dim, Edge, same
from wavestack.receptive_field.recording.operators.call import Call, Made
from wavestack.receptive_field.recording.operators.masks import (
    hidden_matrix,
    mask_relation,
    merge_hidden,
)
from wavestack.receptive_field.relation import IDENTITY, Constant, Global


def attention(call: Call) -> list[Made]:
    """Scaled dot-product attention as one operator, constant masks looked up."""
    query, key, value = (call.find(call[name]) for name in ("query", "key", "value"))
    rank = len(call.out)
    rows, columns = call["query"].shape[-2], call["key"].shape[-2]
    mask = attention_mask(call, rows, columns)
    edges = []
    if query is not None:
        dims: list[Dim] = [*same(rank - 1), (-1, Constant(range(query.shape[-1])))]
        edges.append(Edge(query.index, tuple(dims)))
    found = mask_relation(mask, rank - 2) if mask is not None else None
    for node in (key, value):
        if node is None:
            continue
        kept = rank - 2 if rows == columns else None
        join: Dim = (-1, Global(Constant(range(columns)), "both", kept))
        if found is not None:
            join = found
        lead: list[Dim] = [
            (d, IDENTITY) if node.shape[d] == call.out[d] else (-1, Constant(range(node.shape[d])))
            for d in range(rank - 2)
        ]
        final: Dim = (-1, Constant(range(node.shape[-1])))
        if node is value:
            final = (rank - 1, IDENTITY)
        edges.append(Edge(node.index, (*lead, join, final)))
    other = call.find(call.get("attn_mask"))
    if other is not None:
        lead_out = rank - len(other.shape)
        places: list[Dim] = [
            (lead_out + d, IDENTITY)
            if other.shape[d] == call.out[lead_out + d]
            else (-1, Constant(range(other.shape[d])))
            for d in range(len(other.shape) - 1)
        ]
        edges.append(
            Edge(other.index, (*places, (-1, Global(Constant(range(other.shape[-1])), "both"))))
        )
    macs = 2 * math.prod(call.out) * columns
    rest = [Made([]) for _ in call.outputs[1:]]
    return [Made(edges, macs=macs, note=None if mask is None else "masked"), *rest]


def attention_mask(call: Call, rows: int, columns: int) -> np.ndarray | None:
    """The matrix of hidden pairs of an attention operator, None without a constant mask."""
    hidden = np.triu(np.ones((rows, columns), dtype=bool), 1) if call.get("is_causal") else None
    mask = call.get("attn_mask", call.get("attn_bias"))
    known = call.concrete(mask) if mask is not None else None
    if known is not None:
        # A boolean mask of this operator says what may be seen.
        given = hidden_matrix(~known if known.dtype == torch.bool else known, rows, columns)
        hidden = merge_hidden([hidden, given])
    return hidden


RULES = dict.fromkeys(
    (
        "scaled_dot_product_attention",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
    ),
    attention,
)
