"""A trained model made at home among other inputs, such as another speaker's, without labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Model = TypeVar("Model", bound=nn.Module)

PRIOR_ROWS = 16  # rows of other inputs that outweigh what the training remembers as much as not


@torch.no_grad()
def adapted(model: Model, inputs: Sequence[Mapping[str, Tensor]]) -> Model:
    """A copy of a model whose batch normalizations know the inputs that it is about to see.

    The statistics of the training make way for those of the inputs, by as much as there are rows:
    n rows weigh n against `PRIOR_ROWS`. No label is used and no weight is changed. All inputs
    together decide the answer for each, so they should come from one place: one speaker, one
    microphone.

    Args:
        model: with batch normalizations; is not changed.
        inputs: one or more batches of keyword arguments of the model's forward, rows first. Each is
            an equal part of the statistics, whatever its number of rows.

    Raises:
        ValueError: when the model has no batch normalization with running statistics, or there are
            no inputs.

    References:
        Schneider et al. (2020), "Improving robustness against common corruptions by covariate shift
        adaptation".

    Example:
        >>> norm = torch.nn.BatchNorm1d(1).eval()
        >>> x = 5 + torch.tensor([[0.0], [2.0]]).repeat(8, 1)
        >>> adapted(norm, [{"input": x}]).running_mean  # halfway from 0 to 6
        tensor([3.])
    """
    model = copy.deepcopy(model).eval()
    memories: list[tuple[Any, float | None, Tensor, Tensor]] = [
        (module, module.momentum, module.running_mean, module.running_var)
        for module in model.modules()
        if isinstance(module, _BatchNorm)
        and module.running_mean is not None
        and module.running_var is not None
    ]
    if not memories:
        raise ValueError("the model has no batch normalization that could be adapted")
    if not inputs:
        raise ValueError("there are no inputs to adapt to")
    for norm, _, mean, variance in memories:
        norm.running_mean = torch.zeros_like(mean)
        norm.running_var = torch.ones_like(variance)
        norm.momentum = None  # the plain mean over the batches
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.zero_()
        norm.train()
    rows = 0
    for batch in inputs:
        rows += len(next(iter(batch.values())))
        model(**batch)
    share = rows / (rows + PRIOR_ROWS)
    for norm, momentum, mean, variance in memories:
        norm.running_mean = torch.lerp(mean, norm.running_mean, share)
        norm.running_var = torch.lerp(variance, norm.running_var, share)
        norm.momentum = momentum
    return model.eval()
