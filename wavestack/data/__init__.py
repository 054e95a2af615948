"""Data sets, where they come from, and which of their items make up batch k.

The names below are found on first use, so that importing one part loads nothing else.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AddingProblem": "adding",
    "AudioData": "audio_data",
    "AudioFolder": "folder",
    "BatchOrder": "order",
    "CamVid": "camvid",
    "Cityscapes": "cityscapes",
    "ClassTable": "class_table",
    "ClipData": "clips",
    "CopyMemory": "copy_memory",
    "CropBatches": "batches",
    "ESC10": "esc10",
    "FSDD": "fsdd",
    "FeatureMasks": "augment",
    "ImageMaskFolder": "mask_folder",
    "IsbiEM": "isbi_em",
    "ImageFolder": "image_folder",
    "LJSpeech": "ljspeech",
    "OxfordPet": "oxford_pet",
    "PairAugmentation": "pair_augmentation",
    "PianoRollFile": "piano_roll_file",
    "PianoRolls": "piano_rolls",
    "Recording": "recording",
    "SeriesData": "series",
    "SegmentationData": "segmentation_data",
    "SequentialMNIST": "sequential_mnist",
    "SoundAugmentation": "augment",
    "SuperResolutionData": "super_resolution",
    "SyntheticAudio": "synthetic",
    "SyntheticPianoRolls": "piano_rolls",
    "SyntheticShapes": "shapes",
    "TaskData": "base",
    "Text": "text",
    "VOC": "voc",
    "rank_rows": "batches",
    "whole_recordings": "batches",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"wavestack.data.{_HOME[name]}"), name)
    raise AttributeError(f"module 'wavestack.data' has no attribute '{name}'")
