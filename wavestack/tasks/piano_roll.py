"""Polyphonic music: predict every frame from those before it, measured in nats per frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wavestack.layers.cone import batch_statistics
from wavestack.tasks.base import Batch, Task


class PianoRollTask(Task):
    """Negative log-likelihood of the keys of a frame given the frames before it, in nats.

    As in Bai et al. the first frame of a piece is heard and not predicted, the sum goes over all
    keys, and the mean over all predicted frames of a split (not over pieces).

    A batch holds ``roll`` (B, K, T) of zeros and ones and ``lengths`` (B,), frames of each piece.

    References:
        Bai, Kolter and Koltun (2018), section 4.
    """

    metric = "nats_per_frame"
    element = "frames"
    samples = "piano_roll"

    @staticmethod
    def count(batch: Batch) -> int:
        """Frames that are predicted."""
        return int((batch["lengths"] - 1).clamp(min=0).sum())

    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """Nats of all predicted frames."""
        roll = batch["roll"]
        # Padding changes nothing before it, unless the model normalizes over the whole batch.
        lengths = (batch["lengths"] - 1,) if batch_statistics(model) else ()
        parameters = model(roll[..., :-1], *lengths)
        nats = model.distribution.nll(parameters.float(), roll[..., 1:])
        time = torch.arange(1, roll.shape[-1], device=roll.device)
        predicted = time < batch["lengths"].to(roll.device)[:, None]
        return nats.masked_fill(~predicted, 0.0).sum(dtype=torch.float64)

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """Key frequencies, and keys that stay or change by themselves."""
        from wavestack.metrics import key_frequency_nats, key_succession_nats

        train, test = data.pieces("train"), data.pieces(split)
        return {
            "frequencies of keys": {self.metric: key_frequency_nats(train, test)},
            "repeat the last frame": {self.metric: key_succession_nats(train, test)},
        }
