"""Text that a model of characters writes while it trains."""

from __future__ import annotations

from typing import Any

import torch

from wavestack.files import write_bytes
from wavestack.inference.text import continue_text
from wavestack.training.run import TrainingRun

PRIMER_CHARACTERS = 64
NEW_CHARACTERS = 400


class TextSampler:
    """Continues the beginning of the validation text, a few times with other draws.

    Args:
        run: the training.
    """

    def __init__(self, run: TrainingRun) -> None:
        self.run = run

    def write(self, model: Any) -> None:
        """Writes ``stepNNNNNNNN_I.txt`` into the samples of the run folder."""
        run = self.run
        data = run.data
        primer = data.part("val")[:PRIMER_CHARACTERS]
        codes = torch.from_numpy(data.encode(primer)).expand(run.settings.sample_count, -1)
        device = next(model.parameters()).device
        rows = continue_text(
            model, codes.to(device), NEW_CHARACTERS, seed=run.seed, num_tokens=len(data.alphabet)
        )
        for i, row in enumerate(rows.tolist()):
            content = f"{primer}|{data.decode(row)}\n".encode()
            path = run.folder.samples / f"step{run.step:08d}_{i}.txt"
            write_bytes(path, content)
