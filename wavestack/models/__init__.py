"""Models: layers with a head. Needs torch alone."""

from wavestack.layers.weight_norm import fold_weight_norm
from wavestack.models.wavenet import WaveNet

__all__ = ["WaveNet", "fold_weight_norm"]
