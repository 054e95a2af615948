"""`wavestack classify`: what a recording is, by a trained classifier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

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
    files = _files(cfg.input)
    waveforms = [torch.from_numpy(trained.read_audio(file, "input")) for file in files]
    model = trained.model
    if cfg.adapt:
        model = _adapted(model, _features(front_end, waveforms, trained.device))
    for file, waveform in zip(files, waveforms, strict=True):
        with torch.inference_mode():
            logits = model(**_features(front_end, [waveform], trained.device))
        shares, classes = logits[0].softmax(0).sort(descending=True)
        best = [
            f"{names[k]} {100 * share:.1f} %"
            for k, share in zip(classes.tolist(), shares.tolist(), strict=True)
        ]
        print(f"{file}: {', '.join(best[: cfg.top])}")


def _files(given: Any) -> list[str]:
    """The files that are named, and those in the folders that are named."""
    from wavestack.data.sound.folder import find_audio

    files: list[str] = []
    for path in [given] if isinstance(given, str) else list(given):
        if not Path(path).is_dir():
            files.append(path)
            continue
        found = find_audio(Path(path))
        if not found:
            raise UserError(f"input={path}: the folder holds no wav, flac or ogg file")
        files.extend(str(Path(path) / name) for name in found)
    return files


def _features(
    front_end: Any, waveforms: Sequence[Tensor], device: torch.device
) -> dict[str, Tensor]:
    """What the model is given of some recordings, by name."""
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    with torch.no_grad():
        x, lengths = front_end(
            nn.utils.rnn.pad_sequence(list(waveforms), batch_first=True), lengths
        )
    return {"x": x.to(device), "lengths": lengths.to(device)}


def _adapted(model: Any, inputs: dict[str, Tensor]) -> Any:
    from wavestack.inference import adapted

    try:
        return adapted(model, [inputs])
    except ValueError as error:
        raise UserError(f"adapt=true: {error}") from None


def _class_names(run: Path, num_classes: int) -> list[str]:
    """The names that the run's data gave the classes; their numbers where that is not known."""
    summary = run / "summary.json"
    names = json.loads(summary.read_text()).get("classes", []) if summary.is_file() else []
    return names if len(names) == num_classes else [str(k) for k in range(num_classes)]
