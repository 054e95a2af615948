"""A row of a table for each token, code or label."""

from __future__ import annotations

from torch import Tensor, nn


def look_up(table: nn.Embedding, numbers: Tensor, name: str) -> Tensor:
    """The table's rows, with an error that names what is out of range.

    Torch looks at the numbers by itself on a CPU; on a GPU a look would wait for the device.

    Args:
        table: as many rows as there are numbers.
        numbers: integers from 0.
        name: what the numbers are, for the message.

    Shape:
        numbers: (...) -> (..., width of the table)

    Raises:
        ValueError: on a CPU, when a number is out of range.

    Example:
        >>> import torch
        >>> look_up(nn.Embedding(5, 2), torch.tensor([0, 4]), "tokens").shape
        torch.Size([2, 2])
    """
    try:
        return table(numbers)
    except IndexError:
        least, most = (int(bound) for bound in numbers.aminmax())
        raise ValueError(
            f"{name} must be 0 to {table.num_embeddings - 1}, got {least} to {most}"
        ) from None
