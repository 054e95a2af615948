"""How a figure is written: enough digits, whatever its size."""

from __future__ import annotations


def written(value: float, digits: int = 4) -> str:
    """A number with so many digits after the point, or in powers of ten when they would say little.

    Example:
        >>> written(8.15431), written(3.5e-5), written(0.0)
        ('8.1543', '3.50e-05', '0.0000')
    """
    if value and abs(value) < 10 ** (1 - digits) * 5:
        return f"{value:.2e}"
    return f"{value:.{digits}f}"
