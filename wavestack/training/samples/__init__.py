"""Samples of what a model makes up, by the kind that its task names."""

from __future__ import annotations

from typing import Any, Protocol

from torch import nn

from wavestack.training.run import TrainingRun


class Sampler(Protocol):
    """Writes samples into the run folder."""

    def write(self, model: nn.Module) -> None:
        """Makes samples with the model, a plain one in eval mode, and writes them."""
        ...


def make_sampler(run: TrainingRun, writer: Any = None) -> Sampler | None:
    """The sampler for the kind of samples that the task names; None where it names none.

    Args:
        run: the training.
        writer: a TensorBoard writer, or None on ranks other than zero.

    Raises:
        ValueError: when there is no such kind.
    """
    kind = run.task.samples
    if kind is None:
        return None
    if kind == "audio":
        from wavestack.training.samples.audio import AudioSampler

        return AudioSampler(run, writer)
    if kind == "text":
        from wavestack.training.samples.text import TextSampler

        return TextSampler(run)
    if kind == "piano_roll":
        from wavestack.training.samples.piano_roll import PianoRollSampler

        return PianoRollSampler(run)
    if kind == "segmentation":
        from wavestack.training.samples.segmentation import SegmentationSampler

        return SegmentationSampler(run, writer)
    raise ValueError(
        f"samples of a task must be audio, text, piano_roll, segmentation or None, got {kind!r}"
    )
