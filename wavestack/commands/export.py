"""`wavestack export`: weights of a run in another format."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from wavestack.errors import UserError

FORMATS = ("safetensors",)


def check(cfg: DictConfig) -> None:
    """Stop at an unknown format, before anything is loaded.

    Raises:
        UserError: naming the formats that there are.
    """
    if cfg.format not in FORMATS:
        raise UserError(f"format={cfg.format}: the formats so far are {', '.join(FORMATS)}")


def run(cfg: DictConfig) -> None:
    """Write the file with its SHA-256 beside."""
    import wavestack
    from wavestack.commands.trained import read_config
    from wavestack.export.safetensors import save

    model = wavestack.load(cfg.run)
    out = Path(cfg.out or "model.safetensors")
    if out.suffix != ".safetensors":
        raise UserError(f"out={out}: must end in .safetensors")
    digest = save(model, out, read_config(Path(cfg.run)))
    print(f"{out}: {sum(p.numel() for p in model.parameters()):,} parameters, SHA-256 {digest}")
