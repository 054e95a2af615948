"""Sequences of tokens: a distribution over the tokens at every place."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wavestack.tasks.base import Batch, Figure, Task


class TokenTask(Task):
    """Negative log-likelihood of the target token at every place whose mask is True.

    A batch holds ``tokens`` and ``targets`` (B, T) int64 and ``mask`` (B, T) bool; the model makes
    logits (B, K, T) of the tokens.
    """

    metric = "nats_per_token"
    element = "tokens"

    @staticmethod
    def count(batch: Batch) -> int:
        """Places that count."""
        return int(batch["mask"].sum())

    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """Nats of all places that count."""
        first = _first_that_counts(batch["mask"])
        if first == 0:
            return self._nats(model(batch["tokens"]), batch)
        # What only warms the receptive field up is not computed where nothing depends on it.
        tokens = batch["tokens"]
        logits = self.last_outputs(model, tokens, tokens.shape[1] - first)
        return self._nats(logits, {k: batch[k][:, first:] for k in ("targets", "mask")})

    @staticmethod
    def _nats(logits: Tensor, batch: Batch) -> Tensor:
        nats = F.cross_entropy(logits.float(), batch["targets"], reduction="none")
        return nats.masked_fill(~batch["mask"], 0.0).sum(dtype=torch.float64)


class CharacterTask(TokenTask):
    """Text: predict every character from those before it, in bits per character."""

    metric = "bits_per_character"
    unit_scale = 1 / math.log(2)
    element = "characters"
    samples = "text"

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """Zero-order entropy, first-order Markov, and compressors that know the training text."""
        from wavestack.metrics import compressor_bits, markov_bits, zero_order_bits

        train, test = data.part("train"), data.part(split)
        codes = [data.encode(train)], [data.encode(test)]
        count = len(data.alphabet)
        bits = {
            "zero-order entropy": zero_order_bits(*codes, count),
            "first-order Markov": markov_bits(*codes, count),
            **compressor_bits(train, test),
        }
        return {name: {self.metric: value} for name, value in bits.items()}


class CopyMemoryTask(TokenTask):
    """Copy memory: the mean loss over all T + 20 places, as in the paper.

    Beside it stands the share of the remembered symbols that are said again rightly.

    References:
        Bai, Kolter and Koltun (2018), section 4 and figure 3.
    """

    metric = "nats_per_place"
    element = "places"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The loss, and the percentage of symbols recalled."""
        recalled = Figure("percent_of_symbols_recalled", 100, higher_is_better=True)
        return (*super().figures, recalled)

    def figure_sums(self, model: Any, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """Nats of all places; and how many of the symbols asked for are the most probable."""
        logits = model(batch["tokens"])
        asked = batch["targets"] > 0
        right = (logits.argmax(1) == batch["targets"]) & asked
        return {
            self.metric: (self._nats(logits, batch), self.count(batch)),
            "percent_of_symbols_recalled": (right.sum(), int(asked.sum())),
        }

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """Blanks where blanks are due, and a guess among the eight symbols in the ten places."""
        from wavestack.data.sequences.copy_memory import ALPHABET, NUM_SYMBOLS

        places = data.delay + 2 * NUM_SYMBOLS
        guess = NUM_SYMBOLS * math.log(ALPHABET) / places
        return {
            "no memory": {self.metric: guess, "percent_of_symbols_recalled": 100 / ALPHABET},
        }


def _first_that_counts(mask: Tensor) -> int:
    """The first column of a mask (B, T) that counts in some row; 0 where none does."""
    columns = mask.any(0)
    return int(columns.int().argmax()) if bool(columns.any()) else 0
