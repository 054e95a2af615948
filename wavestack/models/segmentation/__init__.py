"""Segmentation networks: one class for each pixel of an image. Needs torch alone."""

from wavestack.models.segmentation.deeplabv3 import DeepLabV3
from wavestack.models.segmentation.deeplabv3plus import DeepLabV3Plus
from wavestack.models.segmentation.dilated_vgg import DilatedVGG
from wavestack.models.segmentation.fcn import FCN
from wavestack.models.segmentation.hdc import HDCNet
from wavestack.models.segmentation.linknet import LinkNet

__all__ = ["FCN", "DeepLabV3", "DeepLabV3Plus", "DilatedVGG", "HDCNet", "LinkNet"]
