"""Music that a model makes up while it trains, as pictures."""

from __future__ import annotations

import io
from typing import Any

import torch

from wavestack.files import write_bytes
from wavestack.training.run import TrainingRun

PRIMER_FRAMES = 16
NEW_FRAMES = 48


class PianoRollSampler:
    """Continues the beginnings of validation pieces and draws them beside the real continuation.

    Args:
        run: the training.
    """

    def __init__(self, run: TrainingRun) -> None:
        self.run = run

    def write(self, model: Any) -> None:
        """Writes ``stepNNNNNNNN_I.png`` into the samples of the run folder."""
        run = self.run
        pieces = run.data.pieces("val")[: run.settings.sample_count]
        device = next(model.parameters()).device
        for i, piece in enumerate(pieces):
            real = torch.from_numpy(piece[: PRIMER_FRAMES + NEW_FRAMES].T.copy()).float()
            primer = real[None, :, :PRIMER_FRAMES].to(device)
            generator = torch.Generator(device).manual_seed(run.seed + i)
            made = model.continued(primer, NEW_FRAMES, generator)[0].cpu()
            content = draw(made, real, primer.shape[-1])
            path = run.folder.samples / f"step{run.step:08d}_{i}.png"
            write_bytes(path, content)


def draw(made: torch.Tensor, real: torch.Tensor, num_given: int) -> bytes:
    """A PNG of two piano-rolls (K, T), one above the other, with a line where the model begins."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots(2, 1, sharex=True, sharey=True)
    for axis, roll, name in zip(axes, (made, real), ("this model", "the real piece"), strict=True):
        axis.imshow(roll.numpy(), aspect="auto", origin="lower", cmap="Greys", vmin=0, vmax=1)
        axis.axvline(num_given - 0.5, color="#b45309", linewidth=1)
        axis.set_ylabel("key")
        axis.set_title(name, loc="left", fontsize=9)
    axes[-1].set_xlabel("frame")
    content = io.BytesIO()
    picture.savefig(content, format="png", dpi=100)
    return content.getvalue()
