"""Autoregressive generation: seeded, batched, conditioned, continued from a primer."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wavestack.inference.engines import choose_engine
from wavestack.inference.noise import LABELS, check_seed, uniform

logger = logging.getLogger(__name__)

_PROGRESS_STEPS = 512


def generate(
    model: Any,
    num_samples: int,
    *,
    batch_size: int = 1,
    labels: Tensor | None = None,
    features: Tensor | None = None,
    primer: Tensor | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    engine: str = "auto",
    progress: bool | Callable[[int, int], None] = False,
    **options: Any,
) -> Tensor:
    """Draw waveforms from a model, one sample after the other.

    The first sample follows one silent sample and zeros in every layer, exactly what
    ``model(model.shift(x))`` assumes, so feeding a result back gives the logits it was drawn
    from. The noise is a function of (seed, row, step): a row does not depend on how many rows there
    are, nor on the engine.

    Args:
        model: a WaveNet, or any model with ``distribution``, ``condition``, ``initial_state`` and
            ``stream``; it is run in eval mode and left as it was. Several threads may share a
            model that is in eval mode.
        num_samples: length of the result.
        batch_size: rows; labels, features and primer have as many rows, or one for all.
        labels: (B, L) int64; None on a labelled model draws them from the seed and logs which.
        features: (B, C, frames), for primer and result together.
        primer: (B, P) or (P,) waveform that the result continues.
        temperature: 1 draws from the model's distribution, 0 takes its mode, between them the
            distribution is sharpened.
        seed: 0 to 2^64 - 1.
        engine: "auto", or the name of one in ``wavestack.inference.engines.base``.
        progress: True shows a bar; a function is called with (samples done, num_samples).
        options: of the engine, such as precision="bfloat16" of "compiled"; see its class.

    Shape:
        -> (batch_size, num_samples) waveform without the primer

    Raises:
        ValueError: when an argument is out of range, shapes disagree, or no engine can run it.

    Example:
        >>> from wavestack.models import WaveNet
        >>> model = WaveNet(4, 4, 4, 4, num_layers=2, num_stacks=1)
        >>> generate(model, 100, batch_size=2, seed=1).shape
        torch.Size([2, 100])
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be >= 1, got {num_samples}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be >= 1, got {batch_size}")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be >= 0 and finite, got {temperature}")
    check_seed(seed)
    parameter = next(model.parameters())
    if labels is None and getattr(model, "num_labels", None):
        labels = draw_labels(model, batch_size, seed)
        logger.warning("labels not given: drawn from seed %d: %s", seed, labels.tolist())
    if labels is not None:
        labels = _rows("labels", labels, 2, batch_size)
        _check_labels(model, labels)
        labels = labels.to(parameter.device)
    if features is not None:
        features = _rows("features", features, 3, batch_size).to(parameter)

    with torch.inference_mode(), _evaluating(model), _one_thread():
        _, chosen = choose_engine(model, engine, options=options)
        past = _past_inputs(model, primer, batch_size, parameter.device)
        first_step = past.shape[-1] - 1
        condition = model.condition(labels, features, first_step + num_samples)
        state = model.initial_state(batch_size)
        if first_step:
            block = _columns(condition, 0, first_step)
            _, state = model.stream(past[..., :-1], state, block)
            condition = _columns(condition, first_step, first_step + num_samples)
        running = chosen(
            model, state, past[..., -1:], condition, seed, float(temperature), **options
        )
        blocks, done = [], 0
        with _reporter(progress, num_samples) as report:
            while done < num_samples:
                blocks.append(running.advance(min(_PROGRESS_STEPS, num_samples - done)))
                done += blocks[-1].shape[1]
                report(done, num_samples)
    # Outside inference mode, so that the result may take part in training.
    return torch.cat(blocks, dim=1).to(torch.float32, copy=True)


def draw_labels(model: Any, batch_size: int, seed: int) -> Tensor:
    """The labels that ``generate`` takes when none are given.

    Shape:
        -> (batch_size, len(model.num_labels)) int64

    Example:
        >>> from wavestack.models import WaveNet
        >>> model = WaveNet(4, 4, 4, 4, num_layers=1, num_labels=(6, 10))
        >>> draw_labels(model, 3, seed=0).shape
        torch.Size([3, 2])
    """
    count = len(model.num_labels)
    numbers = uniform(seed, np.arange(batch_size), [0], count, purpose=LABELS)[0]
    return torch.from_numpy((numbers * np.array(model.num_labels)).astype(np.int64))


def _check_labels(model: Any, labels: Tensor) -> None:
    """An index beyond an embedding is a cryptic error on a CPU and a lost context on a GPU."""
    sizes = tuple(getattr(model, "num_labels", None) or ())
    if not sizes:  # the model itself says that it takes none
        return
    if labels.is_floating_point():
        raise ValueError(f"labels must be whole numbers, got {labels.dtype}")
    if labels.shape[1] != len(sizes):
        raise ValueError(f"labels must have {len(sizes)} columns, got {labels.shape[1]}")
    if ((labels < 0) | (labels >= torch.tensor(sizes, device=labels.device))).any():
        raise ValueError(f"labels must be >= 0 and < {list(sizes)}, got {labels.tolist()}")


def _past_inputs(model: Any, primer: Tensor | None, batch_size: int, device: Any) -> Tensor:
    """Silence, then the primer, as network input: (B, P + 1) or (B, 1, P + 1)."""
    if primer is None:
        primer = torch.zeros(batch_size, 0)
    primer = primer[None] if primer.dim() == 1 else primer
    primer = _rows("primer", primer, 2, batch_size).to(device)
    if not primer.isfinite().all():
        raise ValueError("primer must be finite, got NaN or infinity")
    # A dummy last sample: shift drops it and puts silence first.
    padded = torch.nn.functional.pad(primer.float(), (0, 1))
    return model.shift(model.distribution.encode(padded))


def _rows(name: str, value: Tensor, dims: int, batch_size: int) -> Tensor:
    if value.dim() != dims or value.shape[0] not in (1, batch_size):
        raise ValueError(
            f"{name} must have {dims} dimensions and {batch_size} rows or one, "
            f"got {tuple(value.shape)}"
        )
    return value.expand(batch_size, *value.shape[1:])


def _columns(condition: Tensor | None, start: int, stop: int) -> Tensor | None:
    if condition is None or condition.shape[-1] == 1:
        return condition
    return condition[..., start:stop]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Whatever was in training mode is so again behind it; parts may differ from their whole."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _one_thread() -> Iterator[None]:
    """One step is far too little work to share: two threads wait for each other 10 to 40 times
    longer than they compute, most of all where another program runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _reporter(
    progress: bool | Callable[[int, int], None], total: int
) -> Iterator[Callable[[int, int], None]]:
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        from rich.progress import Progress

        with Progress(transient=True) as bar:
            task = bar.add_task("samples", total=total)
            yield lambda done, total: bar.update(task, completed=done)
