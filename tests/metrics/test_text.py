"""What compressors make of text."""

from __future__ import annotations

import random

import pytest

from wavestack.metrics import compressor_bits


def test_random_letters_cost_their_entropy() -> None:
    letters = "".join(random.choices("abcd", k=60_000))
    for bits in compressor_bits(letters[:30_000], letters[30_000:]).values():
        assert 2.0 <= bits < 2.5


def test_what_was_in_the_training_text_costs_little() -> None:
    text = "".join(random.choices("abcd", k=20_000))
    assert compressor_bits(text, text)["xz"] < 0.05


def test_no_text_is_named() -> None:
    with pytest.raises(ValueError, match="test must hold at least one character"):
        compressor_bits("abc", "")
