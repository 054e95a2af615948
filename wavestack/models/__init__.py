"""Models: layers with a head. Needs torch alone."""

from wavestack.layers.weight_norm import fold_weight_norm
from wavestack.models.audio_effect import AudioEffect
from wavestack.models.classifier import SequenceClassifier
from wavestack.models.forecaster import DLinear, TCNForecaster
from wavestack.models.piano_roll import PianoRollTCN
from wavestack.models.segmentation import (
    FCN,
    DeepLabV3,
    DeepLabV3Plus,
    DilatedVGG,
    HDCNet,
    LinkNet,
)
from wavestack.models.super_resolution import SuperResolutionNet
from wavestack.models.tcn import TCN
from wavestack.models.wavenet import WaveNet

__all__ = [
    "FCN",
    "TCN",
    "AudioEffect",
    "DLinear",
    "DeepLabV3",
    "DeepLabV3Plus",
    "DilatedVGG",
    "HDCNet",
    "LinkNet",
    "PianoRollTCN",
    "SequenceClassifier",
    "SuperResolutionNet",
    "TCNForecaster",
    "WaveNet",
    "fold_weight_norm",
]
