"""`wavestack export`: a trained model in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from wavestack.errors import UserError

FORMATS = ("safetensors", "onnx", "pt2")


def check(cfg: DictConfig) -> None:
    """Stop at an unknown format or a file of another one, before anything is loaded.

    Raises:
        UserError: naming the formats that there are, or the suffix.
    """
    if cfg.format not in FORMATS:
        raise UserError(f"format={cfg.format}: the formats are {', '.join(FORMATS)}")
    if cfg.out is not None and Path(cfg.out).suffix != f".{cfg.format}":
        raise UserError(f"out={cfg.out}: must end in .{cfg.format}")
    if cfg.format == "onnx":
        from wavestack.export.onnx import require_onnx

        require_onnx()


def run(cfg: DictConfig) -> None:
    """Write the files, each with its SHA-256 beside."""
    import wavestack
    from wavestack.commands.trained import read_config

    model = wavestack.load(cfg.run)
    config = read_config(Path(cfg.run))
    out = Path(cfg.out or f"model.{cfg.format}")
    if cfg.format == "safetensors":
        from wavestack.export.safetensors import save

        digest = save(model, out, config)
        parameters = sum(p.numel() for p in model.parameters())
        print(f"{out}: {parameters:,} parameters, SHA-256 {digest}")
    else:
        _write_functions(model, config, out, cfg.format)


def _write_functions(model: Any, config: dict[str, Any], out: Path, kind: str) -> None:
    """The offline function to OUT, the others beside it: model.step.onnx, model.condition.onnx."""
    from wavestack.export.about import about_function
    from wavestack.export.check import largest_difference
    from wavestack.export.functions import functions_of
    from wavestack.export.onnx import OnnxModule, write_onnx
    from wavestack.export.program import read_program, write_program

    functions = functions_of(model)
    for function in functions.found:
        path = out if function.name == "offline" else out.with_suffix(f".{function.name}.{kind}")
        about = about_function(function, functions.model, config)
        digest = (write_onnx if kind == "onnx" else write_program)(function, path, about)
        try:
            written = OnnxModule(path) if kind == "onnx" else read_program(path)[0]
        except ImportError:
            verdict = "not checked: onnxruntime is not installed"
        else:
            difference = largest_difference(written, function, functions.model)
            verdict = f"within {difference:.0e} of the model"
        print(f"{path}: {function.name} function, {verdict}, SHA-256 {digest}")
    if functions.without_step is not None:
        print(f"no streaming step: {functions.without_step}")
