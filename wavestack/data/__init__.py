"""Data sets, where they come from, and which of their items make up batch k.

Each kind has its folder: sound, pictures, and sequences of anything else. What all of them share
lies here: what a training asks of data, the order of batches, the splits and the user's folder.

The names below are found on first use, so that importing one part loads nothing else.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AddingProblem": "sequences.adding",
    "AudioData": "sound.audio_data",
    "AudioFolder": "sound.folder",
    "BatchOrder": "order",
    "CamVid": "pictures.camvid",
    "Cityscapes": "pictures.cityscapes",
    "ClassTable": "pictures.class_table",
    "ClipData": "sound.clips",
    "CopyMemory": "sequences.copy_memory",
    "CropBatches": "sound.batches",
    "ESC10": "sound.esc10",
    "FSDD": "sound.fsdd",
    "FeatureMasks": "sound.augment",
    "ImageMaskFolder": "pictures.mask_folder",
    "GeneratedSequences": "sequences.generated",
    "IsbiEM": "pictures.isbi_em",
    "ImageFolder": "pictures.image_folder",
    "LJSpeech": "sound.ljspeech",
    "OxfordPet": "pictures.oxford_pet",
    "PairAugmentation": "pictures.pair_augmentation",
    "PianoRollFile": "sequences.piano_roll_file",
    "PianoRolls": "sequences.piano_rolls",
    "Recording": "sound.recording",
    "SeriesData": "sequences.series",
    "SegmentationData": "pictures.segmentation_data",
    "SequentialMNIST": "sequences.sequential_mnist",
    "SoundAugmentation": "sound.augment",
    "SuperResolutionData": "pictures.super_resolution",
    "SyntheticAudio": "sound.synthetic",
    "SyntheticPianoRolls": "sequences.piano_rolls",
    "SyntheticShapes": "pictures.shapes",
    "TaskData": "base",
    "Text": "sequences.text",
    "VOC": "pictures.voc",
    "rank_rows": "sound.batches",
    "whole_recordings": "sound.batches",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"wavestack.data.{_HOME[name]}"), name)
    raise AttributeError(f"module 'wavestack.data' has no attribute '{name}'")
