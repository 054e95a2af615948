"""Ways to run a causal model block by block: compiled where it can be, eager everywhere."""

from wavestack.inference.engines.blocks.base import BLOCK_ENGINES, BlockEngine

__all__ = ["BLOCK_ENGINES", "BlockEngine"]
