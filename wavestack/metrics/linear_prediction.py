"""An adaptive linear predictor as a coder: it learns from nothing but the recording itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from wavestack.metrics.levels import from_levels, level_edges, num_levels

_INITIAL_COVARIANCE = 1e3  # of the weights; large: the first samples decide
_INITIAL_ERROR = 0.02  # the running errors before the first sample, as a share of full scale
_UNIFORM_SHARE = 0.01  # of the probability, so that no code is impossible
# Long recordings are predicted in pieces side by side. A piece begins with the samples before it,
# after which the memory of its start has faded (0.998^4096 = 0.0003).
_PIECE_SAMPLES, _LEAD_SAMPLES = 1 << 15, 1 << 12


class Scale(NamedTuple):
    """How running errors become a distribution's scale: factor * fast^mix * slow^(1-mix) + floor.

    Attributes:
        mix: weight of the fast running error (over about 10 samples) against the slow one (100).
        factor: of the mean absolute error.
        floor: least scale, as a share of full scale.
        shape: "logistic" or "laplace".
    """

    mix: float
    factor: float
    floor: float
    shape: str


class Predicted(NamedTuple):
    """A sequence with what was known before each of its samples.

    Attributes:
        codes: (T,) int64.
        prediction: (T,) of the waveform.
        errors: (T, 2) fast and slow running mean of the absolute error.
    """

    codes: np.ndarray
    prediction: np.ndarray
    errors: np.ndarray


def linear_prediction_bits(
    calibration: Sequence[np.ndarray],
    test: Sequence[np.ndarray],
    quantization_channels: int | None = 256,
    *,
    order: int = 16,
    forgetting: float = 0.998,
) -> float:
    """Bits per sample of adaptive linear prediction by recursive least squares (RLS).

    Every sequence begins with zero weights. RLS predicts each sample, in the linear domain, from
    the `order` decoded ones before it; the code has the probability that a logistic or Laplace
    distribution around the prediction gives to the interval of its samples, with a scale that
    follows the recent errors. Only the scale's four constants are fitted, on the calibration
    sequences.

    Args:
        calibration: a few code sequences (T,) of the training split.
        test: code sequences to be coded.
        quantization_channels: number of mu-law codes; None: the codes are 16-bit levels.
        order: samples that the prediction uses.
        forgetting: weight of a squared error relative to the one after it, in (0, 1].

    Raises:
        ValueError: when a number is out of its range or there is nothing to code.

    References:
        Haykin (2014), "Adaptive Filter Theory", 5th edition, chapter 10, table 10.1.
    """
    if order < 1:
        raise ValueError(f"order must be >= 1, got {order}")
    if not 0 < forgetting <= 1:
        raise ValueError(f"forgetting must be in (0, 1], got {forgetting}")
    for name, part in (("calibration", calibration), ("test", test)):
        if not sum(map(len, part)):
            raise ValueError(f"{name} must hold at least one code, got none")
    scale = fit_scale(
        list(predict(calibration, quantization_channels, order=order, forgetting=forgetting)),
        quantization_channels,
    )
    predicted = predict(test, quantization_channels, order=order, forgetting=forgetting)
    total = sum(code_lengths(p, scale, quantization_channels).sum() for p in predicted)
    return float(total / sum(map(len, test)))


def fit_scale(predicted: Sequence[Predicted], quantization_channels: int | None = 256) -> Scale:
    """The scale constants, of a small grid, that code the sequences shortest."""
    grid = product(
        (0.4, 0.7, 1.0), (0.4, 0.55, 0.7, 0.9, 1.1), (1e-5, 1e-4, 3e-4), ("logistic", "laplace")
    )
    joined = Predicted(*(np.concatenate(parts) for parts in zip(*predicted, strict=True)))
    return min(
        (Scale(*constants) for constants in grid),
        key=lambda scale: code_lengths(joined, scale, quantization_channels).sum(),
    )


def code_lengths(
    predicted: Predicted, scale: Scale, quantization_channels: int | None = 256
) -> np.ndarray:
    """Bits of each sample's code under its predicted distribution: (T,)."""
    edges = level_edges(quantization_channels)
    codes, prediction, errors = predicted
    fast, slow = np.log(errors + 1e-9).T
    width = scale.factor * np.exp(scale.mix * fast + (1 - scale.mix) * slow) + scale.floor
    cdf = _laplace_cdf if scale.shape == "laplace" else _logistic_cdf
    below = cdf((edges[codes] - prediction) / width)
    above = cdf((edges[codes + 1] - prediction) / width)
    share = _UNIFORM_SHARE / num_levels(quantization_channels)
    return -np.log2((1 - _UNIFORM_SHARE) * np.maximum(above - below, 0) + share)


