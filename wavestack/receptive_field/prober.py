"""The model itself, run on changed inputs: gradients, NaNs and other numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from wavestack.errors import UserError
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.asking.subject import subject_path
from wavestack.receptive_field.recording.inputs import Input
from wavestack.receptive_field.recording.trace import untouched

_NAN = float("nan")
# Operators whose choice of positions depends on values: a NaN need not show in every output.
_SELECTING = {
    "sort",
    "topk",
    "kthvalue",
    "median",
    "gather",
    "index",
    "index_select",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "deform_conv2d",
    "max_unpool2d",
    "max_unpool3d",
    "where",
    "masked_fill",
    "argmax",
    "argmin",
    "scatter",
}


class _Behind(TorchFunctionMode):
    """Reaches an integer input where it has become numbers: behind its embedding."""

    def __init__(self, ids: Tensor, dim: int, poison: np.ndarray | None) -> None:
        super().__init__()
        self.ids = ids
        self.dim = dim
        self.poison = poison
        self.found: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func not in (functional.embedding, functional.one_hot):
            return out
        ids = args[0] if args else (kwargs or {}).get("input")
        if not isinstance(ids, Tensor) or ids.shape != self.ids.shape:
            return out
        out = out.detach().clone()
        if out.is_floating_point():
            if self.poison is not None:
                out.index_fill_(self.dim, torch.as_tensor(self.poison, device=out.device), _NAN)
            elif torch.is_grad_enabled():
                out.requires_grad_()
            self.found.append(out)
        return out


class Prober:
    """Runs a model with changed inputs and returns the tensor asked about."""

    def __init__(self, question: Question, model: nn.Module, seed: int) -> None:
        self.question = question
        self.model = model
        self.seed = seed
        self.path = subject_path(question.run, question.layer, question.target.index)
        operators = {question.graph[k].operator for k in question.full_need.visited}
        self.selecting = sorted(operators & _SELECTING)

    @contextmanager
    def _prepared(self) -> Iterator[list[Any]]:
        caught: list[Any] = []
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(devices=[]))
            stack.enter_context(untouched(self.model, deep=True))
            torch.manual_seed(self.seed)
            if self.path[0] is not None:
                module = self.model.get_submodule(self.path[0])
                hook = module.register_forward_hook(lambda m, a, out: caught.append(out))
                stack.callback(hook.remove)
            yield caught

    def __call__(self, values: dict[str, Tensor]) -> Tensor:
        """The output for the given input tensors."""
        args, kwargs = self.question.inputs.filled(values)
        with self._prepared() as caught:
            out = self.model(*args, **kwargs)
            if self.path[0] is not None:
                out = caught[-1]
        for key in self.path[1]:
            out = _step(out, key)
        return out


def _step(out: Any, key: str) -> Any:
    if isinstance(out, dict):
        return next(value for name, value in out.items() if str(name) == key)
    if hasattr(out, "__dataclass_fields__"):
        return getattr(out, key)
    return out[int(key)]


def _cell(out: Tensor, choice: dict[int, int]) -> Tensor:
    for d in sorted(choice, reverse=True):
        out = out.select(d, choice[d])
    return out


def is_nan(
    prober: Prober,
    item: Input,
    values: dict[str, Tensor],
    choice: dict[int, int],
    dim: int,
    at: np.ndarray,
) -> bool | None:
    """Whether NaNs at the given positions reach the output; None if they cannot be put there."""
    changed = dict(values)
    with torch.no_grad():
        if values[item.name].is_floating_point():
            poisoned = values[item.name].clone()
            poisoned.index_fill_(dim, torch.as_tensor(at, device=poisoned.device), _NAN)
            changed[item.name] = poisoned
            return bool(torch.isnan(_cell(prober(changed), choice)).any())
        with _Behind(values[item.name], dim, at) as behind:
            out = prober(changed)
        return bool(torch.isnan(_cell(out, choice)).any()) if behind.found else None


def changes(
    prober: Prober,
    item: Input,
    values: dict[str, Tensor],
    choice: dict[int, int],
    dim: int,
    at: np.ndarray,
) -> bool:
    """Whether other numbers at the given positions change the output."""
    changed = dict(values)
    with torch.no_grad():
        other = values[item.name].clone()
        index = torch.as_tensor(at, device=other.device)
        if other.is_floating_point():
            drawn = other.index_select(dim, index).flip(dim).mul(-3).add(1)
        else:
            drawn = (other.index_select(dim, index) + 1) % (int(other.max()) + 1)
        other.index_copy_(dim, index, drawn)
        changed[item.name] = other
        before, after = _cell(prober(values), choice), _cell(prober(changed), choice)
        return not torch.allclose(before, after, rtol=1e-5, atol=1e-6, equal_nan=True)


def gradient_sets(
    prober: Prober, item: Input, values: dict[str, Tensor], choice: dict[int, int]
) -> dict[str, np.ndarray]:
    """Per axis, the input positions with a gradient of one output position."""
    changed = dict(values)
    source = values[item.name]
    with torch.enable_grad():
        if source.is_floating_point():
            leaf = source.clone().requires_grad_()
            changed[item.name] = leaf
            out = prober(changed)
            leaves = [leaf]
        else:
            with _Behind(source, 0, None) as behind:
                out = prober(changed)
            leaves = behind.found
        cell = _cell(out, choice)
        if not leaves or not cell.requires_grad:
            raise UserError("the output has no gradient")
        weights = torch.linspace(1.0, 2.0, cell.numel(), device=cell.device).reshape(cell.shape)
        total = (cell * weights.to(cell.dtype)).sum()
        grads = torch.autograd.grad(
            total.real if total.is_complex() else total, leaves, allow_unused=True
        )
    found = {}
    for label, dim, _ in item.axes:
        hit = torch.zeros(source.shape[dim], dtype=torch.bool)
        for grad in grads:
            if grad is not None:
                other = [d for d in range(grad.dim()) if d != dim]
                flags = grad.detach() != 0
                hit |= (flags.any(dim=other) if other else flags).cpu()
        found[label] = np.flatnonzero(hit.numpy())
    return found
