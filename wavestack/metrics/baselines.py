"""What an autoregressive audio model is printed beside: bits per sample of three simple coders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from wavestack.metrics.entropy import markov_bits, zero_order_bits
from wavestack.metrics.levels import num_levels, to_levels
from wavestack.metrics.linear_prediction import linear_prediction_bits

_CALIBRATION_RECORDINGS = 60
_CALIBRATION_SAMPLES = 20_000  # of each, so that hours of training audio cost no more than minutes


class HasWaveform(Protocol):
    """Anything with samples: a Recording."""

    waveform: np.ndarray


def audio_baselines(
    train: Sequence[HasWaveform],
    test: Sequence[HasWaveform],
    quantization_channels: int | None = 256,
) -> dict[str, float]:
    """Bits per sample of the test recordings' codes under three simple coders.

    - zero-order entropy: the histogram of the training codes;
    - first-order Markov: the table of their successions (for mu-law codes alone: that of 16-bit
      levels would have four thousand million entries);
    - RLS-16: adaptive linear prediction of order 16, forgetting 0.998, its scale constants fitted
      on up to 60 recordings spread evenly over the training split (up to 20,000 samples of each).

    Args:
        train: recordings of the training split.
        test: recordings that are coded.
        quantization_channels: number of mu-law codes; None: the levels of 16-bit audio.

    Raises:
        ValueError: when either is empty.
    """
    for name, part in (("train", train), ("test", test)):
        if not part:
            raise ValueError(f"{name} must hold at least one recording, got none")
    train_codes = [to_levels(recording.waveform, quantization_channels) for recording in train]
    test_codes = [to_levels(recording.waveform, quantization_channels) for recording in test]
    stride = max(1, -(-len(train) // _CALIBRATION_RECORDINGS))
    calibration = [codes[:_CALIBRATION_SAMPLES] for codes in train_codes[::stride]]
    count = num_levels(quantization_channels)
    bits = {"zero-order entropy": zero_order_bits(train_codes, test_codes, count)}
    if quantization_channels is not None:
        bits["first-order Markov"] = markov_bits(train_codes, test_codes, count)
    bits["RLS-16"] = linear_prediction_bits(calibration, test_codes, quantization_channels)
    return bits
