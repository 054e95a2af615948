"""Is a sound file whole? What the decoder does not tell: cut tails and flipped bits.

libsndfile reads a WAV file that was cut in half without a word, so the bytes that its header
promises are compared with those on disk. A FLAC file carries its length and an MD5 of its samples,
an Ogg stream a checksum in every page and a mark on the last one.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

_STREAMED = (0, 0xFFFFFFFF)  # sizes that programs write when they cannot know them yet
_LAST_PAGE = 4  # flag of an Ogg page
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Damage(NamedTuple):
    """What is wrong with a file.

    Attributes:
        reason: "truncated" or "corrupt".
        detail: how it shows.
    """

    reason: str
    detail: str


def find_damage(path: Path) -> Damage | None:
    """Say how a WAV or Ogg file is damaged, or None when nothing shows that it is."""
    with open(path, "rb") as file:
        magic = file.read(12)
        if magic[:4] in (b"RIFF", b"RF64") and magic[8:] == b"WAVE":
            return _wav_damage(file, path.stat().st_size)
        if magic[:4] == b"OggS":
            return _ogg_damage(magic + file.read())
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


def _wav_damage(file: BinaryIO, size: int) -> Damage | None:
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
                return Damage(
                    "truncated", f"its header promises {length} bytes of sound, {there} are there"
                )
            return None
        file.seek(length + length % 2, 1)  # chunks begin at even places
    return Damage("truncated", "it ends before its sound begins")


def _ogg_damage(content: bytes) -> Damage | None:
    flags = place = 0
    while place < len(content):
        header = content[place : place + 27]
        if header[:4] != b"OggS"[: len(header)]:
            if flags & _LAST_PAGE:
                break  # something else was appended to a complete stream
            return Damage("corrupt", f"no Ogg page begins at byte {place}")
        segments = content[place + 27 : place + 27 + header[26]] if len(header) == 27 else b""
        end = place + 27 + len(segments) + sum(segments)
        if len(header) < 27 or len(segments) < header[26] or end > len(content):
            return Damage("truncated", "it ends within an Ogg page")
        # The checksum is taken with its own four bytes at zero.
        page = content[place : place + 22] + bytes(4) + content[place + 26 : end]
        if _ogg_checksum(page) != struct.unpack("<I", header[22:26])[0]:
            return Damage("corrupt", f"the checksum of the Ogg page at byte {place} is wrong")
        flags, place = header[5], end
    if not flags & _LAST_PAGE:
        return Damage("truncated", "its last Ogg page does not end the stream")
    return None


def _ogg_checksum(page: bytes) -> int:
    # Ogg's checksum is zlib's with the bits of every byte and of the result in reverse, and without
    # the inversions at either end.
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
