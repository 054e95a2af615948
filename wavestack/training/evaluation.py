"""The figures of a trained model on held-out data, beside what simple predictors reach."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError
from wavestack.inference.adapt import adapted
from wavestack.safety import instantiate
from wavestack.tasks import ClassificationTask
from wavestack.tasks.base import Figure, Task
from wavestack.training.beside import figures_of
from wavestack.training.devices import choose_device
from wavestack.training.figures import written
from wavestack.training.load import load
from wavestack.training.receptive_field import fill_context
from wavestack.training.run_folder import RunFolder, write_json
from wavestack.training.totals import totals


def evaluate(
    run_dir: Path | str,
    split: str = "test",
    baselines: bool = True,
    *,
    device: str | None = None,
    data_root: Path | str | None = None,
    test_root: Path | str | None = None,
    beside: Sequence[Path | str] = (),
    adapt: bool = False,
) -> dict[str, Any]:
    """Evaluates the exported (averaged) weights of a run on a whole split.

    Prints a small table, writes ``evaluation.json`` and brings ``report.html`` up to date.

    Args:
        run_dir: a run folder.
        split: "train", "val" or "test".
        baselines: whether to compute the task's yardsticks on the same split.
        device: "auto", "cpu" or "cuda"; the run's own choice by default.
        data_root: where the run's data lie now, when they have moved.
        beside: other runs, of the same data, whose models stand beside this one (a control).
        test_root: another folder of pictures for the test, for data with a `test_root`.
        adapt: let the model's batch normalization take the statistics of the split first, see
            ``wavestack.inference.adapted``.

    Returns:
        ``value`` and ``metric`` of the task's first figure, ``figures`` (all of them by name),
        ``split``, ``adapted``, ``items`` and ``samples`` (how many it counted) with their nouns,
        ``baselines`` (name -> value of the first figure), ``baseline_figures`` (name -> all
        figures), ``parts`` (the first figure part by part), ``published`` (what others report)
        and ``details`` (further lines of text).

    Raises:
        UserError: when the folder is no run, its weights or data cannot be read, or `adapt` is
            asked of a model that has nothing to adapt.
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
        _set_folder(cfg, "root", str(data_root))
    if test_root is not None:
        _set_folder(cfg, "test_root", str(test_root))
    data = instantiate(cfg.data, key="data")
    fill_context(data, model)
    task: Task = instantiate(cfg.task, model, key="task", optimizer=torch.optim.SGD)
    if adapt:
        model = _adapted(model, task, data, split, place)
    found = totals(task, task.figure_sums, model, data.eval_batches(split), place)
    values = task.figure_values(found.sums, found.counts)

    first = task.figures[0]
    yardsticks = task.baselines(model, data, split) if baselines else {}
    yardsticks |= figures_of(beside, cfg, task, data, split, place)
    result: dict[str, Any] = {
        "metric": first.title,
        "value": values[first.name],
        "lower_is_better": not first.higher_is_better,
        "figures": {figure.title: values[figure.name] for figure in task.figures},
        "split": split,
        "adapted": adapt,
        "items": data.num_items(split),
        "item_noun": data.item_noun,
        "samples": found.counts[task.metric],
        "element": task.element,
        "parts": task.figure_parts(found.sums, data),
        "baselines": {
            name: figures[first.name]
            for name, figures in yardsticks.items()
            if first.name in figures
        },
        "baseline_figures": {
            name: _titled(task.figures, figures) for name, figures in yardsticks.items()
        },
        # What others report is of the test split.
        "published": task.published if split == "test" else {},
        "details": task.details(model, data, split, folder.samples, found.sums),
    }
    write_json(folder.evaluation, result)
    write_report(folder.path)
    _print_table(result)
    return result


def _adapted(model: Any, task: Task, data: Any, split: str, device: torch.device) -> Any:
    """The model with the statistics of a split, where the task says what a model is given."""
    if not isinstance(task, ClassificationTask):
        raise UserError("adapt=true is for classifiers of sequences")
    inputs = (task.inputs(batch) for batch in data.eval_batches(split))
    try:
        return adapted(model, [{k: v.to(device) for k, v in x.items()} for x in inputs])
    except ValueError as error:
        raise UserError(f"adapt=true: {error}") from None


def _set_folder(cfg: DictConfig, name: str, root: str) -> None:
    """Puts the place where the data lie now into the keys that name it."""
    if OmegaConf.select(cfg, "data.synthetic", default=False):
        raise UserError(
            f"data.{name}={root}: this run's data are synthetic (data.synthetic), read from no file"
        )
    # Where there is a source, it reads the folder; one that debug=smoke put there reads none.
    source = OmegaConf.select(cfg, "data.source", default=None)
    reads = not isinstance(source, DictConfig) or name in source
    keys = [
        key
        for key in (f"data.{name}", f"data.source.{name}")
        if reads and OmegaConf.select(cfg, key, default="no such key") != "no such key"
    ]
    if not keys:
        found = "lie in no folder" if name == "root" else f"have no {name}"
        raise UserError(f"data.{name}={root}: the data of this run {found}")
    for key in keys:
        OmegaConf.update(cfg, key, root)


def _titled(known: tuple[Figure, ...], figures: dict[str, float]) -> dict[str, float]:
    return {figure.title: figures[figure.name] for figure in known if figure.name in figures}


def _print_table(result: dict[str, Any]) -> None:
    sign = 1 if result["lower_is_better"] else -1
    own = [
        ("this model", result["value"]),
        *result["baselines"].items(),
        *((f"{name} (published)", value) for name, value in result["published"].items()),
    ]
    rows = sorted(own, key=lambda row: sign * row[1])
    title = (
        f"{result['metric']} on the {result['split']} split{', adapted to it' * result['adapted']} "
        f"({_counted(result['items'], result['item_noun'])}, "
        f"{_counted(result['samples'], result['element'])})"
    )
    others = {k: v for k, v in result["figures"].items() if k != result["metric"]}
    lines = [f"{name} {written(value)}{_beside(result, name)}" for name, value in others.items()]
    lines += [
        f"{result['metric']} of {name}: {written(value)}" for name, value in result["parts"].items()
    ]
    lines += [f"{name}: {text}" for name, text in result["details"].items()]
    if not sys.stdout.isatty():  # plain lines for pipes and logs
        print(title)
        for name, value in rows:
            print(f"{written(value):>8}  {name}")
        for line in lines:
            print(line)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for name, value in rows:
        table.add_row(written(value), name, style="bold" if name == "this model" else None)
    console = Console()
    console.print(table)
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _counted(number: int, noun: str) -> str:
    """A number with its noun: "1 text", "77 pieces"."""
    return f"{number:,} {noun.removesuffix('s') if number == 1 else noun}"


def _beside(result: dict[str, Any], figure: str) -> str:
    """The yardsticks of a figure that is not the first: " (repeat last 0.7130)"."""
    values = {
        name: figures[figure]
        for name, figures in result["baseline_figures"].items()
        if figure in figures
    }
    inside = ", ".join(f"{name} {written(value)}" for name, value in values.items())
    return f" ({inside})" if inside else ""
