"""`wavestack stream`: a file through a trained model, block by block."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from omegaconf import DictConfig

from wavestack.commands.trained import Trained, bits_per_sample, check_autoregressive, write_audio
from wavestack.errors import UserError


def check(cfg: DictConfig) -> None:
    """Stop at values that make no sense, before the model is loaded.

    Raises:
        UserError: naming the key.
    """
    if cfg.block < 1:
        raise UserError(f"block must be >= 1 sample, got {cfg.block}")
    if Path(cfg.out).suffix.lower() not in (".wav", ".flac", ".ogg"):
        raise UserError(f"out={cfg.out}: must end in .wav, .flac or .ogg")


def run(cfg: DictConfig) -> None:
    """Push the file through in blocks, write what comes out, and say how well and how fast."""
    from wavestack.inference import Stream

    trained = Trained(cfg.run, cfg.device)
    model = trained.model
    check_autoregressive(model, "stream")
    if getattr(model, "condition_channels", None):
        raise UserError("stream: a model that speaks a spectrogram is no filter; use generate")
    waveform = torch.from_numpy(trained.read_audio(cfg.input, "input"))[None].to(trained.device)
    condition = None
    if getattr(model, "num_labels", ()):
        if cfg.labels is None:
            raise UserError("labels must be given for this model: labels=[NAME,...]")
        given = cfg.labels if not isinstance(cfg.labels, (str, int)) else [cfg.labels]
        condition = model.condition(trained.labels(list(given)).to(trained.device), None, 1)
    distribution = model.distribution
    inputs = model.shift(distribution.encode(waveform))
    stream = Stream(model)
    # Temperature 0 takes the most probable sample, whatever the noise.
    quiet = torch.full((1, distribution.num_noise), 0.5, device=trained.device)
    guesses, nats = [], []
    began = time.perf_counter()
    with torch.inference_mode():
        for block, target in zip(
            inputs.split(cfg.block, dim=-1), waveform.split(cfg.block, dim=-1), strict=True
        ):
            parameters = stream.push(block, condition)
            nats.append(distribution.nll(parameters, target))
            columns = parameters.unbind(dim=-1)
            guesses += [distribution.sample(column, quiet, 0.0)[0] for column in columns]
    seconds = time.perf_counter() - began
    write_audio(Path(cfg.out), torch.stack(guesses, dim=-1)[0].cpu().numpy(), trained.sample_rate)
    length = waveform.shape[-1] / trained.sample_rate
    print(f"{cfg.out}: the model's guess at every sample from those before it, {length:.2f} s")
    print(f"{bits_per_sample(torch.cat(nats, dim=-1)):.3f} bits per sample")
    print(
        f"blocks of {cfg.block} ({1000 * cfg.block / trained.sample_rate:.1f} ms): "
        f"{length / seconds:.2f} times real time"
    )
