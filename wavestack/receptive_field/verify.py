"""Holding the claim against the model itself: gradients from inside, NaNs from outside.

Three probes for each output position tried. Gradients: every input position with a gradient must be
in the claim. NaNs outside: with everything outside the claim turned into NaN, the output must stay
finite. NaNs inside: the first and the last position of the claim, turned into NaN, must reach the
output. The NaN probes are repeated on a copy with random weights, where no weight happens to be
zero.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from wavestack.errors import UserError
from wavestack.receptive_field.resize import Resize
from wavestack.receptive_field.trace import untouched

if TYPE_CHECKING:
    from wavestack.receptive_field.analysis import Analysis
    from wavestack.receptive_field.inputs import Input

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


@dataclass
class Verification:
    """What the probes found.

    Attributes:
        agrees: whether every probe agrees with the claim
        probes: how many single probes ran
        disagreements: one line for each that does not
        remarks: where a probe is weaker than it looks (masks, interpolation, integer inputs)
    """

    agrees: bool
    probes: int
    disagreements: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.agrees

    def __str__(self) -> str:
        verdict = "agree" if self.agrees else "disagree"
        head = f"{verdict}: {self.probes} gradient and NaN probes"
        return "\n".join([head, *self.disagreements, *self.remarks])


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

    def __init__(self, analysis: Analysis, model: nn.Module, seed: int) -> None:
        self.analysis = analysis
        self.model = model
        self.seed = seed
        self.path = analysis.subject_path()
        operators = {analysis.graph[k].operator for k in analysis.full_need.visited}
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
        args, kwargs = self.analysis.inputs.filled(values)
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


def verify(analysis: Analysis, num_outputs: int = 3, seed: int = 0) -> Verification:
    """See Report.verify."""
    result = Verification(True, 0)
    if analysis.full_need.unknown:
        names = sorted({analysis.graph[k].operator for k in analysis.full_need.unknown})
        result.agrees = False
        result.disagreements.append(f"no claim to verify: no rule for {', '.join(names)}")
        return result
    weak = _weak_spots(analysis)
    values = _random_values(analysis, seed)
    for item in analysis.inputs.items:
        if item.axes:
            _probe(analysis, analysis.model, item, values, num_outputs, seed, result, weak, True)
    try:
        other = copy.deepcopy(analysis.model)
    except Exception as problem:
        result.remarks.append(f"no copy with random weights: {problem}")
    else:
        _randomize(other, seed)
        for item in analysis.inputs.items:
            if item.axes:
                _probe(analysis, other, item, values, num_outputs, seed, result, weak, False)
    result.agrees = not result.disagreements
    result.remarks = list(dict.fromkeys(result.remarks))
    return result


def _weak_spots(analysis: Analysis) -> list[str]:
    """Operators that multiply a NaN by an exact zero."""
    found = []
    for index in analysis.full_need.visited:
        node = analysis.graph[index]
        if isinstance(node.note, tuple) and node.note and node.note[0] in ("weights", "scores"):
            found.append("an attention mask")
        if node.operator == "stft":
            found.append("a spectrum's padded window")
        if any(isinstance(relation, Resize) for edge in node.edges for _, relation in edge.dims):
            found.append("an interpolation")
    masks = ("attn_mask", "attn_bias")
    if any(analysis.graph[k].note == "masked" for k in analysis.full_need.visited):
        found.append(f"an attention mask ({masks[0]})")
    return list(dict.fromkeys(found))


def _random_values(analysis: Analysis, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = {}
    for item in analysis.inputs.items:
        tensor = item.tensor.detach()
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float32)
            tensor = drawn.to(tensor)
        values[item.name] = tensor.clone()
    return values


def _randomize(model: nn.Module, seed: int) -> None:
    """Every weight is drawn anew, so that none is zero by accident."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point():
                fan = max(
                    1, parameter.numel() // max(1, parameter.shape[0] if parameter.dim() else 1)
                )
                drawn = torch.randn(parameter.shape, generator=generator) / fan**0.5
                parameter.copy_(drawn.to(parameter))


