"""Yardsticks of polyphonic music: nats per frame of two tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def key_frequency_nats(train: Sequence[np.ndarray], test: Sequence[np.ndarray]) -> float:
    """Nats per frame when every key sounds with the share of training frames in which it does.

    One half is added to both counts of every key. The first frame of a piece does not count.

    Args:
        train: pieces (T, K) of zeros and ones whose keys are counted.
        test: pieces to be coded.

    Raises:
        ValueError: when there is nothing to count or to code.

    Example:
        >>> piece = np.array([[1, 0], [1, 0], [0, 0]] * 100)
        >>> round(key_frequency_nats([piece], [piece]), 2)
        0.64
    """
    _check(train, test)
    frames = np.concatenate([piece[1:] for piece in train]).astype(np.float64)
    p = (frames.sum(0) + 0.5) / (len(frames) + 1)
    return _nats((np.broadcast_to(p, piece[1:].shape), piece[1:]) for piece in test)


def key_succession_nats(train: Sequence[np.ndarray], test: Sequence[np.ndarray]) -> float:
    """Nats per frame of "repeat the last frame", made a distribution.

    A key that sounds goes on, and a silent one begins, with the shares of training frames in which
    that key did (one half added to every count).

    Args:
        train: pieces (T, K) of zeros and ones whose successions are counted.
        test: pieces to be coded.

    Raises:
        ValueError: when there is nothing to count or to code.
    """
    _check(train, test)
    before = np.concatenate([piece[:-1] for piece in train]).astype(np.float64)
    after = np.concatenate([piece[1:] for piece in train]).astype(np.float64)
    on = ((before * after).sum(0) + 0.5) / (before.sum(0) + 1)
    off = (((1 - before) * after).sum(0) + 0.5) / ((1 - before).sum(0) + 1)
    return _nats((np.where(piece[:-1] > 0, on, off), piece[1:]) for piece in test)


def _nats(guesses: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    total, frames = 0.0, 0
    for p, keys in guesses:
        total -= float(np.log(np.where(keys > 0, p, 1 - p)).sum())
        frames += len(keys)
    return total / frames


def _check(train: Sequence[np.ndarray], test: Sequence[np.ndarray]) -> None:
    for name, pieces in (("train", train), ("test", test)):
        if not any(len(piece) > 1 for piece in pieces):
            raise ValueError(f"{name} must hold a piece of two frames or more")
