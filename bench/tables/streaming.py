"""Streaming in blocks: nets, ways to run them, sizes of blocks."""

from __future__ import annotations

from typing import Any

from bench.tables.form import markdown, recorded

BLOCKS = (1, 8, 64, 512)
STREAMED = {
    "convolutions": "convolution, ReLU",
    "temporal_blocks": "temporal block (two convolutions)",
    "gated_blocks": "gated block",
    "nam_a1": "A1 standard net",
}
WAYS = {
    "compiled_block_": "`Stream`, compiled",
    "eager_block_": "`Stream`, eager",
    "pytorch_tcn_": "pytorch-tcn",
    "numpy_ring_step": "NumPy ring step",
    "torch_ring_step": "torch ring step",
    "torch_offline": "torch, `forward`",
}


def streaming() -> str:
    """Block streaming: one row for each net and way to run it, one column for each block."""
    (result,) = recorded("streaming")
    figures = result["figures"]
    rows = []
    for net, words in STREAMED.items():
        for way, about in WAYS.items():
            cells = [figures.get(f"{net}_{way}{block}_microseconds") for block in _blocks(way)]
            if any(cells):
                reached = figures.get(f"{net}_{way}64_fraction_of_multiply_adds")
                numbers = ["" if cell is None else f"{cell:,.2f}" for cell in cells]
                of_limit = "" if reached is None else f"{100 * reached:.0f} %"
                rows.append([words, about, *numbers, of_limit])
    columns = [*(f"block {block}" for block in BLOCKS), "whole signal", "of the core's peak"]
    return markdown(["layers", "run by", *columns], rows)


def _blocks(way: str) -> tuple[Any, ...]:
    """The ends of a way's figures, in the order of the columns; None where there is none."""
    if way == "pytorch_tcn_":
        return (*(f"block_{block}" for block in BLOCKS), "offline")
    if way.endswith("step"):
        return ("", None, None, None, None)
    return (None,) * len(BLOCKS) + ("",) if way == "torch_offline" else (*BLOCKS, None)
