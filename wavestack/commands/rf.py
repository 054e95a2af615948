"""`wavestack rf`: the receptive field of a model, a run, or any importable torch module."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from wavestack.commands.rf_model import build_target, example_input, real_example
from wavestack.errors import UserError

FORMATS = (".html", ".json", ".png", ".txt")


def check(cfg: DictConfig) -> None:
    """Stop at values that make no sense, before anything is imported.

    Raises:
        UserError: naming the key.
    """
    given = [key for key in ("model", "run", "target") if cfg.get(key) is not None]
    if len(given) != 1:
        raise UserError(
            "one of model=NAME, run=DIR and target=PACKAGE.NAME must be given, "
            f"got {' and '.join(given) or 'none'}"
        )
    if cfg.target is not None and cfg.input is None:
        raise UserError("input must be given with target: input=[1,3,224,224]")
    rate = cfg.sample_rate
    if rate is not None and (type(rate) not in (int, float) or not rate > 0):
        raise UserError(f"sample_rate must be a number > 0, in Hz, got {rate}")
    for file in _files(cfg.out):
        if file.suffix.lower() not in FORMATS:
            raise UserError(f"out={file}: must end in {', '.join(FORMATS)}")


def run(cfg: DictConfig) -> None:
    """Print the report, and write it where `out` says."""
    from wavestack.receptive_field import analyze

    check(cfg)
    model, sample_rate = _model(cfg)
    model.eval()
    example = example_input(model, _plain(cfg.input), cfg.dtype)
    axes = tuple(cfg.axes) if cfg.axes is not None else None
    try:
        report = analyze(model, example, layer=cfg.layer, sample_rate=sample_rate, axes=axes)
        effective = _effective(cfg, model, example, report)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(_first_line(error)) from error
    print(_text(report, effective), end="")
    if cfg.verify:
        print(report.verify())
    for file in _files(cfg.out):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix.lower() == ".txt":
            file.write_text(report.to_text(effective), encoding="utf-8")
        else:
            getattr(report, f"to_{file.suffix.lower()[1:]}")(file, effective)
        print(f"{file}: written")


def _model(cfg: DictConfig) -> tuple[nn.Module, float | None]:
    rate = cfg.sample_rate
    if cfg.run is not None:
        import wavestack
        from wavestack.commands.trained import read_config, step_rate_of

        model = wavestack.load(cfg.run)
        return model, rate or step_rate_of(model, read_config(Path(cfg.run)))
    if cfg.target is not None:
        return build_target(), rate
    from wavestack.safety import instantiate

    model = instantiate(cfg.model)
    if not isinstance(model, nn.Module):
        raise UserError(f"model: a {type(model).__name__} is no torch module")
    return model, rate


def _effective(cfg: DictConfig, model: nn.Module, example: Any, report: Any) -> Any:
    if cfg.effective is None:
        return None
    from wavestack.receptive_field.effective import effective_receptive_field

    axes = tuple(cfg.axes) if cfg.axes is not None else None
    data = real_example(model, example, cfg.effective, report.sample_rate)
    torch.manual_seed(0)
    return effective_receptive_field(model, data, layer=cfg.layer, report=report, axes=axes)


def _text(report: Any, effective: Any) -> str:
    from wavestack.receptive_field.render.text import to_text

    return to_text(report, effective, color=sys.stdout.isatty())


def _files(out: Any) -> list[Path]:
    if out is None:
        return []
    return [Path(out)] if isinstance(out, str) else [Path(str(name)) for name in out]


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
