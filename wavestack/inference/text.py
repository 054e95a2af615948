"""New text from a model of characters, one character after another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def continue_text(
    model: Any,
    primer: Tensor,
    count: int,
    *,
    num_tokens: int | None = None,
    temperature: float = 1.0,
    seed: int = 0,
) -> Tensor:
    """Draws the tokens that follow a beginning, each given all before it.

    Args:
        model: a causal model of tokens (B, T) -> logits (B, K, T) with ``stream``, in eval mode.
        primer: (B, T) int64, at least one token.
        count: how many to draw.
        num_tokens: tokens that may be drawn are those below it; None: all of the model's.
        temperature: below 1: safer; 0: always the most probable token.
        seed: of the draws.

    Shape:
        -> (B, count) int64

    Raises:
        ValueError: when the primer is empty or a number is out of its range.

    Example:
        >>> from wavestack.models import TCN
        >>> model = TCN(4, 8, num_layers=2, out_channels=5, num_embeddings=5).eval()
        >>> continue_text(model, torch.tensor([[1, 2]]), 7).shape
        torch.Size([1, 7])
    """
    if primer.dim() != 2 or primer.shape[1] < 1:
        raise ValueError(f"primer must be (B, T) of one token or more, got {tuple(primer.shape)}")
    if count < 1:
        raise ValueError(f"count must be >= 1, got {count}")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be >= 0 and finite, got {temperature}")
    generator = torch.Generator(primer.device).manual_seed(seed)
    drawn = []
    tokens, state = primer, model.initial_state(len(primer))
    for _ in range(count):
        logits, state = model.stream(tokens, state)
        last = logits[:, :num_tokens, -1].float()
        if temperature == 0:
            tokens = last.argmax(1, keepdim=True)
        else:
            shares = (last / temperature).softmax(1)
            tokens = torch.multinomial(shares, 1, generator=generator)
        drawn.append(tokens)
    return torch.cat(drawn, dim=1)
