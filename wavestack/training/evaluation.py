"""The figure of a trained model on held-out recordings, beside what simple coders reach."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from wavestack.safety import instantiate
from wavestack.tasks.base import Task
from wavestack.training.devices import choose_device
from wavestack.training.load import load
from wavestack.training.mean_loss import loss_totals
from wavestack.training.run_folder import RunFolder, write_json


def evaluate(
    run_dir: Path | str,
    split: str = "test",
    baselines: bool = True,
    *,
    device: str | None = None,
    data_root: Path | str | None = None,
) -> dict[str, Any]:
    """Evaluates the exported (averaged) weights of a run on whole recordings.

    Prints a small table, writes ``evaluation.json`` and brings ``report.html`` up to date.

    Args:
        run_dir: a run folder.
        split: "train", "val" or "test".
        baselines: whether to compute the yardsticks: zero-order entropy, first-order Markov and
            adaptive linear prediction, on the same recordings.
        device: "auto", "cpu" or "cuda"; the run's own choice by default.
        data_root: where the run's data lie now, when they have moved.

    Returns:
        ``value`` (bits per sample), ``metric``, ``split``, ``samples``, ``recordings``,
        ``baselines`` (name -> bits per sample), ``step`` and the like.

    Raises:
        UserError: when the folder is no run, or its weights or data cannot be read.
    """
    from wavestack.training.report import write_report

    folder = RunFolder(run_dir)
    cfg = folder.read_config()
    settings = cfg.trainer.copy()
    settings.devices = 1
    if device is not None:
        settings.device = device
    if settings.num_threads is not None:
        torch.set_num_threads(settings.num_threads)
    place = choose_device(settings)
    model = load(folder.path).to(place)
    if data_root is not None:
        cfg.data.root = cfg.data.source.root = str(data_root)
    data = instantiate(cfg.data, key="data")
    task: Task = instantiate(cfg.task, model, key="task", optimizer=torch.optim.SGD)
    loss_sum, count = loss_totals(task, model, data.eval_batches(split), place).tolist()

    result: dict[str, Any] = {
        "metric": task.metric.replace("_per_", "/").replace("_", " "),
        "value": loss_sum / count * task.unit_scale,
        "lower_is_better": True,
        "split": split,
        "recordings": len(data.recordings(split)),
        "samples": int(count),
        "baselines": {},
    }
    if baselines:
        from wavestack.metrics import audio_baselines

        # Real-valued outputs have no codes: their figure counts the levels of 16-bit audio.
        channels = getattr(model.distribution, "quantization_channels", None)
        result["baselines"] = audio_baselines(
            data.recordings("train"), data.recordings(split), channels
        )
    write_json(folder.evaluation, result)
    write_report(folder.path)
    _print_table(result)
    return result


def _print_table(result: dict[str, Any]) -> None:
    rows = sorted([("this model", result["value"]), *result["baselines"].items()], key=_figure)
    title = (
        f"{result['metric']} on the {result['split']} split "
        f"({result['recordings']} recordings, {result['samples']:,} samples)"
    )
    if not sys.stdout.isatty():  # plain lines for pipes and logs
        print(title)
        for name, value in rows:
            print(f"{value:8.4f}  {name}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for name, value in rows:
        table.add_row(f"{value:.4f}", name, style="bold" if name == "this model" else None)
    Console().print(table)


def _figure(row: tuple[str, float]) -> float:
    return row[1]
