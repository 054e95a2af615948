"""Mu-law codes: the formula of the paper, its fixed points and its inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavestack.signal import mu_law_decode, mu_law_edges, mu_law_encode


@pytest.mark.parametrize("channels", [2, 16, 256, 1024, 65536])
def test_every_code_survives_decoding_and_encoding(channels: int) -> None:
    codes = torch.arange(channels)
    assert torch.equal(mu_law_encode(mu_law_decode(codes, channels), channels), codes)


def test_silence_is_code_128_and_the_ends_are_the_outermost_codes() -> None:
    x = torch.tensor([0.0, -0.0, 1.0, -1.0, 7.0, -7.0])
    assert mu_law_encode(x).tolist() == [128, 128, 255, 0, 255, 0]


def test_encoding_follows_the_formula_written_in_numpy() -> None:
    x = np.linspace(-1.2, 1.2, 10001)
    y = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log1p(255)
    expected = np.clip(np.floor((y + 1) / 2 * 255 + 0.5), 0, 255).astype(np.int64)
    codes = mu_law_encode(torch.from_numpy(x))
    assert codes.dtype == torch.int64
    np.testing.assert_array_equal(codes.numpy(), expected)


def test_int16_samples_get_the_same_code_in_single_and_double_precision() -> None:
    x = torch.arange(-32768, 32768) / 32768
    assert torch.equal(mu_law_encode(x.float()), mu_law_encode(x.double()))


def test_edges_enclose_exactly_the_samples_of_each_code() -> None:
    edges = mu_law_edges(256).numpy()
    x = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, 20000))
    expected = np.searchsorted(edges, x.numpy(), side="right") - 1
    np.testing.assert_array_equal(mu_law_encode(x).numpy(), expected)
    assert edges[0] == -np.inf
    assert edges[-1] == np.inf


def test_one_level_is_refused() -> None:
    with pytest.raises(ValueError, match="quantization_channels must be >= 2, got 1"):
        mu_law_encode(torch.zeros(1), 1)
