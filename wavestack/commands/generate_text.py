"""The part of `wavestack generate` that writes text: models of characters."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from wavestack.commands.trained import choose_device, read_config
from wavestack.errors import UserError
from wavestack.files import write_bytes


def writes_text(run: str) -> bool:
    """Whether a run or file of weights is a model of characters."""
    path = Path(run)
    if not path.exists():
        return False  # said in plain words where it is loaded
    return bool(_alphabet(read_config(path)))


def write_text(cfg: DictConfig) -> None:
    """Continue the primer; print the text, and write it where `out` ends in .txt."""
    import wavestack
    from wavestack.data.sequences.text import encode
    from wavestack.inference.text import continue_text

    for key in ("labels", "mel_from", "seconds"):
        if cfg[key] is not None:
            raise UserError(f"{key}={cfg[key]}: this model writes text; it takes primer=TEXT")
    for key, default in (("engine", "auto"), ("threads", None), ("precision", None)):
        if cfg[key] != default:
            raise UserError(f"{key}={cfg[key]}: text has one engine only; leave {key} out")
    if cfg.characters < 1:
        raise UserError(f"characters must be >= 1, got {cfg.characters}")
    alphabet = _alphabet(read_config(Path(cfg.run)))
    primer = cfg.primer if cfg.primer else "\n" if "\n" in alphabet else alphabet[0]
    codes = torch.from_numpy(encode(primer, alphabet, f"primer={primer}"))
    device = choose_device(cfg.device)
    model = wavestack.load(cfg.run).to(device)
    try:
        rows = continue_text(
            model,
            codes.expand(cfg.batch_size, -1).to(device),
            cfg.characters,
            num_tokens=len(alphabet),
            temperature=cfg.temperature,
            seed=cfg.seed,
        )
    except ValueError as error:  # the function names the argument, which is a key here
        raise UserError(str(error)) from error
    given = cfg.primer or ""
    texts = [given + "".join(alphabet[code] for code in row) for row in rows.tolist()]
    out = Path(cfg.out)
    for i, text in enumerate(texts):
        if out.suffix == ".txt":
            path = out if len(texts) == 1 else out.with_stem(f"{out.stem}_{i}")
            write_bytes(path, f"{text}\n".encode())
            print(path, file=sys.stderr)
        print(text if len(texts) == 1 else f"--- {i}\n{text}")


def _alphabet(config: Mapping[str, Any]) -> str:
    data = config.get("data")
    return str(data.get("alphabet") or "") if isinstance(data, Mapping) else ""