def predict(
    sequences: Sequence[np.ndarray],
    quantization_channels: int | None = 256,
    *,
    order: int = 16,
    forgetting: float = 0.998,
) -> Iterator[Predicted]:
    """Run RLS over all sequences side by side, one step per sample time.

    Yields:
        the sequences in their order, those longer than 32,768 samples in several pieces.
    """
    pieces, leads = [], []
    for codes in sequences:
        for begin in range(0, len(codes), _PIECE_SAMPLES):
            lead = min(begin, _LEAD_SAMPLES)
            pieces.append(np.asarray(codes[begin - lead : begin + _PIECE_SAMPLES], dtype=np.int64))
            leads.append(lead)
    if not pieces:
        return
    # Longest first: at time t the pieces that are still running are the first `running[t]`.
    longest_first = sorted(range(len(pieces)), key=lambda i: -len(pieces[i]))
    lengths = np.array([len(pieces[i]) for i in longest_first])
    T = int(lengths[0])
    running = np.searchsorted(-lengths, -np.arange(T), side="left")
    x = np.zeros((T, len(pieces)))
    for column, i in enumerate(longest_first):
        x[: len(pieces[i]), column] = from_levels(pieces[i], quantization_channels)

    prediction, errors = _rls(x, running, order, forgetting)
    column_of = {i: column for column, i in enumerate(longest_first)}
    for i, (codes, lead) in enumerate(zip(pieces, leads, strict=True)):
        rows, column = slice(lead, len(codes)), column_of[i]
        yield Predicted(codes[lead:], prediction[rows, column], errors[rows, column])


def _rls(
    x: np.ndarray, running: np.ndarray, order: int, forgetting: float
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (T, N) and running errors (T, N, 2) for N sequences x (T, N)."""
    T, N = x.shape
    w = np.zeros((N, order, 1))
    P = np.tile(np.eye(order) * _INITIAL_COVARIANCE, (N, 1, 1))
    h = np.zeros((N, 1, order))  # the latest samples, newest first
    error = np.full((N, 2), _INITIAL_ERROR)
    keep = np.array([0.9, 0.99])
    prediction, errors = np.zeros((T, N)), np.zeros((T, N, 2))
    for t in range(T):
        n = running[t]
        if n < len(w):
            w, P, h, error = w[:n], P[:n], h[:n], error[:n]
        y = (h @ w)[:, 0, 0]
        clipped = np.clip(y, -1, 1)
        prediction[t, :n], errors[t, :n] = clipped, error
        g = P @ h.transpose(0, 2, 1)
        gain = g / (forgetting + h @ g)
        w = w + gain * (x[t, :n] - y)[:, None, None]
        P = (P - gain * g.transpose(0, 2, 1)) / forgetting
        # In silence nothing holds the covariance down: start it again before it overflows.
        trace = P.trace(axis1=1, axis2=2)
        lost = ~(trace <= 1e7 * order)
        if lost.any():
            P[lost] = np.eye(order) * _INITIAL_COVARIANCE
        error = keep * error + (1 - keep) * np.abs(x[t, :n] - clipped)[:, None]
        h = np.concatenate([x[t, :n, None, None], h[:, :, :-1]], axis=2)
    return prediction, errors


def _logistic_cdf(z: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(z / 2)


def _laplace_cdf(z: np.ndarray) -> np.ndarray:
    tail = 0.5 * np.exp(-np.abs(z))
    return np.where(z < 0, tail, 1 - tail)
