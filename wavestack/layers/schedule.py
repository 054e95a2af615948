"""Which dilation, kernel size and width each layer of a stack has."""

from __future__ import annotations

from collections.abc import Sequence


def dilation_schedule(
    num_layers: int = 10,
    num_stacks: int = 1,
    dilation_base: float = 2,
    dilations: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """The dilation of every layer, first to last.

    Args:
        num_layers: length of one dilation cycle.
        num_stacks: repeats of the cycle.
        dilation_base: layer i of a cycle has dilation dilation_base ** i, rounded; >= 1.
        dilations: every layer's dilation by hand; then the other three are not used.

    Raises:
        ValueError: when a number is below 1 or the list is empty.

    Example:
        >>> dilation_schedule(4, num_stacks=2)
        (1, 2, 4, 8, 1, 2, 4, 8)
        >>> dilation_schedule(4, dilation_base=3)
        (1, 3, 9, 27)
        >>> dilation_schedule(dilations=[1, 3, 7, 17])
        (1, 3, 7, 17)
    """
    if dilations is not None:
        return _checked("dilations", dilations)
    for name, value in (
        ("num_layers", num_layers),
        ("num_stacks", num_stacks),
        ("dilation_base", dilation_base),
    ):
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}")
    cycle = tuple(round(dilation_base**i) for i in range(num_layers))
    return cycle * num_stacks


def kernel_schedule(
    kernel_size: int, num_layers: int, kernel_sizes: Sequence[int] | None = None
) -> tuple[int, ...]:
    """The kernel size of every layer, first to last.

    Args:
        kernel_size: the one of all layers, unless kernel_sizes is given.
        num_layers: how many layers there are in all.
        kernel_sizes: every layer's kernel size by hand.

    Raises:
        ValueError: when a number is below 1 or the list has another length than num_layers.

    Example:
        >>> kernel_schedule(2, 3)
        (2, 2, 2)
        >>> kernel_schedule(2, 3, kernel_sizes=[6, 6, 15])
        (6, 6, 15)
    """
    if kernel_sizes is None:
        kernel_sizes = [kernel_size] * num_layers
    if len(kernel_sizes) != num_layers:
        raise ValueError(
            f"kernel_sizes must name all {num_layers} layers, got {len(kernel_sizes)} values"
        )
    return _checked("kernel_sizes", kernel_sizes)


def width_schedule(
    channels: int | Sequence[int],
    num_layers: int | None = None,
    dilations: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """The width of every block, first to last.

    Args:
        channels: the width of each, or one number for all.
        num_layers: how many there are, where channels is one number and dilations is None.
        dilations: of every block, or None.

    Raises:
        ValueError: when a width is below 1, their number is unknown or not that of dilations.

    Example:
        >>> width_schedule(8, num_layers=3), width_schedule([8, 16])
        ((8, 8, 8), (8, 16))
    """
    if isinstance(channels, int):
        count = num_layers if dilations is None else len(dilations)
        if count is None:
            raise ValueError("num_layers must be given where channels is one number")
        if count < 1:
            raise ValueError(f"num_layers must be >= 1, got {count}")
        widths = (channels,) * count
    else:
        widths = tuple(channels)
    widths = _checked("channels", widths)
    if dilations is not None and len(dilations) != len(widths):
        raise ValueError(
            f"dilations must name all {len(widths)} blocks of channels, got {len(dilations)}"
        )
    return widths


def _checked(name: str, values: Sequence[int]) -> tuple[int, ...]:
    if not values or any(value < 1 or int(value) != value for value in values):
        raise ValueError(f"{name} must be whole numbers >= 1, got {list(values)}")
    return tuple(int(value) for value in values)
