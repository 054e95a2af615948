"""The layers of signals, which run offline, in blocks and sample by sample, and those of images.

Needs torch alone.
"""

from wavestack.layers.a_trous import densify
from wavestack.layers.aspp import ASPP, ImagePooling, atrous_rates
from wavestack.layers.bilinear import BilinearConvTranspose2d
from wavestack.layers.context import ContextModule
from wavestack.layers.conv1d import CausalConv1d
from wavestack.layers.conv2d import AtrousConv2d, dilate_kernel
from wavestack.layers.gated import GatedResidualBlock
from wavestack.layers.hybrid_dilation import HybridDilatedConv2d, maximum_distance, refuse_holes
from wavestack.layers.lookahead import LookaheadConv1d
from wavestack.layers.norm import ChannelNorm, MaskedBatchNorm1d, synchronize_batch_norm
from wavestack.layers.norm2d import PooledBatchNorm2d
from wavestack.layers.schedule import dilation_schedule, kernel_schedule
from wavestack.layers.separable import DepthwiseSeparableConv2d
from wavestack.layers.stack import DilatedStack
from wavestack.layers.state import State, detach_state, map_state, reset_rows
from wavestack.layers.temporal import TemporalBlock
from wavestack.layers.upsample import FeatureUpsampler
from wavestack.layers.weight_norm import apply_weight_norm, fold_weight_norm

__all__ = [
    "ASPP",
    "AtrousConv2d",
    "BilinearConvTranspose2d",
    "CausalConv1d",
    "ChannelNorm",
    "ContextModule",
    "DepthwiseSeparableConv2d",
    "DilatedStack",
    "FeatureUpsampler",
    "GatedResidualBlock",
    "HybridDilatedConv2d",
    "ImagePooling",
    "LookaheadConv1d",
    "MaskedBatchNorm1d",
    "PooledBatchNorm2d",
    "State",
    "TemporalBlock",
    "apply_weight_norm",
    "atrous_rates",
    "densify",
    "detach_state",
    "dilate_kernel",
    "dilation_schedule",
    "fold_weight_norm",
    "kernel_schedule",
    "map_state",
    "maximum_distance",
    "refuse_holes",
    "reset_rows",
    "synchronize_batch_norm",
]
