"""An input whose gradient can be asked for: a leaf, or what an embedding makes of integer codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

MOST_DIMENSIONS = 5


class ProbedInput(TorchFunctionMode):
    """Makes the first tensor of a call a leaf; an integer one behind its embedding."""

    def __init__(self, example: Any) -> None:
        super().__init__()
        self.leaves: list[Tensor] = []
        self.call_args: tuple[tuple, dict] = _as_call(example)
        args, kwargs = self.call_args
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if not tensors:
            raise ValueError(f"the input holds no tensor: {type(example).__name__}")
        original = tensors[0]
        self.shape = tuple(original.shape)
        if not 2 <= len(self.shape) <= MOST_DIMENSIONS:
            raise ValueError(f"input must have 2 to 5 dimensions, got shape {self.shape}")
        self._integer = not original.is_floating_point()
        if not self._integer:
            leaf = original.detach().clone().requires_grad_()
            self.leaves.append(leaf)
            args = tuple(leaf if value is original else value for value in args)
            kwargs = {key: leaf if v is original else v for key, v in kwargs.items()}
            self.call_args = (args, kwargs)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self._integer or not isinstance(out, Tensor):
            return out
        if out.shape[: len(self.shape)] != self.shape or not self._reads_codes(args):
            return out
        if not out.is_floating_point() and func is not F.one_hot:
            return out
        # The first floats made of the codes: an embedding, or their amplitudes. One-hot codes are
        # still integers; as floats they carry a gradient and convert as before.
        leaf = out.detach().to(torch.get_default_dtype()).requires_grad_()
        self.leaves.append(leaf)
        return leaf

    def _reads_codes(self, args: Any) -> bool:
        flat = [part for arg in args for part in (arg if isinstance(arg, tuple) else (arg,))]
        return any(
            isinstance(arg, Tensor)
            and arg.shape == self.shape
            and not arg.is_floating_point()
            and arg.dtype != torch.bool
            for arg in flat
        )

    def squared_gradients(self, scalar: Tensor) -> Tensor:
        """Squared gradient per input element; channels that an embedding added are summed."""
        if not self.leaves:
            raise ValueError("the integer input reaches no embedding, so it has no gradient")
        total = torch.zeros(self.shape, dtype=torch.float64)
        for gradient in torch.autograd.grad(
            scalar, self.leaves, retain_graph=True, allow_unused=True
        ):
            if gradient is not None:
                extra = tuple(range(len(self.shape), gradient.ndim))
                squared = gradient.detach().cpu().double().square()
                total += squared.sum(dim=extra) if extra else squared
        return total


def _as_call(example: Any) -> tuple[tuple, dict]:
    if isinstance(example, Mapping):
        return (), dict(example)
    if isinstance(example, tuple):
        return example, {}
    return (example,), {}
