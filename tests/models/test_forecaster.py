"""Forecasters: what they are before training, what shifts through them, what they refuse."""

from __future__ import annotations

import pytest
import torch

from wavestack.models import DLinear, TCNForecaster


def forecaster(**settings) -> TCNForecaster:
    given = {"window": 40, "horizon": 12, "channels": 6, "num_layers": 3, "dropout": 0.0}
    return TCNForecaster(**{**given, **settings})


def trained(**settings) -> TCNForecaster:
    """A net whose TCN has a say."""
    net = forecaster(**settings)
    torch.nn.init.normal_(net.head.weight)
    return net.eval()


def test_training_begins_with_the_linear_forecast():
    net = forecaster(normalization=None)
    x = torch.randn(2, 3, 40)
    torch.testing.assert_close(net(x), net.linear(x))


@pytest.mark.parametrize(("normalization", "scale"), [("instance", 3.0), ("last", 1.0)])
def test_a_shifted_and_scaled_window_gives_the_shifted_and_scaled_forecast(normalization, scale):
    net = trained(normalization=normalization).double()
    x = 10 * torch.randn(2, 3, 40, dtype=torch.float64)
    moved = net(scale * x + 5)
    # The least deviation, 0.01 added to about 10, is felt in the third digit.
    torch.testing.assert_close(moved, scale * net(x) + 5, rtol=0, atol=0.3)
    assert net(x).abs().max() > 10


def test_columns_do_not_see_each_other():
    net = trained()
    x = torch.randn(2, 3, 40)
    torch.testing.assert_close(net(x)[:, 1:2], net(x[:, 1:2]))


def test_the_tcn_is_evaluated_as_a_whole_sequence_would_be():
    net = trained(normalization=None)
    x = torch.randn(2, 1, 40)
    wanted = net.linear(x[:, 0]) + net.head(net.tcn(x)[..., -1])
    torch.testing.assert_close(net(x)[:, 0], wanted, rtol=1e-5, atol=1e-5)


def test_batch_statistics_are_those_of_whole_windows():
    net = forecaster(norm="batch", normalization=None).train()
    torch.nn.init.normal_(net.head.weight)
    x = torch.randn(4, 1, 40)
    wanted = net.linear(x[:, 0]) + net.head(net.tcn(x)[..., -1])
    torch.testing.assert_close(net(x)[:, 0], wanted, rtol=1e-5, atol=1e-5)


def test_dlinear_splits_the_window_into_its_moving_average_and_the_rest():
    net = DLinear(window=30, horizon=7, kernel_size=5)
    x = torch.randn(1, 1, 30)
    padded = torch.cat([x[0, 0, :1].expand(2), x[0, 0], x[0, 0, -1:].expand(2)])
    trend = torch.stack([padded[t : t + 5].mean() for t in range(30)])
    wanted = net.trend(trend) + net.rest(x[0, 0] - trend)
    torch.testing.assert_close(net(x)[0, 0], wanted, rtol=1e-5, atol=1e-5)


def test_wrong_windows_and_arguments_are_refused():
    with pytest.raises(ValueError, match=r"x must have shape \(B, C, 40\), got \(2, 3, 39\)"):
        forecaster()(torch.zeros(2, 3, 39))
    with pytest.raises(ValueError, match=r"x must have shape \(B, C, 9\), got \(9,\)"):
        DLinear(9, 3)(torch.zeros(9))
    with pytest.raises(ValueError, match="horizon must be >= 1, got 0"):
        forecaster(horizon=0)
    with pytest.raises(ValueError, match="normalization must be one of instance, last, None, got"):
        forecaster(normalization="batch")
    with pytest.raises(ValueError, match="kernel_size must be odd and >= 1, got 4"):
        DLinear(9, 3, kernel_size=4)
