"""Layers that run three ways: offline, in blocks, and sample by sample. Needs torch alone."""

from wavestack.layers.conv1d import CausalConv1d
from wavestack.layers.gated import GatedResidualBlock
from wavestack.layers.lookahead import LookaheadConv1d
from wavestack.layers.norm import ChannelNorm, MaskedBatchNorm1d
from wavestack.layers.schedule import dilation_schedule, kernel_schedule
from wavestack.layers.stack import DilatedStack
from wavestack.layers.state import State, detach_state, map_state, reset_rows
from wavestack.layers.temporal import TemporalBlock
from wavestack.layers.upsample import FeatureUpsampler
from wavestack.layers.weight_norm import apply_weight_norm, fold_weight_norm

__all__ = [
    "CausalConv1d",
    "ChannelNorm",
    "DilatedStack",
    "FeatureUpsampler",
    "GatedResidualBlock",
    "LookaheadConv1d",
    "MaskedBatchNorm1d",
    "State",
    "TemporalBlock",
    "apply_weight_norm",
    "detach_state",
    "dilation_schedule",
    "fold_weight_norm",
    "kernel_schedule",
    "map_state",
    "reset_rows",
]
