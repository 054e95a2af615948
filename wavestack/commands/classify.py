"""`wavestack classify`: what a recording is, by a trained classifier."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from omegaconf import DictConfig

from wavestack.commands.trained import Trained
from wavestack.errors import UserError


def check(cfg: DictConfig) -> None:
    """Stop at values that make no sense, before the model is loaded.

    Raises:
        UserError: naming the key.
    """
    if cfg.top < 1:
        raise UserError(f"top must be >= 1, got {cfg.top}")


def run(cfg: DictConfig) -> None:
    """Print the most probable classes of each recording, the best first."""
    from wavestack.safety import instantiate

    trained = Trained(cfg.run, cfg.device)
    settings = trained.config.get("data", {}).get("front_end")
    if settings is None or not hasattr(trained.model, "num_classes"):
        raise UserError(f"run={cfg.run}: a {type(trained.model).__name__} classifies no recordings")
    front_end = instantiate(settings, key="data.front_end")
    names = _class_names(Path(cfg.run), trained.model.num_classes)
    files = [cfg.input] if isinstance(cfg.input, str) else list(cfg.input)
    for file in files:
        waveform = torch.from_numpy(trained.read_audio(file, "input"))[None]
        with torch.inference_mode():
            x, lengths = front_end(waveform, torch.tensor([waveform.shape[-1]]))
            logits = trained.model(x.to(trained.device), lengths.to(trained.device))
        shares, classes = logits[0].softmax(0).sort(descending=True)
        best = [
            f"{names[k]} {100 * share:.1f} %"
            for k, share in zip(classes.tolist(), shares.tolist(), strict=True)
        ]
        print(f"{file}: {', '.join(best[: cfg.top])}")


def _class_names(run: Path, num_classes: int) -> list[str]:
    """The names that the run's data gave the classes; their numbers where that is not known."""
    summary = run / "summary.json"
    names = json.loads(summary.read_text()).get("classes", []) if summary.is_file() else []
    return names if len(names) == num_classes else [str(k) for k in range(num_classes)]
