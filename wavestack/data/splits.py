"""The three splits of a data set, and which files go into which where nobody has said so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from wavestack.errors import UserError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


def check_split(name: str) -> None:
    """Refuse anything but the three names of splits.

    Raises:
        ValueError: when the name is another.
    """
    if name not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {name!r}")


def assign(
    names: Sequence[str],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    place: str,
    noun: str = "picture",
) -> dict[Split, list[str]]:
    """Distributes names over the splits by their hash, so that their order does not matter.

    Args:
        names: of the files.
        val_fraction: share for validation; a share above 0 is at least one file.
        test_fraction: share for the test, likewise.
        seed: another one distributes otherwise.
        place: where the files lie, for messages.
        noun: what they are, likewise.

    Returns:
        The names of each split, sorted.

    Raises:
        UserError: when there are too few for a training split.

    Example:
        >>> splits = assign(["a", "b", "c", "d"], 0.25, 0.25, seed=0, place="here")
        >>> {name: len(files) for name, files in splits.items()}
        {'test': 1, 'val': 1, 'train': 2}
    """

    def rank(name: str) -> bytes:
        return hashlib.sha256(f"{seed}:{name}".encode()).digest()

    shuffled = sorted(names, key=rank)
    n = len(shuffled)
    num_val = max(1, round(n * val_fraction)) if val_fraction else 0
    num_test = max(1, round(n * test_fraction)) if test_fraction else 0
    if n <= num_val + num_test:
        raise UserError(
            f"{place}: {n} {noun}{'s' * (n != 1)} cannot be split into train, "
            f"val (fraction {val_fraction:g}) and test (fraction {test_fraction:g})"
        )
    return {
        "test": sorted(shuffled[:num_test]),
        "val": sorted(shuffled[num_test : num_test + num_val]),
        "train": sorted(shuffled[num_test + num_val :]),
    }


def check_fractions(**fractions: float) -> None:
    """Refuse shares that are none.

    Raises:
        ValueError: naming the share.
    """
    for name, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise ValueError(f"{name} must be in [0, 1), got {fraction}")
