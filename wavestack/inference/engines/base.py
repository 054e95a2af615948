"""What an engine is, and which one serves."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from wavestack.layers import State

# In order of preference for "auto": name -> where the class is. Imported when it is its turn.
ENGINES = {
    "fused": "wavestack.inference.engines.fused:FusedEngine",
    "layerwise": "wavestack.inference.engines.layerwise:LayerwiseEngine",
    "graph": "wavestack.inference.engines.graph:GraphEngine",
    "compiled": "wavestack.inference.engines.compiled.engine:CompiledEngine",
    "eager": "wavestack.inference.engines.eager:EagerEngine",
    "stream": "wavestack.inference.engines.stream:StreamEngine",
}


class Engine(Protocol):
    """A model in the middle of generating a batch.

    Args:
        model: in eval mode.
        state: the model's stream state after everything but the current input.
        current: the network input of the next step: (B, 1) codes or (B, 1, 1) values.
        condition: (B, C, 1), or (B, C, T) whose first column belongs to the next step, or None.
        seed: of the sampling noise; see ``wavestack.inference.noise``.
        temperature: of the sampling.

    Attributes:
        options: names of further keyword arguments that a user may give it.
    """

    options: Collection[str] = ()

    def __init__(
        self,
        model: Any,
        state: State,
        current: Tensor,
        condition: Tensor | None,
        seed: int,
        temperature: float,
    ) -> None: ...

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        ...

    def advance(self, num_steps: int) -> Tensor:
        """The next samples as waveform values, (B, num_steps)."""
        ...


def choose_engine(
    model: nn.Module,
    engine: str = "auto",
    engines: Mapping[str, str] = ENGINES,
    options: Collection[str] = (),
) -> tuple[str, type[Any]]:
    """The named engine, or the first of the list that can run the model.

    Args:
        model: in eval mode.
        engine: "auto" or a name in engines.
        engines: in order of preference: name -> "module:class". Those of generation by default.
        options: names of options that it must have.

    Returns:
        its name and its class.

    Raises:
        ValueError: when the name is unknown, or no engine in question can run the model; the
            message says why each cannot.

    Example:
        >>> from wavestack.models import WaveNet
        >>> choose_engine(WaveNet(4, 4, 4, 4, num_layers=1).double().eval())[0]
        'eager'
    """
    if engine != "auto" and engine not in engines:
        raise ValueError(f"engine must be auto or one of {tuple(engines)}, got {engine!r}")
    reasons = []
    for name in engines if engine == "auto" else (engine,):
        module, _, attribute = engines[name].partition(":")
        found = getattr(importlib.import_module(module), attribute)
        missing = [option for option in options if option not in getattr(found, "options", ())]
        reason = f"it has no option {missing[0]}" if missing else found.why_not(model)
        if reason is None:
            return name, found
        reasons.append(f"{name}: {reason}")
    raise ValueError(f"no engine can run {type(model).__name__}; " + "; ".join(reasons))
