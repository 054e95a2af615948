"""Is a sound file whole? What the decoder does not tell: cut tails and flipped bits.

libsndfile reads a WAV file that was cut in half without a word, so the bytes that its header
promises are compared with those on disk. A FLAC file carries its length and an MD5 of its samples,
an Ogg stream marks its last page.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np

_STREAMED = (0, 0xFFFFFFFF)  # sizes that programs write when they cannot know them yet


def truncation(path: Path) -> str | None:
    """Say how a WAV or Ogg file was cut short, or None when nothing shows that it was."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        magic = file.read(12)
        if magic[:4] in (b"RIFF", b"RF64") and magic[8:] == b"WAVE":
            return _wav_truncation(file, size)
        if magic[:4] == b"OggS":
            # A page is at most 65,307 bytes long, so the last one begins within the last 64 KiB.
            file.seek(max(0, size - 65536))
            return _ogg_truncation(file.read())
    return None


def flac_md5(path: Path) -> str | None:
    """The MD5 that a FLAC file's header gives for its samples, or None when it gives none."""
    with open(path, "rb") as file:
        head = file.read(42)  # "fLaC", 4 bytes of block header, 34 bytes of stream information
    if len(head) < 42 or head[:4] != b"fLaC" or head[4] & 0x7F != 0:
        return None
    digest = head[26:]
    return digest.hex() if any(digest) else None


def pcm_md5(samples: np.ndarray) -> str:
    """MD5 of int16 samples as little-endian bytes, which is what FLAC stores."""
    return hashlib.md5(samples.astype("<i2").tobytes(), usedforsecurity=False).hexdigest()


def _wav_truncation(file, size: int) -> str | None:
    long_size = None  # of the data chunk, in an RF64 file
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        if name == b"ds64":
            body = file.read(length)
            long_size = struct.unpack("<Q", body[8:16])[0] if len(body) >= 16 else None
            continue
        if name == b"data":
            if long_size is not None and length == 0xFFFFFFFF:
                length = long_size
            there = size - file.tell()
            if length not in _STREAMED and there < length:
                return f"its header promises {length} bytes of sound, {there} are there"
            return None
        file.seek(length + length % 2, 1)  # chunks begin at even places
    return "it ends before its sound begins"


def _ogg_truncation(tail: bytes) -> str | None:
    begin = tail.rfind(b"OggS")
    page = tail[begin:]
    if begin < 0 or len(page) < 27:
        return "it ends within a page"
    num_segments = page[26]
    sizes = page[27 : 27 + num_segments]
    if len(sizes) < num_segments or len(page) < 27 + num_segments + sum(sizes):
        return "it ends within a page"
    if not page[5] & 4:
        return "its last page does not end the stream"
    return None
