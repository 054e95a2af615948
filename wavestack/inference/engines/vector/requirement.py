"""Whether the compiled engines can be used on this machine at all."""

from __future__ import annotations

import importlib
import importlib.util


def why_no_numba() -> str | None:
    """Why Numba cannot be used here, or None where it can.

    It is tried, not only looked for: it refuses a NumPy newer than it knows as it is imported.
    """
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed: pip install 'wavestack[compiled]'"
    try:
        importlib.import_module("numba")
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"numba cannot be imported: {reason}"
    return None
