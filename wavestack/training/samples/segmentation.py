"""What a model makes of validation pictures while it trains, beside the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from wavestack.files import write_bytes
from wavestack.inference.segment import Segmenter
from wavestack.metrics.overlays import encode_png, overlay, panels, shown_classes
from wavestack.training.run import TrainingRun


class SegmentationSampler:
    """Writes picture, truth and prediction side by side, and into TensorBoard.

    Args:
        run: the training.
        writer: a TensorBoard writer, or None on ranks other than zero.
    """

    def __init__(self, run: TrainingRun, writer: Any = None) -> None:
        self.run = run
        self.writer = writer

    def write(self, model: nn.Module) -> None:
        """Writes ``stepNNNNNNNN_I.png`` of pictures spread evenly over the validation split."""
        run, data = self.run, self.run.data
        names, colours = data.class_names, data.class_colours
        segmenter = Segmenter(model, input_size=data.input_size)
        number = data.num_items("val")
        count = min(run.settings.sample_count, number)
        for i, index in enumerate(np.linspace(0, number - 1, count).round().astype(int)):
            sample = data.sample("val", int(index))
            found = segmenter(sample.image).argmax(0).numpy().astype(np.uint8)
            picture = panels(
                [
                    ("picture", sample.image),
                    ("truth", overlay(sample.image, sample.mask, colours)),
                    ("this model", overlay(sample.image, found, colours)),
                ],
                *shown_classes([sample.mask, found], names, colours, least=0.001),
            )
            path = run.folder.samples / f"step{run.step:08d}_{i}.png"
            write_bytes(path, encode_png(picture))
            if self.writer is not None:
                self.writer.add_image(f"sample/{i}", picture, run.step, dataformats="HWC")
