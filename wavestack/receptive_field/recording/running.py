"""Whether a model runs for the record: what it skips to save time, the record should show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_RECORDING: ContextVar[bool] = ContextVar("recording", default=False)


def recording() -> bool:
    """Whether the calculator records the model that runs now.

    Example:
        >>> with while_recording():
        ...     recording()
        True
        >>> recording()
        False
    """
    return _RECORDING.get()


@contextmanager
def while_recording() -> Iterator[None]:
    """Marks the block as recorded."""
    token = _RECORDING.set(True)
    try:
        yield
    finally:
        _RECORDING.reset(token)
