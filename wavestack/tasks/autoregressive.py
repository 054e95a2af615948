"""Autoregressive audio: predict every sample from those before it, measured in bits per sample."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from wavestack.tasks.base import Batch, Task


class AutoregressiveAudioTask(Task):
    """Mean negative log-likelihood of the samples whose mask is True, reported in bits.

    The network sees the input delayed by one sample with silence first (``model.shift``), so that
    its output at t is the distribution of sample t. Padding at the end of short recordings and the
    real audio that only warms the receptive field up have mask False and do not count.

    A batch holds ``waveform`` (B, T) float, ``mask`` (B, T) bool and, when the data has them,
    ``labels`` (B, L) int64 and ``features`` (B, C, frames).

    References:
        van den Oord et al. (2016), WaveNet: a generative model for raw audio, section 2.
    """

    metric = "bits_per_sample"
    unit_scale = 1 / math.log(2)

    @staticmethod
    def count(batch: Batch) -> int:
        """Samples whose prediction counts."""
        return int(batch["mask"].sum())

    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """Nats of all samples that count."""
        waveform = batch["waveform"]
        distribution = model.distribution
        inputs = model.shift(distribution.encode(waveform))
        # The data may know more than this model listens to.
        labels = batch.get("labels") if getattr(model, "num_labels", ()) else None
        features = batch.get("features") if getattr(model, "condition_channels", None) else None
        parameters = model(inputs, labels, features)
        # The likelihood is in float32 also under mixed precision.
        nats = distribution.nll(parameters.float(), waveform)
        # The sum of many samples keeps its digits, however the rows are divided among ranks.
        return nats.masked_fill(~batch["mask"], 0.0).sum(dtype=torch.float64)
