"""What an autoregressive audio model is printed beside: bits per sample of three simple coders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from wavestack.metrics.entropy import markov_bits, zero_order_bits
from wavestack.metrics.linear_prediction import linear_prediction_bits
from wavestack.signal import mu_law_encode

_CALIBRATION_RECORDINGS = 60
_CALIBRATION_SAMPLES = 20_000  # of each, so that hours of training audio cost no more than minutes


class HasWaveform(Protocol):
    """Anything with samples: a Recording."""

    waveform: np.ndarray


def audio_baselines(
    train: Sequence[HasWaveform], test: Sequence[HasWaveform], quantization_channels: int = 256
) -> dict[str, float]:
    """Bits per sample of the test recordings' mu-law codes under three simple coders.

    - zero-order entropy: the histogram of the training codes;
    - first-order Markov: the table of their successions;
    - RLS-16: adaptive linear prediction of order 16, forgetting 0.998, its scale constants fitted
      on up to 60 recordings spread evenly over the training split (up to 20,000 samples of each).

    Args:
        train: recordings of the training split.
        test: recordings that are coded.
        quantization_channels: number of mu-law codes.

    Raises:
        ValueError: when either is empty.
    """
    for name, part in (("train", train), ("test", test)):
        if not part:
            raise ValueError(f"{name} must hold at least one recording, got none")
    train_codes = [_codes(recording, quantization_channels) for recording in train]
    test_codes = [_codes(recording, quantization_channels) for recording in test]
    stride = max(1, -(-len(train) // _CALIBRATION_RECORDINGS))
    calibration = [codes[:_CALIBRATION_SAMPLES] for codes in train_codes[::stride]]
    return {
        "zero-order entropy": zero_order_bits(train_codes, test_codes, quantization_channels),
        "first-order Markov": markov_bits(train_codes, test_codes, quantization_channels),
        "RLS-16": linear_prediction_bits(calibration, test_codes, quantization_channels),
    }


def _codes(recording: HasWaveform, quantization_channels: int) -> np.ndarray:
    return mu_law_encode(torch.from_numpy(recording.waveform), quantization_channels).numpy()
