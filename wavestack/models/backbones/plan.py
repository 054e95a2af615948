"""Which stages keep their stride, and with what rate the others dilate instead: pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

OUTPUT_STRIDES = (4, 8, 16, 32)


class Stage(NamedTuple):
    """What becomes of one step of down-sampling.

    Attributes:
        stride: the stride that is left, 1 where dilation takes its place.
        entry_dilation: rate of what reads the grid before the step, the strided layer included.
        dilation: rate of everything behind it.
    """

    stride: int
    entry_dilation: int
    dilation: int


def plan_stages(
    strides: Sequence[int], output_stride: int, *, dilated: bool = True
) -> tuple[Stage, ...]:
    """Stride to dilation, à trous: the same taps fall on the same input pixels.

    Strides are kept while their product is at most `output_stride`. Each later stride becomes 1;
    what stands behind it dilates that many times more. The layer that lost its stride still reads
    the grid before it, so it keeps the rate from there: the rule of DeepLab and torchvision.

    Args:
        strides: of the steps, from the input on; their product is the largest output stride.
        output_stride: input size over size of the last features.
        dilated: False leaves every rate at 1: the control of the same strides and widths.

    Raises:
        ValueError: when `output_stride` is none of 4, 8, 16, 32.

    References:
        Chen et al. (2017), "Rethinking atrous convolution for semantic image segmentation",
        section 3.1.

    Example:
        >>> for stage in plan_stages((2, 2, 2, 2, 2), 8)[2:]:
        ...     print(tuple(stage))
        (2, 1, 1)
        (1, 1, 2)
        (1, 2, 4)
    """
    if output_stride not in OUTPUT_STRIDES:
        known = ", ".join(map(str, OUTPUT_STRIDES))
        raise ValueError(f"output_stride must be one of {known}, got {output_stride!r}")
    stages = []
    jump = rate = 1
    for stride in strides:
        if jump * stride <= output_stride:
            jump *= stride
            stages.append(Stage(stride, rate, rate))
        else:
            stages.append(Stage(1, rate, rate * stride))
            rate *= stride
    if dilated:
        return tuple(stages)
    return tuple(Stage(stage.stride, 1, 1) for stage in stages)


def feature_strides(nominal: Sequence[int], output_stride: int) -> tuple[int, ...]:
    """The strides of features whose nominal ones are given: capped at the output stride."""
    return tuple(min(stride, output_stride) for stride in nominal)


def unit_rates(
    multi_grid: Sequence[int] | None, units: int, what: str, *, dilated: bool = True
) -> tuple[int, ...]:
    """The factors by which the last stage's units dilate more than its own rate (all 1 for None).

    Args:
        multi_grid: one factor for each unit, such as (1, 2, 4).
        units: how many there are.
        what: their name, for the error.
        dilated: False for factors of 1.

    Raises:
        ValueError: when there is not one factor >= 1 for each unit.
    """
    if multi_grid is None:
        return (1,) * units
    rates = tuple(multi_grid)
    if len(rates) != units or any(not isinstance(r, int) or r < 1 for r in rates):
        raise ValueError(
            f"multi_grid must hold {units} rates >= 1, one for each {what}, got {list(rates)}"
        )
    return rates if dilated else (1,) * units
