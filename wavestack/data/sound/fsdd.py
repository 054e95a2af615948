"""Free Spoken Digit Dataset: 3,000 recordings of ten digits by six speakers."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from wavestack.data.download import fetch_members
from wavestack.data.root import require_root
from wavestack.data.sound.completeness import pcm_md5
from wavestack.data.sound.reading import AudioReader
from wavestack.data.sound.recording import Recording
from wavestack.data.splits import Split, check_split
from wavestack.errors import UserError
from wavestack.signal import resample

# The last commit of the project, after its tag v1.0.9. What is fetched is checked by content.
ARCHIVE_URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/26eb9aa.tar.gz"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DIGITS = tuple("0123456789")
SAMPLE_RATE = 8000
_NUM_TAKES = 50
_TEST_TAKES = range(5)
_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.(?:wav|flac)")


class FSDD:
    """The Free Spoken Digit Dataset, labelled with speaker and digit.

    Every speaker says every digit 50 times. In the official split takes 0-4 are the test split and
    takes 5-49 the training split, of which some serve for validation. With a speaker held out, all
    takes of that speaker are the test split and the other speakers' official training takes the
    training split. Two layouts are read: the project's own folder
    ``recordings/``, and ``train/`` with ``test/``; in both the files are named
    ``{digit}_{speaker}_{take}.wav`` or ``.flac``.

    Args:
        root: folder that holds recordings/, or train/ and test/.
        sample_rate: 8000 Hz, the recordings' own, or what they are resampled to.
        val_takes: training takes that are the validation split instead.
        download: fetch the recordings to ``root/recordings`` when they are not there.
        verify: compare the samples of every take with the published ones, whatever the file format.
        on_bad: what to do with a bad file: "error", or "skip" and count it in `report`; the take of
            a skipped file is not verified.
        holdout: the speaker whose 500 recordings are the test split; None: the official split.
        val_speaker: a training speaker whose training takes are the validation split instead of
            `val_takes`; None: `val_takes` of all training speakers.

    Attributes:
        label_names: the six speakers and the ten digits, in this order.
        report: counts of what was read, see AudioReader.

    Raises:
        UserError: when the recordings are missing, incomplete or not the published ones.
        ValueError: when a validation take is not a training take, or a speaker is unknown or asked
            for twice.

    References:
        Jackson et al. (2018), "Free Spoken Digit Dataset", https://github.com/Jakobovski/
        free-spoken-digit-dataset, CC BY-SA 4.0.
    """

    label_names: tuple[tuple[str, ...], ...] = (SPEAKERS, DIGITS)

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        sample_rate: int = SAMPLE_RATE,
        val_takes: Sequence[int] = (5, 6, 7, 8, 9),
        download: bool = False,
        verify: bool = True,
        on_bad: Literal["error", "skip"] = "error",
        holdout: str | None = None,
        val_speaker: str | None = None,
    ) -> None:
        for name, speaker in (("holdout", holdout), ("val_speaker", val_speaker)):
            if speaker is not None and speaker not in SPEAKERS:
                raise ValueError(f"{name} must be one of {', '.join(SPEAKERS)}, got {speaker!r}")
        if holdout is not None and holdout == val_speaker:
            raise ValueError(f"val_speaker must not be the holdout, got {val_speaker!r}")
        wrong = [take for take in val_takes if take not in range(5, _NUM_TAKES)]
        if wrong:
            raise ValueError(f"val_takes must lie in 5..{_NUM_TAKES - 1}, got {wrong[0]}")
        self.sample_rate = sample_rate
        self.verify = verify
        self.reader = AudioReader(SAMPLE_RATE, on_bad=on_bad)
        self._output = None if sample_rate == SAMPLE_RATE else sample_rate
        if download and root is not None:
            Path(root).expanduser().mkdir(parents=True, exist_ok=True)
        self.root = require_root(root, "FSDD", "/path/to/fsdd")
        paths = _find(self.root)
        if not paths and download:
            fetch_members(ARCHIVE_URL, self.root / "recordings", _NAME, self._check_folder)
            paths = _find(self.root)
        if not paths:
            raise UserError(
                f"data.root={root}: no FSDD recordings in it; looked for recordings/0_george_0.wav "
                "and test/0_george_0.flac (data.source.download=true fetches them)"
            )
        if verify:
            _check_complete(self.root, paths)
        self._paths = paths
        self._by_speaker = holdout is not None or val_speaker is not None
        self._sounds: list[tuple[Path, np.ndarray]] | None = None
        self._splits: dict[Split, list[Path]] = {"train": [], "val": [], "test": []}
        for path in paths:
            _, speaker, take = parse_name(path)
            split = _split_of(speaker, take, val_takes, holdout, val_speaker)
            if split is not None:
                self._splits[split].append(path)

    @property
    def report(self) -> dict[str, Any]:
        """Counts of what was read, see AudioReader."""
        return self.reader.report

    def split(self, name: Split) -> list[Recording]:
        """Read the recordings of one split, in the order of their names.

        Raises:
            UserError: when a file is bad and bad files are errors, or is not the published one.
        """
        check_split(name)
        wanted = set(self._splits[name])
        recordings = []
        for path, waveform in self._read(self._splits[name]):
            if path not in wanted:
                continue
            digit, speaker, _ = parse_name(path)
            labels = (SPEAKERS.index(speaker), int(digit))
            recordings.append(Recording(path.stem, self._resampled(waveform), labels))
        return recordings

    def _read(self, paths: Sequence[Path]) -> list[tuple[Path, np.ndarray]]:
        """The sounds of a split, or of all splits: what is verified are whole takes."""
        if not self._by_speaker:
            return self._verified(paths)
        if self._sounds is None:
            self._sounds = self._verified(self._paths)
        return self._sounds

    def _verified(self, paths: Sequence[Path]) -> list[tuple[Path, np.ndarray]]:
        sounds = self.reader.read_all(paths)
        if self.verify:
            verify_takes(sounds, self.root, skip_incomplete=len(sounds) < len(paths))
        return sounds

    def _resampled(self, waveform: np.ndarray) -> np.ndarray:
        if self._output is None:
            return waveform
        return resample(torch.from_numpy(waveform), SAMPLE_RATE, self._output).numpy()

    @staticmethod
    def _check_folder(folder: Path) -> None:
        paths = sorted(folder.iterdir())
        _check_complete(folder, paths)
        verify_takes(AudioReader(SAMPLE_RATE).read_all(paths), folder)


def parse_name(path: Path) -> tuple[str, str, int]:
    """Digit, speaker and take of a recording.

    Raises:
        ValueError: when the file is not named ``{digit}_{speaker}_{take}``.
    """
    match = _NAME.fullmatch(path.name)
    if not match:
        raise ValueError(f"file name must be {{digit}}_{{speaker}}_{{take}}, got {path.name!r}")
    return match[1], match[2], int(match[3])


def _split_of(
    speaker: str,
    take: int,
    val_takes: Sequence[int],
    holdout: str | None,
    val_speaker: str | None,
) -> Split | None:
    """The split of a recording; None: the official test takes of those not held out."""
    if holdout is not None and speaker == holdout:
        return "test"
    if take in _TEST_TAKES:
        return "test" if holdout is None else None
    is_val = take in val_takes if val_speaker is None else speaker == val_speaker
    return "val" if is_val else "train"


def verify_takes(
    sounds: Sequence[tuple[Path, np.ndarray]], root: Path, *, skip_incomplete: bool = False
) -> None:
    """Compare recordings with the published ones, take by take.

    The digest of a take is the SHA-256 of the lines "name md5" of its 60 recordings, sorted, where
    md5 is that of the int16 samples; so it holds for WAV and for FLAC.

    Raises:
        UserError: when a take differs.
    """
    lines = defaultdict(list)
    for path, waveform in sounds:
        digest = pcm_md5(np.rint(waveform * 32768).astype(np.int16))
        lines[parse_name(path)[2]].append(f"{path.stem} {digest}\n")
    published = _published_digests()
    for take, recordings in sorted(lines.items()):
        if skip_incomplete and len(recordings) < len(SPEAKERS) * len(DIGITS):
            continue
        digest = hashlib.sha256("".join(sorted(recordings)).encode()).hexdigest()
        if digest != published[take]:
            raise UserError(
                f"{root}: the recordings of take {take} (*_{take}.wav or .flac) are not the "
                "published ones; fetch them again, or use them as they are with "
                "data.source.verify=false"
            )


def _published_digests() -> dict[int, str]:
    text = Path(__file__).with_name("fsdd_takes.sha256").read_text()
    return {int(take): digest for take, digest in (line.split() for line in text.splitlines())}


def _find(root: Path) -> list[Path]:
    paths = []
    for folder in ("recordings", "train", "test"):
        if (root / folder).is_dir():
            paths += [path for path in (root / folder).iterdir() if _NAME.fullmatch(path.name)]
    known = [p for p in paths if parse_name(p)[1] in SPEAKERS and parse_name(p)[2] < _NUM_TAKES]
    return sorted(known, key=lambda path: path.name)


def _check_complete(root: Path, paths: Sequence[Path]) -> None:
    wanted = len(SPEAKERS) * len(DIGITS) * _NUM_TAKES
    if len({path.stem for path in paths}) != wanted or len(paths) != wanted:
        raise UserError(
            f"{root}: {len(paths)} FSDD recordings, there should be {wanted}: fetch them again, or "
            "use what is there with data.source.verify=false"
        )
