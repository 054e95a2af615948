"""Reading sound files under a stated policy: what is wrong with one is named or counted."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from wavestack.data.sound.completeness import find_damage, flac_md5, pcm_md5
from wavestack.errors import UserError
from wavestack.signal import resample

logger = logging.getLogger(__name__)

EXTENSIONS = (".wav", ".flac", ".ogg")


class BadAudioError(Exception):
    """A file that cannot be used.

    Attributes:
        reason: one of a few words, for counting: empty, unreadable, truncated, corrupt, non-finite,
            too short, wrong rate, several channels.
        detail: what exactly.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Sound(NamedTuple):
    """What a file holds: waveform (T, channels) float32 and its sample rate in Hz."""

    waveform: np.ndarray
    sample_rate: int


class AudioReader:
    """Reads files as mono float32 waveforms of one sample rate, and counts what it met.

    Args:
        sample_rate: of the result, in Hz.
        channels: what to do with several channels: their "mean", the "first", or an "error".
        on_wrong_rate: "resample" files of another rate, or take them for bad files ("error").
        on_bad: a bad file is an "error" that names it, or is left out and counted ("skip"). Bad are
            empty, unreadable, truncated, corrupt and too short files, those with samples that are
            not finite, and what the two settings above call an error.
        min_seconds: a shorter recording is too short.

    Attributes:
        report: counts of files, read, resampled, mixed_down, skipped (by reason), and the
            skipped_files with what was wrong.

    Raises:
        ValueError: when a setting is none of those named.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        channels: Literal["mean", "first", "error"] = "mean",
        on_wrong_rate: Literal["resample", "error"] = "resample",
        on_bad: Literal["error", "skip"] = "error",
        min_seconds: float = 0.05,
    ) -> None:
        if sample_rate < 1:
            raise ValueError(f"sample_rate must be >= 1 Hz, got {sample_rate}")
        for name, value, choices in (
            ("channels", channels, ("mean", "first", "error")),
            ("on_wrong_rate", on_wrong_rate, ("resample", "error")),
            ("on_bad", on_bad, ("error", "skip")),
        ):
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        self.sample_rate = sample_rate
        self.channels = channels
        self.on_wrong_rate = on_wrong_rate
        self.on_bad = on_bad
        self.min_seconds = min_seconds
        self.report: dict[str, Any] = {
            "files": 0,
            "read": 0,
            "resampled": 0,
            "mixed_down": 0,
            "skipped": {},
            "skipped_files": [],
        }

    def read(self, path: Path) -> np.ndarray:
        """Read one file.

        Shape:
            -> (T,) float32.

        Raises:
            BadAudioError: when the file cannot be used.
        """
        return self._read(Path(path))[0]

    def read_all(self, paths: Sequence[Path]) -> list[tuple[Path, np.ndarray]]:
        """Read files in their order; bad ones stop the reading or are missing from the result.

        Raises:
            UserError: at the first bad file, unless such files are skipped.
        """
        waveforms = []
        counts: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        for path, result in self._results(paths):
            if isinstance(result, BadAudioError):
                if self.on_bad == "error":
                    raise UserError(
                        f"{path}: {result} (data.source.on_bad=skip leaves such files out)"
                    )
                skipped[result.reason] += 1
                self.report["skipped_files"].append(f"{path}: {result}")
                continue
            waveform, changes = result
            counts.update(changes)
            waveforms.append((path, waveform))
        counts.update(files=len(paths), read=len(waveforms))
        for name, count in counts.items():
            self.report[name] += count
        self.report["skipped"] = dict(Counter(self.report["skipped"]) + skipped)
        if skipped:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
            logger.warning(
                "left out %d of %d sound files: %s; the first: %s",
                skipped.total(),
                len(paths),
                reasons,
                self.report["skipped_files"][-skipped.total()],
            )
        return waveforms

    def _results(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
        def read(path: Path) -> Any:
            try:
                return self._read(path)
            except BadAudioError as error:
                return error

        # Decoding happens outside Python's lock. Few threads: the resampler has its own.
        pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
        try:
            yield from zip(paths, pool.map(read, paths), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, path: Path) -> tuple[np.ndarray, list[str]]:
        """Waveform (T,) and what was done to it."""
        waveform, rate = read_sound(path)
        changes = []
        num_channels = waveform.shape[1]
        if num_channels > 1 and self.channels == "error":
            raise BadAudioError("several channels", f"{num_channels}, and one is wanted")
        if num_channels > 1:
            changes.append("mixed_down")
        mono = waveform.mean(axis=1) if self.channels == "mean" else waveform[:, 0]
        seconds = len(mono) / rate
        if seconds < self.min_seconds:
            raise BadAudioError(
                "too short", f"{seconds:.4g} s, at least {self.min_seconds:g} wanted"
            )
        if rate != self.sample_rate:
            if self.on_wrong_rate == "error":
                raise BadAudioError("wrong rate", f"{rate} Hz, not {self.sample_rate} Hz")
            mono = resample(torch.from_numpy(mono.copy()), rate, self.sample_rate).numpy()
            changes.append("resampled")
        return np.ascontiguousarray(mono, dtype=np.float32), changes


def read_sound(path: Path) -> Sound:
    """Decode a whole sound file, or say what is wrong with it.

    Args:
        path: a wav, flac or ogg file, or anything else that libsndfile reads.

    Raises:
        BadAudioError: when the file is missing, empty, unreadable, truncated or corrupt, or has a
            sample that is not finite.
    """
    import soundfile

    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise BadAudioError("empty", "0 bytes")
        damage = find_damage(path)
        if damage:
            raise BadAudioError(*damage)
        with soundfile.SoundFile(path) as file:
            rate, promised = file.samplerate, file.frames
            is_pcm16 = file.subtype == "PCM_16"
            waveform = file.read(dtype="int16" if is_pcm16 else "float32", always_2d=True)
            is_flac = file.format == "FLAC"
    except (OSError, soundfile.SoundFileError) as error:
        # Both kinds of message repeat the path, which the reader of this one knows already.
        known = getattr(error, "strerror", None) or getattr(error, "error_string", None)
        message = known or str(error)
        raise BadAudioError("unreadable", message.rstrip(".")) from error
    if is_flac and len(waveform) < promised:
        raise BadAudioError(
            "truncated", f"its header promises {promised} samples, {len(waveform)} are there"
        )
    if len(waveform) == 0:
        raise BadAudioError("empty", "no samples")
    if is_flac and is_pcm16 and flac_md5(path) not in (None, pcm_md5(waveform)):
        raise BadAudioError("corrupt", "its samples disagree with the MD5 in its header")
    if is_pcm16:
        waveform = waveform.astype(np.float32) / 32768
    elif not np.isfinite(waveform).all():
        first = int(np.flatnonzero(~np.isfinite(waveform).all(axis=1))[0])
        raise BadAudioError("non-finite", f"sample {first} is not a finite number")
    return Sound(waveform, rate)
