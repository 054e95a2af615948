"""Single-speaker speech in the layout of LJ Speech."""

from __future__ import annotations

import os
from typing import Any, Literal

from wavestack.data.root import require_root
from wavestack.data.sound.folder import find_audio
from wavestack.data.sound.reading import AudioReader
from wavestack.data.sound.recording import Recording
from wavestack.data.splits import Split, check_split
from wavestack.errors import UserError


class LJSpeech:
    """The sound files of ``root/wavs``, split by the order of their names; no transcripts.

    The last files are the test split and those before them the validation split: neighbours in LJ
    Speech are read from one chapter, so a split by order keeps most chapters on one side.

    Args:
        root: folder that holds wavs/.
        sample_rate: of the result, in Hz.
        num_val: files for validation; below 1, their share of all files.
        num_test: files for the test; below 1, their share of all files.
        min_seconds: a shorter recording is a bad file.
        channels: what to do with several channels: "mean", "first" or "error".
        on_wrong_rate: what to do with another sample rate: "resample" or "error".
        on_bad: what to do with a bad file: "error", or "skip" and count it in `report`.

    Attributes:
        label_names: ().
        report: counts of what was read, see AudioReader.

    Raises:
        UserError: when the folder is missing or holds too few files for the splits.
        ValueError: when a setting is out of its range.

    References:
        Ito and Johnson (2017), "The LJ Speech Dataset", https://keithito.com/LJ-Speech-Dataset/.
    """

    label_names: tuple[tuple[str, ...], ...] = ()

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        sample_rate: int = 22050,
        num_val: float = 2,
        num_test: float = 4,
        min_seconds: float = 0.05,
        channels: Literal["mean", "first", "error"] = "mean",
        on_wrong_rate: Literal["resample", "error"] = "resample",
        on_bad: Literal["error", "skip"] = "error",
    ) -> None:
        for name, number in (("num_val", num_val), ("num_test", num_test)):
            if number < 0 or (number >= 1 and number != int(number)):
                raise ValueError(f"{name} must be a count or a share below 1, got {number}")
        self.sample_rate = sample_rate
        self.reader = AudioReader(
            sample_rate,
            channels=channels,
            on_wrong_rate=on_wrong_rate,
            on_bad=on_bad,
            min_seconds=min_seconds,
        )
        self.root = require_root(root, "LJ Speech", "/path/to/LJSpeech-1.1")
        folder = self.root / "wavs"
        names = find_audio(folder) if folder.is_dir() else []
        if not names:
            raise UserError(f"data.root={root}: no sound files in its sub-folder wavs")
        n = len(names)
        val, test = (
            round(number * n) if number < 1 else int(number) for number in (num_val, num_test)
        )
        if n <= val + test:
            raise UserError(
                f"data.root={root}: {n} sound file{'s' * (n != 1)} in wavs cannot give {val} for "
                f"validation and {test} for the test and leave one to train on"
            )
        self._splits: dict[Split, list[str]] = {
            "train": names[: n - val - test],
            "val": names[n - val - test : n - test],
            "test": names[n - test :],
        }

    @property
    def report(self) -> dict[str, Any]:
        return self.reader.report

    def split(self, name: Split) -> list[Recording]:
        """Read the files of one split.

        Raises:
            UserError: when a file is bad and bad files are errors.
        """
        check_split(name)
        paths = [self.root / "wavs" / file for file in self._splits[name]]
        return [Recording(path.stem, waveform) for path, waveform in self.reader.read_all(paths)]
