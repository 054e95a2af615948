"""Any folder of sound files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from wavestack.data.root import require_root
from wavestack.data.sound.reading import EXTENSIONS, AudioReader
from wavestack.data.sound.recording import Recording
from wavestack.data.splits import Split, assign, check_fractions, check_split
from wavestack.errors import UserError


class AudioFolder:
    """The wav, flac and ogg files of a folder and its sub-folders, split by file.

    Which files are test and validation files follows from a hash of their names and a seed, so it
    does not depend on the order in which the disk lists them. Files are read when their split is
    first asked for.

    Args:
        root: the folder.
        sample_rate: of the result, in Hz.
        val_fraction: share of the files for validation; at least one file unless 0.
        test_fraction: share of the files for the test; at least one file unless 0.
        split_seed: another seed splits otherwise.
        labels: "folder" makes the name of the sub-folder of root a class; "none" has no labels.
        min_seconds: a shorter recording is a bad file.
        channels: what to do with several channels: "mean", "first" or "error".
        on_wrong_rate: what to do with another sample rate: "resample" or "error".
        on_bad: what to do with a bad file: "error", or "skip" and count it in `report`.

    Attributes:
        label_names: one kind of label, the sub-folders in alphabetical order; () without labels.
        report: counts of what was read, see AudioReader.

    Raises:
        UserError: when the folder is missing, holds too few files for the splits, or, with labels,
            has a file outside any sub-folder.
        ValueError: when a setting is out of its range.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        sample_rate: int,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        labels: Literal["none", "folder"] = "none",
        min_seconds: float = 0.05,
        channels: Literal["mean", "first", "error"] = "mean",
        on_wrong_rate: Literal["resample", "error"] = "resample",
        on_bad: Literal["error", "skip"] = "error",
    ) -> None:
        if labels not in ("none", "folder"):
            raise ValueError(f"labels must be one of none, folder, got {labels!r}")
        check_fractions(val_fraction=val_fraction, test_fraction=test_fraction)
        self.sample_rate = sample_rate
        self.reader = AudioReader(
            sample_rate,
            channels=channels,
            on_wrong_rate=on_wrong_rate,
            on_bad=on_bad,
            min_seconds=min_seconds,
        )
        self.root = require_root(root, "your recordings", "/path/to/recordings")
        self.names = find_audio(self.root)
        if not self.names:
            raise UserError(f"data.root={root}: no {', '.join(EXTENSIONS)} file in it")
        self.label_names: tuple[tuple[str, ...], ...] = ()
        if labels == "folder":
            self.label_names = (self._classes(),)
        place = f"data.root={self.root}"
        self._splits = assign(
            self.names, val_fraction, test_fraction, split_seed, place, "sound file"
        )

    @property
    def report(self) -> dict[str, Any]:
        return self.reader.report

    def split(self, name: Split) -> list[Recording]:
        """Read the files of one split.

        Raises:
            UserError: when a file is bad and bad files are errors.
        """
        check_split(name)
        paths = [self.root / relative for relative in self._splits[name]]
        recordings = []
        for path, waveform in self.reader.read_all(paths):
            relative = path.relative_to(self.root)
            labels: tuple[int, ...] = ()
            if self.label_names:
                labels = (self.label_names[0].index(relative.parts[0]),)
            recordings.append(Recording(relative.as_posix(), waveform, labels))
        return recordings

    def _classes(self) -> tuple[str, ...]:
        for name in self.names:
            if "/" not in name:
                raise UserError(
                    f"{self.root / name}: labels=folder needs every file in a sub-folder that "
                    "names its class"
                )
        return tuple(sorted({name.split("/")[0] for name in self.names}))


def find_audio(root: Path) -> list[str]:
    """Names of the sound files under a folder, relative to it, sorted; hidden ones are left out."""
    found = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                found.append((Path(folder) / name).relative_to(root).as_posix())
    return sorted(found)
