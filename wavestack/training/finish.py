"""What a training leaves behind when its steps are done: weights, summary, report, a few lines."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError
from wavestack.training.initial_weights import without_start
from wavestack.training.run import TrainingRun
from wavestack.training.run_folder import write_json
from wavestack.training.weights import checkpoint_weights, weights_sha256
from wavestack.version import __version__

PACKAGES = ("torch", "lightning", "numpy", "hydra-core", "safetensors", "soundfile")


def finish(cfg: DictConfig, run: TrainingRun, console: Any, device: torch.device) -> dict[str, Any]:
    """Exports the weights, writes summary and report, and says how the run ended.

    Args:
        cfg: the run's configuration, kept in the weights file.
        run: the training, after its last step.
        console: where the lines go.
        device: where it ran.

    Returns:
        The content of ``summary.json``.

    Raises:
        UserError: after everything is written, when the loss was not finite.
    """
    from wavestack.export.safetensors import save
    from wavestack.training.receptive_field import write_receptive_field
    from wavestack.training.report import write_report

    folder, metric = run.folder, run.task.metric
    bad = run.stop_reason == "nonfinite"
    state = None if bad else _exported_state(run)
    if state is not None:
        save(state, folder.weights, _shareable(cfg))
    field = write_receptive_field(run, console)
    summary = {
        "name": cfg.get("name"),
        "classes": list(getattr(run.data, "class_names", ())),
        "class_colours": [list(colour) for colour in getattr(run.data, "class_colours", ())],
        "steps": run.step,
        "max_steps": run.max_steps,
        "stopped_by": run.stop_reason,
        "core_seconds": run.figures.get("core_seconds", run.meter.core_seconds()),
        "wall_seconds": run.figures.get("wall_seconds", run.meter.wall_seconds()),
        "samples_per_second": run.figures.get("samples_per_second"),
        "parameters": sum(p.numel() for p in run.task.model.parameters()),
        "receptive_field_samples": field,
        f"train/{metric}": run.figures.get(f"train/{metric}"),
        f"val/{metric}": run.figures.get(f"val/{metric}"),
        f"best_val/{metric}": run.best,
        "metric": metric,
        "element": run.task.element,
        "weights_sha256": None if state is None else weights_sha256(state),
        "peak_memory_bytes": _peak_memory(device),
        "device": _device_name(device),
        "versions": _versions(),
    }
    write_json(folder.summary, summary)
    report = write_report(folder.path)
    _say_end(console, run, report)
    if bad:
        last = folder.checkpoints.steps()
        kept = f"the last good checkpoint is {folder.checkpoints.path(last[-1])}" if last else ""
        raise UserError(
            f"the loss was not finite by step {run.step}; {kept or 'no checkpoint was written yet'}"
            " (try a smaller optimizer.lr or trainer.gradient_clip_norm=1)"
        )
    return summary


def _shareable(cfg: DictConfig) -> dict[str, Any]:
    """The configuration without the places on this machine: the weights may go to others."""
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    config["resume"] = None
    # The file's own weights replace those that the model once started from.
    config["model"] = without_start(config["model"])
    if "init" in config:
        config["init"] = None
    for part in (config["data"], config["data"].get("source")):
        if isinstance(part, dict) and "root" in part:
            part["root"] = None
    return config


def _exported_state(run: TrainingRun) -> dict[str, torch.Tensor]:
    """The weights that count: the best ones when patience ended the run, else the last."""
    best = run.folder.checkpoints.best_step()
    if run.stop_reason == "patience" and best is not None:
        return checkpoint_weights(run.folder.checkpoints.load(best))
    return run.final_state


def _say_end(console: Any, run: TrainingRun, report: Any) -> None:
    limit = run.settings.max_core_seconds
    used = run.figures.get("core_seconds", run.meter.core_seconds())
    lines = [f"{run.step:,} of {run.max_steps:,} steps in {used:,.1f} core-seconds of training"]
    if run.stop_reason == "budget":
        lines[0] += f": stopped by trainer.max_core_seconds={limit:g} before its schedule ended"
    if run.stop_reason == "patience":
        lines[0] += (
            f": stopped by trainer.patience={run.settings.patience}; the exported weights are "
            f"those of step {run.folder.checkpoints.best_step():,}"
        )
    if run.stop_reason != "nonfinite":
        lines.append(f"weights  {run.folder.weights}")
    if any(run.folder.samples.iterdir()):
        lines.append(f"samples  {run.folder.samples}")
    lines.append(f"report   {report}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _peak_memory(device: torch.device) -> int:
    """Peak bytes: allocated on the GPU, or resident in this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"


def _versions() -> dict[str, str]:
    versions = {"wavestack": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
