"""The RLS coder: equal to a plain loop, causal, and a true code (its probabilities sum to one)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavestack.metrics import linear_prediction, linear_prediction_bits
from wavestack.metrics.linear_prediction import Predicted, Scale, code_lengths, predict
from wavestack.signal import mu_law_decode, mu_law_encode


def _resonance(rng: np.random.Generator, length: int, noise: float = 0.02) -> np.ndarray:
    """Codes of white noise through a two-pole resonator."""
    x = np.zeros(length + 2)
    for t in range(2, length + 2):
        x[t] = 1.8 * x[t - 1] - 0.95 * x[t - 2] + noise * rng.standard_normal()
    return mu_law_encode(torch.from_numpy(x[2:] / 2)).numpy()


def _textbook_rls(codes: np.ndarray, order: int, forgetting: float) -> np.ndarray:
    x = mu_law_decode(torch.from_numpy(codes)).double().numpy()
    w, P, h = np.zeros(order), np.eye(order) * 1e3, np.zeros(order)
    prediction = []
    for sample in x:
        prediction.append(np.clip(w @ h, -1, 1))
        k = P @ h / (forgetting + h @ P @ h)
        w = w + k * (sample - w @ h)
        P = (P - np.outer(k, h @ P)) / forgetting
        h = np.concatenate([[sample], h[:-1]])
    return np.array(prediction)


def test_sequences_side_by_side_are_predicted_as_by_the_textbook() -> None:
    rng = np.random.default_rng(0)
    sequences = [_resonance(rng, length) for length in (300, 50, 0, 1, 500)]
    predicted = list(predict(sequences, order=4, forgetting=0.99))
    # The empty sequence has no piece.
    for got, codes in zip(predicted, [s for s in sequences if len(s)], strict=True):
        np.testing.assert_array_equal(got.codes, codes)
        np.testing.assert_allclose(got.prediction, _textbook_rls(codes, 4, 0.99), atol=1e-7)


def test_a_prediction_does_not_depend_on_the_present_and_the_future() -> None:
    codes = _resonance(np.random.default_rng(0), 400)
    changed = codes.copy()
    changed[200:] = 255 - changed[200:]
    (a,), (b,) = predict([codes]), predict([changed])
    np.testing.assert_array_equal(a.prediction[:201], b.prediction[:201])
    np.testing.assert_array_equal(a.errors[:201], b.errors[:201])
    assert not np.array_equal(a.prediction[201:], b.prediction[201:])


@pytest.mark.parametrize("shape", ["logistic", "laplace"])
@pytest.mark.parametrize("channels", [16, 256])
def test_the_probabilities_of_all_codes_sum_to_one(shape: str, channels: int) -> None:
    codes = np.arange(channels)
    for prediction, error in ((0.0, 0.02), (0.7, 1e-6), (-1.0, 0.5)):
        predicted = Predicted(codes, np.full(channels, prediction), np.full((channels, 2), error))
        bits = code_lengths(predicted, Scale(0.7, 0.55, 1e-4, shape), channels)
        assert (2.0**-bits).sum() == pytest.approx(1, abs=1e-9)


def test_a_long_sequence_in_pieces_is_predicted_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = _resonance(np.random.default_rng(0), 9000)
    (whole,) = predict([codes])
    monkeypatch.setattr(linear_prediction, "_PIECE_SAMPLES", 3000)
    monkeypatch.setattr(linear_prediction, "_LEAD_SAMPLES", 2000)
    pieces = list(predict([codes]))
    assert len(pieces) == 3
    prediction = np.concatenate([piece.prediction for piece in pieces])
    np.testing.assert_array_equal(np.concatenate([piece.codes for piece in pieces]), codes)
    # After 2,000 samples the start has faded to 0.998^2000 = 0.02 of a weight.
    np.testing.assert_allclose(prediction, whole.prediction, atol=1e-2)
    assert np.abs(prediction - whole.prediction).mean() < 1e-4


def test_a_resonance_costs_little_more_than_its_noise() -> None:
    rng = np.random.default_rng(0)
    train, test = ([_resonance(rng, 3000, 0.05) for _ in range(3)] for _ in range(2))
    bits = linear_prediction_bits(train, test)
    # Coded with the true predictor, the noise costs its entropy over the codes' intervals.
    x = np.concatenate([mu_law_decode(torch.from_numpy(c)).double().numpy() for c in test])
    step = np.log(256) / 127.5 * (np.abs(x) + 1 / 255)
    ideal = (0.5 * np.log2(2 * np.pi * np.e * 0.025**2) - np.log2(step)).mean()
    assert ideal < bits < ideal + 0.4


def test_silence_costs_next_to_nothing_and_stays_finite() -> None:
    silence = np.full(10_000, 128)
    assert 0 < linear_prediction_bits([silence], [silence]) < 0.2


def test_settings_out_of_range_are_refused() -> None:
    codes = [np.full(10, 128)]
    with pytest.raises(ValueError, match="order must be >= 1, got 0"):
        linear_prediction_bits(codes, codes, order=0)
    with pytest.raises(ValueError, match=r"forgetting must be in \(0, 1\], got 1\.5"):
        linear_prediction_bits(codes, codes, forgetting=1.5)
    with pytest.raises(ValueError, match="calibration must hold at least one code"):
        linear_prediction_bits([], codes)
