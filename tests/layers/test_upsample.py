"""Frames to samples: alignment, the held last frame, both methods."""

from __future__ import annotations

import pytest
import torch

from wavestack.layers import FeatureUpsampler


@pytest.mark.parametrize("hop_length", [1, 2, 5, 16])
@pytest.mark.parametrize("method", ["transposed", "interpolate"])
def test_frames_stand_at_their_hop_with_straight_lines_between(method, hop_length):
    up = FeatureUpsampler(3, hop_length, method).double()
    features = torch.randn(2, 3, 6, dtype=torch.float64)
    samples = 6 * hop_length + hop_length - 1
    y = up(features, samples)
    assert y.shape == (2, 3, samples)
    torch.testing.assert_close(y[..., : 6 * hop_length : hop_length], features, atol=0, rtol=1e-12)
    t = torch.arange(samples)
    left, part = t // hop_length, (t % hop_length).double() / hop_length
    line = features[..., left.clamp(max=5)] * (1 - part) + (
        features[..., (left + 1).clamp(max=5)] * part
    )
    torch.testing.assert_close(y, line, atol=1e-6, rtol=0)  # the filter starts as fp32 numbers


def test_only_the_transposed_filter_learns():
    assert [p.shape for p in FeatureUpsampler(3, 4).parameters()] == [(3, 1, 8)]
    assert not list(FeatureUpsampler(3, 4, "interpolate").parameters())


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="hop_length must be >= 1, got 0"):
        FeatureUpsampler(3, 0)
    with pytest.raises(ValueError, match="got 'nearest'"):
        FeatureUpsampler(3, 4, "nearest")
    with pytest.raises(ValueError, match="num_samples 12"):
        FeatureUpsampler(3, 4)(torch.zeros(1, 3, 2), 12)
