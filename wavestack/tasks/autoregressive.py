"""Autoregressive audio: predict every sample from those before it, measured in bits per sample."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    samples = "audio"

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
        mask = batch["mask"]
        warm_up = 0 if self.compiled else _warm_up(mask)
        if warm_up and hasattr(model, "forward_last"):
            # What only fills the receptive field is evaluated where the samples that count need it.
            parameters = model.forward_last(inputs, mask.shape[1] - warm_up, labels, features)
            waveform, mask = waveform[:, warm_up:], mask[:, warm_up:]
        else:
            parameters = model(inputs, labels, features)
        # The likelihood is in float32 also under mixed precision.
        nats = distribution.nll(parameters.float(), waveform)
        # The sum of many samples keeps its digits, however the rows are divided among ranks.
        return nats.masked_fill(~mask, 0.0).sum(dtype=torch.float64)

    def apart(self, batch: Batch) -> Iterator[Batch]:
        """Rows with features are cut to their own length and come one by one.

        Padding comes after a recording's end and a causal network never sees it. Features are
        another matter: a frame may look at the next one, which is padding only where the batch has
        longer rows.
        """
        if "features" not in batch or len(batch["waveform"]) == 1:
            yield batch
            return
        hop_length = batch["waveform"].shape[-1] // batch["features"].shape[-1]
        for i, mask in enumerate(batch["mask"]):
            frames = -(-int(mask.nonzero().max() + 1) // hop_length) if mask.any() else 0
            row = {k: v[i : i + 1] for k, v in batch.items()}
            row["features"] = row["features"][..., :frames]
            for key in ("waveform", "mask"):
                row[key] = row[key][:, : frames * hop_length]
            if frames:
                yield row

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """Zero-order entropy, first-order Markov and adaptive linear prediction."""
        from wavestack.metrics import audio_baselines

        # Real-valued outputs have no codes: their figure counts the levels of 16-bit audio.
        channels = getattr(model.distribution, "quantization_channels", None)
        bits = audio_baselines(data.recordings("train"), data.recordings(split), channels)
        return {name: {self.metric: value} for name, value in bits.items()}


def _warm_up(mask: Tensor) -> int:
    """How many first columns count in no row; 0 where they are too few to gain by leaving out.

    In bfloat16 on a CPU the last 4,096 outputs alone took 1.02 times as long with 64 columns before
    them, 0.98 times with 512 and 0.95 times with 1,024.
    """
    counted = mask.any(dim=0)
    first = int(counted.to(torch.uint8).argmax()) if len(counted) else 0
    return first if 8 * first >= len(counted) else 0
