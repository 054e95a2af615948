"""Sampling inside a kernel: the noise of ``wavestack.inference.noise`` and what is made of it."""

# mypy: ignore-errors
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def uniform_tile(seed, rows, step, first_lane, LANES: tl.constexpr):
    """Uniform numbers (len(rows), LANES) of one step, from a lane that is a multiple of 4 on."""
    blocks = first_lane // 4 + tl.arange(0, LANES // 4)
    c0 = blocks[None, :] + tl.zeros_like(rows)[:, None]
    c2 = rows[:, None] + tl.zeros_like(blocks)[None, :]
    c1 = tl.zeros_like(c0) + step
    w0, w1, w2, w3 = tl.philox(seed, c0, c1, c2, tl.zeros_like(c0))
    # Joined so that word l % 4 of block l // 4 is lane l.
    words = tl.join(tl.join(w0, w2), tl.join(w1, w3)).reshape(rows.shape[0], LANES)
    return ((words >> 9).to(tl.float32) + 0.5) * (1.0 / 8388608.0)


@triton.jit
def gumbel(u):
    """See ``wavestack.models.output.gumbel``; tl.log is the accurate one."""
    return -tl.log(-tl.log(u))


@triton.jit
def cosine_of_turns(u):
    """cos(2 π u) for u in (0, 1), to 1e-7, without the slow path of the general cosine.

    By symmetry it is sin(2 π s) with s = |u - 1/2| - 1/4, and there the sine's series is short.
    """
    x = (tl.abs(u - 0.5) - 0.25) * 6.283185307179586
    y = x * x
    series = 1.0 - y * (1.0 / 156.0)
    series = 1.0 - y * (1.0 / 110.0) * series
    series = 1.0 - y * (1.0 / 72.0) * series
    series = 1.0 - y * (1.0 / 42.0) * series
    series = 1.0 - y * (1.0 / 20.0) * series
    series = 1.0 - y * (1.0 / 6.0) * series
    return x * series


@triton.jit
def tanh(x):
    """The hyperbolic tangent: exact to 2e-7, saturating without overflow."""
    return 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0)


@triton.jit
def mixture_value(logits, means, log_scales, noise, count, temperature, low, high):
    """A draw from a logistic mixture; noise (rows, lanes) holds count + 1 uniform numbers a row."""
    lanes = tl.arange(0, logits.shape[1])[None, :]
    scores = tl.where(lanes < count, logits + temperature * gumbel(noise), float("-inf"))
    chosen = tl.argmax(scores, axis=1)[:, None] == lanes
    u = tl.sum(tl.where(lanes == count, noise, 0.0), axis=1)
    mean = tl.sum(tl.where(chosen, means, 0.0), axis=1)
    log_scale = tl.sum(tl.where(chosen, log_scales, 0.0), axis=1)
    scale = tl.exp(tl.minimum(tl.maximum(log_scale, low), high))
    # 1 - u is exact: u has 24 bits.
    value = mean + temperature * scale * (tl.log(u) - tl.log(1.0 - u))
    return tl.minimum(tl.maximum(value, -1.0), 1.0)


@triton.jit
def gaussian_value(means, log_scales, noise, temperature, low, high):
    """A draw from a normal distribution; column 0 of means and log_scales, lanes 0 and 1."""
    lanes = tl.arange(0, means.shape[1])[None, :]
    u = tl.sum(tl.where(lanes == 0, noise, 0.0), axis=1)
    turn = tl.sum(tl.where(lanes == 1, noise, 0.0), axis=1)
    mean = tl.sum(tl.where(lanes == 0, means, 0.0), axis=1)
    log_scale = tl.sum(tl.where(lanes == 0, log_scales, 0.0), axis=1)
    scale = tl.exp(tl.minimum(tl.maximum(log_scale, low), high))
    normal = tl.sqrt(-2.0 * tl.log(u)) * cosine_of_turns(turn)
    value = mean + temperature * scale * normal
    return tl.minimum(tl.maximum(value, -1.0), 1.0)
