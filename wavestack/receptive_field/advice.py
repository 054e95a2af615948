"""What a user should be told beside the numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wavestack.receptive_field.measure import Pattern
from wavestack.receptive_field.report import Axis

if TYPE_CHECKING:
    from wavestack.receptive_field.analysis import Analysis


def note_pattern(analysis: Analysis, name: str, pattern: Pattern, length: int) -> None:
    """Doubts about one axis."""
    if pattern.jump is None:
        analysis.warnings.append(
            f"{name}: no repeating pattern (branches of unequal stride, or a resize whose ratio does not "
            f"repeat); the size is the largest for an input of {length}"
        )
    if pattern.aliased:
        analysis.warnings.append(
            f"{name}: an operator joins positions across the border and the model takes no larger input; "
            "the figures are those of this input's border and may be too small"
        )
    if pattern.widened:
        analysis.warnings.append(f"{name}: too many unlike branches to tell apart; an upper bound")


def warnings_of(analysis: Analysis, by_input: dict[str, dict[str, Axis]]) -> list[str]:
    """Plain sentences about the whole report."""
    found: list[str] = []
    for axes in by_input.values():
        for axis in axes.values():
            found += _of_axis(axis)
    for module in dict.fromkeys(analysis.run.read_values):
        where = module or type(analysis.model).__name__
        found.append(
            f"{where}: Python reads values that depend on the input; what it does with them is followed for "
            "this example alone"
        )
    return found


def _of_axis(axis: Axis) -> list[str]:
    found = []
    if axis.local_size and axis.local_size > axis.input_size:
        found.append(
            f"{axis.name}: the receptive field ({axis.local_size}) is larger than the input ({axis.input_size}): "
            "every output sees padding"
        )
    if axis.coverage is not None and axis.coverage < 1 and not math.isclose(axis.coverage, 1):
        found.append(
            f"{axis.name}: gridding, {axis.used} of {axis.local_size} positions are used "
            f"({100 * axis.coverage:.1f} %)"
        )
    return found
