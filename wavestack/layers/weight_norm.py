"""Weight normalisation put on and taken off again."""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrizations, parametrize

Module = TypeVar("Module", bound=nn.Module)


def apply_weight_norm(module: Module) -> Module:
    """Learn direction and length of each output channel's weights apart.

    Every convolution in the module is changed in place; the function it computes stays.

    References:
        Salimans and Kingma (2016), Weight Normalization.

    Example:
        >>> conv = apply_weight_norm(nn.Conv1d(2, 3, 1))
        >>> sorted(name for name, _ in conv.named_parameters())[1]
        'parametrizations.weight.original0'
    """
    kinds = (nn.Conv1d, nn.ConvTranspose1d)
    for part in [m for m in module.modules() if isinstance(m, kinds)]:
        if not parametrize.is_parametrized(part, "weight"):
            parametrizations.weight_norm(part)
    return module


def fold_weight_norm(module: Module) -> Module:
    """Replace every parametrized weight by its present value, for generation and export.

    The module is changed in place and returned; the function it computes stays. Training it further
    trains the folded weights. Torch can pickle it then, a parametrized one it cannot.

    Example:
        >>> conv = fold_weight_norm(apply_weight_norm(nn.Conv1d(2, 3, 1)))
        >>> sorted(name for name, _ in conv.named_parameters())
        ['bias', 'weight']
    """
    for part in list(module.modules()):
        if parametrize.is_parametrized(part):
            _own_class(part)
            for name in list(part.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(part, name, leave_parametrized=True)
            _forget_older_names(part)
    return module


def _forget_older_names(part: nn.Module) -> None:
    """Remove the hook by which torch's weight norm reads older states: it cannot be pickled."""
    hooks = part._load_state_dict_pre_hooks
    for key, wrapped in list(hooks.items()):
        hook = getattr(wrapped, "hook", wrapped)
        if getattr(hook, "__qualname__", "").startswith("weight_norm.<locals>"):
            del hooks[key]


def _own_class(part: nn.Module) -> None:
    """Give a parametrized module a class that no copy of it shares.

    torch makes one class for each parametrized module, deepcopy hands it on, and removing the
    parametrization takes the weight off that class: off the original too.
    """
    shared = type(part)
    members = {k: v for k, v in vars(shared).items() if k not in ("__dict__", "__weakref__")}
    part.__class__ = type(shared.__name__, shared.__bases__, members)
