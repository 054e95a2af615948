"""Holding the claim against the model itself: gradients from inside, NaNs from outside.

Three probes for each output position tried. Gradients: every input position with a gradient must be
in the claim. NaNs outside: with everything outside the claim turned into NaN, the output must stay
finite. NaNs inside: the first and the last position of the claim, turned into NaN, must reach the
output. The NaN probes are repeated on a copy with random weights, where no weight happens to be
zero.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from wavestack.errors import UserError
from wavestack.receptive_field.asking.dependence import depends_on
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.prober import Prober, changes, gradient_sets, is_nan
from wavestack.receptive_field.recording.inputs import Input
from wavestack.receptive_field.resize import Resize


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


def verify(question: Question, num_outputs: int = 3, seed: int = 0) -> Verification:
    """See Report.verify."""
    result = Verification(True, 0)
    if question.full_need.unknown:
        names = sorted({question.graph[k].operator for k in question.full_need.unknown})
        result.agrees = False
        result.disagreements.append(f"no claim to verify: no rule for {', '.join(names)}")
        return result
    weak = _weak_spots(question)
    values = _random_values(question, seed)
    for item in question.inputs.items:
        if item.axes:
            _probe(question, question.model, item, values, num_outputs, seed, result, weak, True)
    try:
        other = copy.deepcopy(question.model)
    except Exception as problem:
        result.remarks.append(f"no copy with random weights: {problem}")
    else:
        _randomize(other, seed)
        for item in question.inputs.items:
            if item.axes:
                _probe(question, other, item, values, num_outputs, seed, result, weak, False)
    result.agrees = not result.disagreements
    result.remarks = list(dict.fromkeys(result.remarks))
    return result


def _weak_spots(question: Question) -> list[str]:
    """Operators that multiply a NaN by an exact zero."""
    found = []
    for index in question.full_need.visited:
        node = question.graph[index]
        if isinstance(node.note, tuple) and node.note and node.note[0] in ("weights", "scores"):
            found.append("an attention mask")
        if node.operator == "stft":
            found.append("a spectrum's padded window")
        if any(isinstance(relation, Resize) for edge in node.edges for _, relation in edge.dims):
            found.append("an interpolation")
    masks = ("attn_mask", "attn_bias")
    if any(question.graph[k].note == "masked" for k in question.full_need.visited):
        found.append(f"an attention mask ({masks[0]})")
    return list(dict.fromkeys(found))


def _random_values(question: Question, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = {}
    for item in question.inputs.items:
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


def _outputs(question: Question, item: Input, number: int) -> list[dict[int, int]]:
    """Output positions to try: corners and between, all axes together."""
    dims = question.output_dims(item)
    if not dims:
        return [{}]
    found = []
    for k in range(number):
        choice = {}
        for d in dims.values():
            places = _positions(question.target.shape[d], number)
            choice[d] = places[min(k, len(places) - 1)]
        if choice not in found:
            found.append(choice)
    return found


def _probe(
    question: Question,
    model: nn.Module,
    item: Input,
    values: dict[str, Tensor],
    number: int,
    seed: int,
    result: Verification,
    weak: list[str],
    own: bool,
) -> None:
    prober = Prober(question, model, seed)
    which = "" if own else " (random weights)"
    labels = {d: label for label, d in question.output_dims(item).items()}
    for choice in _outputs(question, item, number):
        index = {labels[d]: o for d, o in choice.items()}
        where = ", ".join(f"{label} = {o}" for label, o in index.items()) or "the output"
        claim = depends_on(question, index or None, True, item.name)
        gradients: dict[str, np.ndarray] | None = None
        try:
            gradients = gradient_sets(prober, item, values, choice)
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
        spoilt = is_nan(prober, item, values, choice, dim, outside)
        if spoilt is None:
            result.remarks.append(
                f"{item.name} holds integers and meets no embedding: NaNs cannot enter"
            )
            return
        result.probes += 1
        if spoilt:
            if weak and not changes(prober, item, values, choice, dim, outside):
                result.remarks.append(
                    f"the NaN side is loose, {' and '.join(weak)} multiplies NaN by an exact zero; "
                    "other values outside the claim change nothing"
                )
            else:
                result.disagreements.append(f"a NaN outside the claim reaches the output: {name}")
    for position in sorted({int(claim[0]), int(claim[-1])}) if len(claim) else []:
        reached = is_nan(prober, item, values, choice, dim, np.array([position]))
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
