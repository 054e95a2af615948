"""Models at work: sample by sample (``generate``) and block by block (``Stream``)."""

from wavestack.inference.generate import draw_labels, generate
from wavestack.inference.stream import Stream

__all__ = ["Stream", "draw_labels", "generate"]
