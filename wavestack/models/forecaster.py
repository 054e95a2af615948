"""Forecasting a series from its window: a TCN beside a linear map, and DLinear."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers.cone import last_of
from wavestack.models.tcn import TCN

NORMALIZATIONS = ("instance", "last", None)
_SMALLEST = 1e-2  # deviation that a window is taken to have at least, in deviations of the series


class TCNForecaster(nn.Module):
    """Forecasts every column from its own past, by what a TCN makes of it plus a linear map.

    All columns share the weights (channel independence). The window is normalized, the causal TCN's
    last output and the window itself each go through a linear layer, and the sum is brought back to
    the window's own level and spread. The TCN's layer starts at zero, so that training begins with
    the linear forecast, which is hard to beat, and adds what it misses.

    Args:
        window: steps that are given.
        horizon: steps that are forecast.
        channels: width of the blocks.
        kernel_size: taps of the convolutions.
        num_layers: how many blocks, with dilations 1, 2, 4, ...
        norm: of the blocks: "weight", "batch", "layer" or None.
        activation: of the blocks: "relu", "gelu" or "glu".
        dropout: share of channels that the blocks leave out while training.
        normalization: "instance" takes the window's mean and deviation away, "last" its last value,
            None nothing.

    Shape:
        x: (B, C, window) -> (B, C, horizon), for any number C of columns.

    Raises:
        ValueError: when an argument is out of its range, or x has another window.

    References:
        Bai, Kolter and Koltun (2018), for the TCN; Kim et al. (2022), "Reversible instance
        normalization for accurate time-series forecasting"; Nie et al. (2023), "A time series is
        worth 64 words", for channel independence.

    Example:
        >>> model = TCNForecaster(window=96, horizon=24, channels=8, num_layers=4)
        >>> model(torch.randn(2, 7, 96)).shape
        torch.Size([2, 7, 24])
    """

    def __init__(
        self,
        window: int,
        horizon: int,
        channels: int = 16,
        kernel_size: int = 3,
        num_layers: int = 6,
        *,
        norm: str | None = None,
        activation: str = "gelu",
        dropout: float = 0.1,
        normalization: str | None = "instance",
    ) -> None:
        super().__init__()
        _check_lengths(window, horizon)
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization must be one of instance, last, None, got {normalization!r}"
            )
        self.window = window
        self.horizon = horizon
        self.normalization = normalization
        self.tcn = TCN(
            1,
            channels,
            kernel_size,
            num_layers,
            norm=norm,
            activation=activation,
            dropout=dropout,
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, horizon)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.linear = nn.Linear(window, horizon)

    def forward(self, x: Tensor) -> Tensor:
        """Forecast the steps behind each window."""
        _check_window(x, self.window)
        B, C, window = x.shape
        level, spread = self._level(x)
        z = ((x - level) / spread).reshape(B * C, 1, window)
        h = last_of(self.tcn, z)[..., 0]
        y = self.linear(z[:, 0]) + self.head(self.dropout(h))
        return y.reshape(B, C, self.horizon) * spread + level

    def _level(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is taken from each window, and what it is divided by: (B, C, 1) each."""
        one = x.new_ones(())
        if self.normalization is None:
            return x.new_zeros(()), one
        if self.normalization == "last":
            return x[..., -1:], one
        mean = x.mean(-1, keepdim=True)
        return mean, (x - mean).square().mean(-1, keepdim=True).sqrt() + _SMALLEST

    def example_input(self) -> dict[str, Tensor]:
        """One window of one column."""
        return {"x": torch.zeros(1, 1, self.window)}


class DLinear(nn.Module):
    """A linear map of the window's trend plus one of the rest, shared by all columns.

    Args:
        window: steps that are given.
        horizon: steps that are forecast.
        kernel_size: steps of the moving average that is the trend; odd.

    Shape:
        x: (B, C, window) -> (B, C, horizon).

    Raises:
        ValueError: when an argument is out of its range, or x has another window.

    References:
        Zeng et al. (2023), "Are transformers effective for time series forecasting?", section 4.

    Example:
        >>> DLinear(window=96, horizon=24)(torch.randn(2, 7, 96)).shape
        torch.Size([2, 7, 24])
    """

    def __init__(self, window: int, horizon: int, kernel_size: int = 25) -> None:
        super().__init__()
        _check_lengths(window, horizon)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and >= 1, got {kernel_size}")
        self.window = window
        self.horizon = horizon
        self.kernel_size = kernel_size
        self.trend = nn.Linear(window, horizon)
        self.rest = nn.Linear(window, horizon)

    def forward(self, x: Tensor) -> Tensor:
        """Forecast the steps behind each window."""
        _check_window(x, self.window)
        half = self.kernel_size // 2
        trend = F.avg_pool1d(F.pad(x, (half, half), mode="replicate"), self.kernel_size, stride=1)
        return self.trend(trend) + self.rest(x - trend)

    def example_input(self) -> dict[str, Tensor]:
        """One window of one column."""
        return {"x": torch.zeros(1, 1, self.window)}


def _check_lengths(window: int, horizon: int) -> None:
    for name, value in (("window", window), ("horizon", horizon)):
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}")


def _check_window(x: Tensor, window: int) -> None:
    if x.dim() != 3 or x.shape[-1] != window:
        raise ValueError(f"x must have shape (B, C, {window}), got {tuple(x.shape)}")
