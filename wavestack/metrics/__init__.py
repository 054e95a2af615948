"""Figures of merit, and the yardsticks that stand beside them."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "audio_baselines": "baselines",
    "boundary_scores": "boundary",
    "class_accuracies": "classification",
    "confusion_matrix": "classification",
    "compressor_bits": "text",
    "intersection_over_union": "segmentation",
    "key_frequency_nats": "piano_roll",
    "key_succession_nats": "piano_roll",
    "linear_prediction_bits": "linear_prediction",
    "majority_accuracy": "classification",
    "markov_bits": "entropy",
    "mean_iou": "segmentation",
    "nearest_mean_accuracy": "classification",
    "one_class_confusion": "untrained",
    "otsu_confusion": "untrained",
    "otsu_threshold": "segmentation",
    "pixel_accuracy": "segmentation",
    "pixel_confusion": "segmentation",
    "psnr": "images",
    "shave": "images",
    "ssim": "images",
    "zero_order_bits": "entropy",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"wavestack.metrics.{_HOME[name]}"), name)
    raise AttributeError(f"module 'wavestack.metrics' has no attribute '{name}'")
