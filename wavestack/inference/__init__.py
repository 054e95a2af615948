"""Models at work: sample by sample, block by block (``Stream``), tile by tile (``tiled``)."""

from wavestack.inference.adapt import adapted
from wavestack.inference.generate import draw_labels, generate
from wavestack.inference.segment import Segmenter, segment
from wavestack.inference.stream import Stream
from wavestack.inference.tiling import Tiling, tiled

__all__ = [
    "Segmenter",
    "Stream",
    "Tiling",
    "adapted",
    "draw_labels",
    "generate",
    "segment",
    "tiled",
]
