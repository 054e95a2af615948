"""Ways to run an autoregressive model, from the fastest that can to the one that always can."""

from wavestack.inference.engines.base import Engine, choose_engine

__all__ = ["Engine", "choose_engine"]
