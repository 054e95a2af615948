"""Table coders: their code lengths on sources whose entropy is known."""

from __future__ import annotations

import numpy as np
import pytest

from wavestack.metrics import markov_bits, zero_order_bits


def test_a_fair_die_costs_its_logarithm() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 8, 200_000), rng.integers(0, 8, 200_000)
    assert zero_order_bits([train], [test], 8) == pytest.approx(3, abs=1e-3)
    assert markov_bits([train], [test], 8) == pytest.approx(3, abs=1e-3)


def test_a_two_state_chain_costs_its_entropy_rate() -> None:
    # The state changes with probability 0.1: H(0.1) = 0.4690 bits. Both states are as frequent.
    rng = np.random.default_rng(0)
    train, test = (np.cumsum(rng.random(300_000) < 0.1) % 2 for _ in range(2))
    assert zero_order_bits([train], [test], 2) == pytest.approx(1, abs=2e-3)
    assert markov_bits([train], [test], 2) == pytest.approx(0.4690, abs=3e-3)


def test_smoothing_is_one_half_and_two_hundredths() -> None:
    train, test = [np.array([0, 0, 1])], [np.array([1, 1, 0])]
    # Histogram 2.5 : 1.5 of 4; pairs 0-0, 0-1 seen once each, row of 1 never.
    costs = -np.log2(np.array([2.5, 1.5]) / 4)
    assert zero_order_bits(train, test, 2) == pytest.approx((2 * costs[1] + costs[0]) / 3)
    assert markov_bits(train, test, 2) == pytest.approx((costs[1] + 1 + 1) / 3)


def test_pairs_do_not_reach_across_sequences() -> None:
    parts = [np.array([0, 0]), np.array([1, 1])] * 1000
    assert markov_bits(parts, [np.array([0, 0])], 2) == pytest.approx(0.5, abs=0.01)


def test_sequences_of_length_zero_and_one_are_fine() -> None:
    sequences = [np.array([], dtype=int), np.array([3])]
    assert markov_bits(sequences, sequences, 4) == zero_order_bits(sequences, sequences, 4)


def test_codes_out_of_range_and_nothing_to_code_are_refused() -> None:
    with pytest.raises(ValueError, match=r"codes must lie in \[0, 4\), got 4 to 4"):
        zero_order_bits([np.array([4])], [np.array([0])], 4)
    with pytest.raises(ValueError, match="test must hold at least one code"):
        markov_bits([np.array([0])], [], 4)
