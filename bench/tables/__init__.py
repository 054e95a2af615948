"""The tables of README.md, recipes/README.md and docs/, written from bench/results/.

    python -m bench.tables           # rewrite
    python -m bench.tables --check   # exit 1 when a table is not what the results say

A table stands between ``<!-- table: NAME -->`` and ``<!-- end table -->``.
"""

from __future__ import annotations

import re

from bench.tables.classes import camvid, isbi_em
from bench.tables.generation import generation, generation_limits, reduced_precision
from bench.tables.last_output import last_crops, last_output
from bench.tables.networks import backbones, segmentation_cost, segmentation_fields
from bench.tables.recipes import highlights, recipes
from bench.tables.speed import speed
from bench.tables.streaming import streaming
from bench.tables.tiling import tiling

PAGES = (
    "README.md",
    "recipes/README.md",
    "docs/generation.md",
    "docs/streaming.md",
    "docs/last_output.md",
    "docs/backbones.md",
    "docs/segmentation_networks.md",
    "docs/segment.md",
)
TABLES = {
    "recipes": recipes,
    "highlights": highlights,
    "speed": speed,
    "camvid": camvid,
    "isbi_em": isbi_em,
    "generation": generation,
    "generation_limits": generation_limits,
    "reduced_precision": reduced_precision,
    "streaming": streaming,
    "last_output": last_output,
    "last_crops": last_crops,
    "backbones": backbones,
    "segmentation_fields": segmentation_fields,
    "segmentation_cost": segmentation_cost,
    "tiling": tiling,
}

BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end table -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """A page with every table written anew."""
    return BLOCK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)
