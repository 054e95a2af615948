"""Backbones: one interface from image to features at any output stride. Needs torch alone."""

from wavestack.models.backbones.base import Backbone
from wavestack.models.backbones.drn import DRN
from wavestack.models.backbones.names import BACKBONES, make_backbone
from wavestack.models.backbones.resnet import ResNet
from wavestack.models.backbones.vgg import VGG16
from wavestack.models.backbones.weights import load_weights
from wavestack.models.backbones.xception import Xception

__all__ = [
    "BACKBONES",
    "DRN",
    "VGG16",
    "Backbone",
    "ResNet",
    "Xception",
    "load_weights",
    "make_backbone",
]
