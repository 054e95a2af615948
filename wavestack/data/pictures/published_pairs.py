"""What the published data sets that torchvision knows share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wavestack.errors import UserError


def torchvision_set(name: str, make: Callable[[Any], Any], layout: str) -> Any:
    """A data set of torchvision, which finds its files and checks their layout.

    Args:
        name: of the data set, for messages.
        make: is given `torchvision.datasets`.
        layout: what has to lie in the folder.

    Raises:
        UserError: when torchvision is not installed, or the files are not there.
    """
    try:
        from torchvision import datasets
    except ImportError as error:
        raise UserError(
            f"{name} is found by torchvision; python -m pip install 'wavestack[vision]'"
        ) from error
    try:
        return make(datasets)
    except (RuntimeError, OSError) as error:
        raise UserError(f"data.root: no {name} in it; {layout} is wanted") from error
