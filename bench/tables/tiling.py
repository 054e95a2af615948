"""Tiles beside the whole picture."""

from __future__ import annotations

import re

from bench.tables.form import markdown, recorded

# Figures of each case, and how they are written.
TILING = {
    "peak_mib": "{:,.0f}",
    "core_seconds": "{:.1f}",
    "margin": "{:.0f}",
    "overlap": "{:.2f}",
    "largest_difference": "{:.1g}",
}


def tiling() -> str:
    """Memory and time of tiles beside the whole picture."""
    (result,) = recorded("tiling")
    figures, rows = result["figures"], []
    for key in figures:
        case = re.fullmatch(r"(\w+)_(\d+)_(?:tile_)?(whole|\d+)_peak_mib", key)
        if case is None:
            continue
        net, side, tile = case.groups()
        found = {name: figures.get(key.replace("peak_mib", name)) for name in TILING}
        row = [f"`{net}`", f"{side} x {side}", tile]
        rows.append([*row, *("" if v is None else TILING[n].format(v) for n, v in found.items())])
    header = ["network", "picture", "tile", "peak MiB", "core-seconds", "margin"]
    return markdown([*header, "pixels passed / pixels", "largest difference"], rows)
