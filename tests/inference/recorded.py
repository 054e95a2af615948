"""A CUDA graph's way of running, on a CPU: operators recorded once, replayed on the same memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What a capture forbids: they wait for the device, or copy from memory of the CPU.
FORBIDDEN = ("_local_scalar_dense", "nonzero", "is_nonzero", "lift_fresh", "equal", "unique")


class Recording(TorchDispatchMode):
    """The operators that a function calls, with the very tensors they were called on.

    Unlike a capture, recording computes too.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__()
        self.tape: list[tuple[Any, ...]] = []
        with self:
            self.result = function()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in FORBIDDEN, f"{name} cannot be captured"
        out = func(*args, **(kwargs or {}))
        self.tape.append((func, args, kwargs or {}, out))
        return out

    def replay(self) -> Any:
        """Run all again: inputs and outputs lie where they lay."""
        for func, args, kwargs, out in self.tape:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)
        return self.result
