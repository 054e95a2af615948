"""Raw samples through standard input and output, for a place between sox, ffmpeg and their kind.

Raw PCM has no header: one channel at the model's sample rate, in one of FORMATS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from wavestack.errors import UserError

FORMATS: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}


def read_blocks(block: int, pcm: str) -> Iterator[np.ndarray]:
    """Blocks of so many float32 samples until the input ends, the last one shorter.

    Raises:
        UserError: when the input is a keyboard, holds a number that is not finite, or ends amid a
            sample.
    """
    source, kind = sys.stdin.buffer, FORMATS[pcm]
    if source.isatty():
        raise UserError("input=-: standard input is a terminal; send raw PCM into it by a pipe")
    while True:
        # As long as the pipe is open this waits for a whole block.
        content = source.read(block * kind.itemsize)
        whole = len(content) // kind.itemsize * kind.itemsize
        numbers = np.frombuffer(content[:whole], kind)
        samples = numbers / np.float32(2**15) if kind.kind == "i" else numbers.astype(np.float32)
        if not np.isfinite(samples).all():
            raise UserError(f"input=-: a sample is not a finite number; is it really {pcm}?")
        if len(samples):
            yield samples
        if whole < len(content):
            raise UserError(f"input=-: ended in the middle of a sample; is it really {pcm}?")
        if len(content) < block * kind.itemsize:
            return


class Writer:
    """Samples to standard output, each block at once.

    Raises:
        UserError: when the output is a terminal.
    """

    def __init__(self, pcm: str) -> None:
        self.kind = FORMATS[pcm]
        self.sink = sys.stdout.buffer
        if self.sink.isatty():
            raise UserError("out=-: standard output is a terminal; send the PCM to a pipe or file")

    def write(self, samples: np.ndarray) -> None:
        if self.kind.kind == "i":
            samples = (samples * 2**15).round().clip(-(2**15), 2**15 - 1)
        self.sink.write(samples.astype(self.kind).tobytes())
        self.sink.flush()
