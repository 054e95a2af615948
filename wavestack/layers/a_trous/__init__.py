"""The algorithme à trous: strided networks made dense with the same weights."""

from wavestack.layers.a_trous.densify import densify

__all__ = ["densify"]
