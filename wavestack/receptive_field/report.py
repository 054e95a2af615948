"""What the calculator found: its figures, the questions that can be asked, and its faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavestack.receptive_field.figures import Area, Axis, Index, LayerRow

if TYPE_CHECKING:
    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.verify import Verification


@dataclass
class Report:
    """The receptive field of one output of one model, for one example input.

    Attributes:
        model_name: class name of the model
        layer: the module asked about, None for the model's own output
        axes: the axes of the first input that has any, by name
        inputs: the same for every input that has axes, by the input's name
        global_ops: (module path, operator, axis, "past" | "both" | "batch")
        unknown: (module path, operator) without a rule
        warnings: plain sentences
        sample_rate: in Hz, None where the input is not a signal in time
        input_shapes, output_shape: of the example input, and of the output asked about
        params, macs: of the whole model, for this input
    """

    model_name: str
    layer: str | None
    axes: dict[str, Axis]
    inputs: dict[str, dict[str, Axis]]
    global_ops: list[tuple[str, str, str, str]]
    unknown: list[tuple[str, str]]
    warnings: list[str]
    sample_rate: float | None
    input_shapes: dict[str, tuple[int, ...]]
    output_shape: tuple[int, ...]
    params: int
    macs: int
    _depends: Callable[..., dict[str, np.ndarray]] = field(repr=False, compare=False)
    _layers: Callable[[], list[LayerRow]] = field(repr=False, compare=False)
    _area: Callable[[], Area | None] = field(repr=False, compare=False)
    _verify: Callable[..., Verification] = field(repr=False, compare=False)
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def layers(self) -> list[LayerRow]:
        """One row per module that computes, in order of execution."""
        if "layers" not in self._cache:
            self._cache["layers"] = self._layers()
        return self._cache["layers"]

    @property
    def area(self) -> Area | None:
        """The receptive field in the plane of the last two axes; None for signals."""
        if "area" not in self._cache:
            self._cache["area"] = self._area()
        return self._cache["area"]

    @property
    def is_causal(self) -> bool:
        """Whether no output sees a later position: along time if there is time, else every axis."""
        axes = [self.axes["T"]] if "T" in self.axes else list(self.axes.values())
        return all(axis.lookahead is not None and axis.lookahead <= 0 for axis in axes)

    @property
    def latency(self) -> int | float | None:
        """Input positions an output must wait for: the look-ahead along time, never below 0."""
        axes = [self.axes["T"]] if "T" in self.axes else list(self.axes.values())
        if not axes or any(axis.lookahead is None for axis in axes):
            return None
        return max([0, *(axis.lookahead or 0 for axis in axes)])

    def depends_on(
        self, output_index: Index = None, clipped: bool = True, *, input: str | None = None
    ) -> dict[str, np.ndarray]:
        """The input positions that one output position depends on, exact at the borders.

        Args:
            output_index: position in the output: an int for one axis, a tuple in the order of
                ``axes`` or a dict by axis name for several. An axis that the output no longer
                has needs no index.
            clipped: True counts real input positions alone (global operators included); False
                also counts positions in the padding (global operators cut).
            input: name of the input asked about; the first one with axes by default

        Returns:
            for each axis, the sorted indices

        Raises:
            UserError: if an index lies outside the output, or an operator between is unknown
        """
        return self._depends(output_index, clipped, input)

    def verify(self, num_outputs: int = 3, seed: int = 0) -> Verification:
        """Hold the claim against gradients and against NaNs sent through the model itself.

        Args:
            num_outputs: output positions to try along each axis (the borders among them)
            seed: of the random inputs and weights

        Returns:
            a Verification: true when both probes agree, and always with its reasons
        """
        return self._verify(num_outputs=num_outputs, seed=seed)

    def to_text(self, effective: EffectiveField | None = None) -> str:
        """The report as tables for the terminal, ``effective`` among them if given."""
        from wavestack.receptive_field.render.text import to_text

        return to_text(self, effective)

    def to_json(
        self, path: str | Path | None = None, effective: EffectiveField | None = None
    ) -> dict[str, Any]:
        """The report as plain data, written to ``path`` if given."""
        from wavestack.receptive_field.render.json import to_json

        return to_json(self, path, effective)

    def to_html(self, path: str | Path, effective: EffectiveField | None = None) -> Path:
        """The report as one self-contained page."""
        from wavestack.receptive_field.render.html import to_html

        return to_html(self, path, effective)

    def to_png(self, path: str | Path, effective: EffectiveField | None = None) -> Path:
        """The report as a picture."""
        from wavestack.receptive_field.render.png import to_png

        return to_png(self, path, effective)

    def __str__(self) -> str:
        lines = [f"{self.model_name}{'' if self.layer is None else '.' + self.layer}"]
        for axis in self.axes.values():
            lines.append(
                f"  {axis.name}: size {axis.size}, local {axis.local_size}, jump {axis.jump}, "
                f"start {axis.start}, period {axis.period}, coverage {axis.coverage}"
            )
        lines += [f"  global: {' '.join(entry)}" for entry in self.global_ops]
        lines += [f"  unknown: {' '.join(entry)}" for entry in self.unknown]
        lines += [f"  warning: {text}" for text in self.warnings]
        return "\n".join(lines)
