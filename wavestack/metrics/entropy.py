"""Code lengths of tables: what a histogram, or a table of successions, makes of the test codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def zero_order_bits(
    train: Sequence[np.ndarray], test: Sequence[np.ndarray], num_codes: int = 256
) -> float:
    """Bits per sample when every code has the probability of its share of the training codes.

    Args:
        train: code sequences (T,) whose histogram is taken, 0.5 added to every count.
        test: code sequences to be coded.
        num_codes: codes lie in [0, num_codes).

    Raises:
        ValueError: when the test sequences are empty or a code is out of its range.

    Example:
        >>> round(zero_order_bits([np.array([0, 1] * 5000)], [np.array([1, 0, 1])], num_codes=2), 6)
        1.0
    """
    train, test = _checked(train, test, num_codes)
    costs = _zero_order_costs(train, num_codes)
    return float(sum(costs[codes].sum() for codes in test) / sum(map(len, test)))


def markov_bits(
    train: Sequence[np.ndarray], test: Sequence[np.ndarray], num_codes: int = 256
) -> float:
    """Bits per sample when a code's probability depends on the one before it: first-order Markov.

    The table counts the training pairs, 0.02 added to every one; a sequence's first code is coded
    by the histogram of `zero_order_bits`.

    Args:
        train: code sequences (T,) whose pairs are counted.
        test: code sequences to be coded.
        num_codes: codes lie in [0, num_codes).

    Raises:
        ValueError: when the test sequences are empty or a code is out of its range.
    """
    train, test = _checked(train, test, num_codes)
    pairs = np.zeros(num_codes * num_codes, dtype=np.int64)
    for codes in train:
        pairs += np.bincount(codes[:-1] * num_codes + codes[1:], minlength=num_codes * num_codes)
    table = pairs.reshape(num_codes, num_codes) + 0.02
    costs = -np.log2(table / table.sum(1, keepdims=True))
    first_costs = _zero_order_costs(train, num_codes)
    total = sum(first_costs[codes[:1]].sum() + costs[codes[:-1], codes[1:]].sum() for codes in test)
    return float(total / sum(map(len, test)))


def _zero_order_costs(train: Sequence[np.ndarray], num_codes: int) -> np.ndarray:
    counts = np.full(num_codes, 0.5)
    for codes in train:
        counts += np.bincount(codes, minlength=num_codes)
    return -np.log2(counts / counts.sum())


def _checked(
    train: Sequence[np.ndarray], test: Sequence[np.ndarray], num_codes: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    train, test = ([np.asarray(codes, dtype=np.int64) for codes in part] for part in (train, test))
    for codes in (*train, *test):
        if len(codes) and not 0 <= codes.min() <= codes.max() < num_codes:
            raise ValueError(
                f"codes must lie in [0, {num_codes}), got {codes.min()} to {codes.max()}"
            )
    if not sum(map(len, test)):
        raise ValueError("test must hold at least one code, got none")
    return train, test
