"""ESC-10: 400 recordings of ten kinds of environmental sound in five official folds."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

from wavestack.data.root import require_root
from wavestack.data.sound.reading import AudioReader
from wavestack.data.sound.recording import Recording
from wavestack.data.splits import Split, check_split
from wavestack.errors import UserError

FOLDS = (1, 2, 3, 4, 5)
_FOLDER = re.compile(r"\d{3} ?- ?(.+)")
_NAME = re.compile(r"([1-5])-(\d+)-([A-Z]\d?)\.(?:ogg|wav|flac)")


class ESC10:
    """ESC-10 with one of its five official folds for the test, labelled with the kind of sound.

    Clips cut from one Freesound recording lie in one fold. The others are for training, except a
    fold, or one source recording of every class, that serves for validation.

    Args:
        root: folder that holds ``001-dog_bark/1-100032-A.ogg`` and so on.
        fold: the test fold, 1 to 5.
        val_fold: the fold for validation; None: of every class all clips of one source recording,
            in the first fold (after the test fold, in a circle) that has several.
        sample_rate: what the 44.1 kHz recordings are resampled to, in Hz.
        on_bad: what to do with a bad file: "error", or "skip" and count it in `report`.

    Attributes:
        label_names: one kind of label, the ten classes in the order of their numbers.
        report: counts of what was read, see AudioReader.

    Raises:
        UserError: when the recordings are missing, or a class has none.
        ValueError: when a fold is none of the five, or asked for twice.

    References:
        Piczak (2015), "ESC: Dataset for Environmental Sound Classification", ACM Multimedia.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        fold: int = 1,
        val_fold: int | None = None,
        sample_rate: int = 16000,
        on_bad: Literal["error", "skip"] = "error",
    ) -> None:
        for name, value in (("fold", fold), ("val_fold", val_fold)):
            if value not in FOLDS and not (name == "val_fold" and value is None):
                raise ValueError(f"{name} must be one of 1, 2, 3, 4, 5, got {value}")
        if fold == val_fold:
            raise ValueError(f"val_fold must not be the test fold, got {val_fold}")
        self.sample_rate = sample_rate
        self.reader = AudioReader(sample_rate, on_bad=on_bad)
        self.root = require_root(root, "ESC-10", "/path/to/esc10")
        folders = sorted(path for path in self.root.iterdir() if _FOLDER.fullmatch(path.name))
        if len(folders) < 2:
            raise UserError(
                f"data.root={root}: no ESC-10 recordings in it; looked for folders like "
                "001-dog_bark with files like 1-100032-A.ogg"
            )
        self.label_names: tuple[tuple[str, ...], ...] = (
            tuple(_class_name(folder) for folder in folders),
        )
        self._splits: dict[Split, list[Path]] = {"train": [], "val": [], "test": []}
        for folder in folders:
            clips = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
            if not clips:
                raise UserError(
                    f"{folder}: this class has no recordings (files like 1-100032-A.ogg)"
                )
            held = _held_out(clips, fold) if val_fold is None else None
            for path in clips:
                clip_fold, source = _parse(path)
                is_val = clip_fold == val_fold or source == held
                split: Split = "test" if clip_fold == fold else "val" if is_val else "train"
                self._splits[split].append(path)

    @property
    def report(self) -> dict[str, Any]:
        """Counts of what was read, see AudioReader."""
        return self.reader.report

    def split(self, name: Split) -> list[Recording]:
        """Read the recordings of one split, class by class.

        Raises:
            UserError: when a file is bad and bad files are errors.
        """
        check_split(name)
        classes = self.label_names[0]
        return [
            Recording(path.stem, waveform, (classes.index(_class_name(path.parent)),))
            for path, waveform in self.reader.read_all(self._splits[name])
        ]


def _class_name(folder: Path) -> str:
    match = _FOLDER.fullmatch(folder.name)
    assert match is not None
    return match[1].lower().replace(" ", "_")


def _parse(path: Path) -> tuple[int, str]:
    """Fold and Freesound number of a clip."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), match[2]


def _held_out(clips: list[Path], fold: int) -> str | None:
    """The source recording of a class that serves for validation."""
    sources: dict[int, set[str]] = defaultdict(set)
    for path in clips:
        clip_fold, source = _parse(path)
        sources[clip_fold].add(source)
    for other in (fold % 5 + 1, (fold + 1) % 5 + 1, (fold + 2) % 5 + 1, (fold + 3) % 5 + 1):
        if len(sources[other]) > 1:
            return min(sources[other])
    return None
