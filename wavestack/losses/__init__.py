"""Losses, and the weights that go into them."""

from wavestack.losses.class_weights import enet_weights, median_frequency_weights

__all__ = ["enet_weights", "median_frequency_weights"]
