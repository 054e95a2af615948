"""`wavestack evaluate`: the figures of a run on held-out recordings beside their baselines."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from wavestack.errors import UserError


def run(cfg: DictConfig) -> None:
    """Evaluate and print; the figures also stay in the run folder (evaluation.json)."""
    folder = Path(cfg.run)
    if not (folder / "config.yaml").is_file():
        raise UserError(f"run={folder}: not a run folder (it holds no config.yaml)")

    from wavestack.training import evaluate

    evaluate(
        folder,
        split=cfg.split,
        device=cfg.device,
        data_root=cfg.data.root,
        test_root=cfg.data.test_root,
        adapt=cfg.adapt,
        beside=[cfg.beside] if isinstance(cfg.beside, str) else list(cfg.beside or ()),
    )