def _positions(n: int, number: int) -> list[int]:
    return sorted({round(k * (n - 1) / max(1, number - 1)) for k in range(number)})


def _outputs(analysis: Analysis, item: Input, number: int) -> list[dict[int, int]]:
    """Output positions to try: corners and between, all axes together."""
    dims = analysis.output_dims(item)
    if not dims:
        return [{}]
    found = []
    for k in range(number):
        choice = {}
        for d in dims.values():
            places = _positions(analysis.target.shape[d], number)
            choice[d] = places[min(k, len(places) - 1)]
        if choice not in found:
            found.append(choice)
    return found


def _probe(
    analysis: Analysis,
    model: nn.Module,
    item: Input,
    values: dict[str, Tensor],
    number: int,
    seed: int,
    result: Verification,
    weak: list[str],
    own: bool,
) -> None:
    prober = Prober(analysis, model, seed)
    which = "" if own else " (random weights)"
    labels = {d: label for label, d in analysis.output_dims(item).items()}
    for choice in _outputs(analysis, item, number):
        index = {labels[d]: o for d, o in choice.items()}
        where = ", ".join(f"{label} = {o}" for label, o in index.items()) or "the output"
        claim = analysis.depends_on(index or None, True, item.name)
        gradients: dict[str, np.ndarray] | None = None
        try:
            gradients = _gradient_sets(prober, item, values, choice)
        except (RuntimeError, TypeError, UserError) as problem:
            result.remarks.append(f"no gradients: {str(problem).splitlines()[0]}")
        for label, dim, _ in item.axes:
            found = claim[label]
            name = f"{item.name} along {label} behind {where}{which}"
            if gradients is not None:
                result.probes += 1
                stray = np.setdiff1d(gradients[label], found)
                if len(stray):
                    result.disagreements.append(
                        f"gradient outside the claim: {name}: {stray[:5].tolist()}"
                    )
            known = gradients[label] if gradients is not None else np.zeros(0, dtype=np.int64)
            _nan_probes(prober, item, values, choice, dim, found, known, name, result, weak)


def _nan_probes(
    prober: Prober,
    item: Input,
    values: dict[str, Tensor],
    choice: dict[int, int],
    dim: int,
    claim: np.ndarray,
    known: np.ndarray,
    name: str,
    result: Verification,
    weak: list[str],
) -> None:
    outside = np.setdiff1d(np.arange(item.tensor.shape[dim]), claim)
    if len(outside):
        spoilt = _is_nan(prober, item, values, choice, dim, outside)
        if spoilt is None:
            result.remarks.append(
                f"{item.name} holds integers and meets no embedding: NaNs cannot enter"
            )
            return
        result.probes += 1
        if spoilt:
            if weak and not _changes(prober, item, values, choice, dim, outside):
                result.remarks.append(
                    f"the NaN side is loose, {' and '.join(weak)} multiplies NaN by an exact zero; "
                    "other values outside the claim change nothing"
                )
            else:
                result.disagreements.append(f"a NaN outside the claim reaches the output: {name}")
    for position in sorted({int(claim[0]), int(claim[-1])}) if len(claim) else []:
        reached = _is_nan(prober, item, values, choice, dim, np.array([position]))
        if reached is None:
            return
        result.probes += 1
        if not reached and position not in known:
            if prober.selecting:
                result.remarks.append(
                    f"{' and '.join(prober.selecting)} chooses by value: not every position "
                    "of the claim "
                    "can be seen to arrive"
                )
                continue
            result.disagreements.append(
                f"a NaN at {position}, inside the claim, does not arrive: {name}"
            )


def _cell(out: Tensor, choice: dict[int, int]) -> Tensor:
    for d in sorted(choice, reverse=True):
        out = out.select(d, choice[d])
    return out


def _is_nan(
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


def _changes(
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


def _gradient_sets(
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
