"""Yardsticks of text: what general compressors make of it."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable

# Characters of the training text that a compressor is shown; it would take minutes for gigabytes.
_MOST_PRIMING = 4_000_000


def compressor_bits(train: str, test: str) -> dict[str, float]:
    """Bits per character of the test text for xz and bzip2 that have compressed the training text.

    That is the growth of the compressed size when the test text is put behind the training text
    (its last four million characters at most); bzip2 looks back 900 kB.

    Args:
        train: text that comes before.
        test: text to be coded.

    Raises:
        ValueError: when the test text is empty.

    Example:
        >>> bits = compressor_bits("to be or not to be, " * 100, "to be or not to be, " * 10)
        >>> bits["xz"] < 1
        True
    """
    if not test:
        raise ValueError("test must hold at least one character, got none")
    before = train[-_MOST_PRIMING:].encode()
    both = before + test.encode()
    sizes: dict[str, Callable[[bytes], bytes]] = {
        "xz": lambda content: lzma.compress(content, preset=9 | lzma.PRESET_EXTREME),
        "bzip2": lambda content: bz2.compress(content, 9),
    }
    return {
        name: 8 * (len(compress(both)) - len(compress(before))) / len(test)
        for name, compress in sizes.items()
    }
