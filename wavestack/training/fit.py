"""Trains a model: puts the parts of a configuration together and runs Lightning's Trainer."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError
from wavestack.safety import class_of, instantiate
from wavestack.tasks.base import Task
from wavestack.training import ranks
from wavestack.training.allocator import keep_freed_memory
from wavestack.training.budget import Meter
from wavestack.training.callbacks.checkpoints import Checkpoints
from wavestack.training.callbacks.display import Display
from wavestack.training.callbacks.health import StepAndHealth
from wavestack.training.callbacks.limits import CoreSecondLimit
from wavestack.training.callbacks.log import FigureLog
from wavestack.training.callbacks.sampling import Sampling
from wavestack.training.callbacks.validation import Validation
from wavestack.training.devices import check_batch_norm, choose_device, lightning_settings
from wavestack.training.finish import finish
from wavestack.training.initial_weights import start_from, without_start
from wavestack.training.loader import StepLoader
from wavestack.training.quiet import quiet_lightning
from wavestack.training.receptive_field import fill_context
from wavestack.training.run import TrainingRun
from wavestack.training.run_folder import RunFolder
from wavestack.training.samples import make_sampler
from wavestack.training.settings import check_settings


def train(cfg: DictConfig, run_dir: Path | str) -> dict[str, Any]:
    """Trains as the configuration says, or continues where a run folder stopped.

    Batches, crops and dropout are pure functions of (seed, step), so a run that was killed and
    resumed ends with the same weights, bit by bit, as one that was not (on one kind of machine,
    device and thread number).

    Args:
        cfg: resolved configuration with ``model, data, task, optimizer, scheduler, trainer, seed``
            and ``resume``: null, or the run folder to continue.
        run_dir: where the run is written, see :class:`RunFolder`; the folder of ``resume`` wins.

    Returns:
        What ``summary.json`` says: steps, core-seconds, speed, figures, why it stopped.

    Raises:
        UserError: for mistakes in the configuration, and after the run was written down when the
            loss was not finite.
    """
    check_settings(cfg.trainer)
    cfg = _settled(cfg)
    if cfg.seed < 0:
        raise UserError(f"seed must be >= 0, got {cfg.seed}")
    folder = RunFolder(cfg.get("resume") or run_dir, cfg.trainer.keep_checkpoints)
    if ranks.global_rank() == 0:
        _check_folder(folder, cfg.trainer.max_steps, resume=cfg.get("resume") is not None)
        folder.prepare(cfg)
    with quiet_lightning(), contextlib.ExitStack() as stack:
        pids: list[int] = []
        if cfg.trainer.devices > 1 and not ranks.started_from_outside():
            choose_device(cfg.trainer)  # a mistake is found before anything is started
            pids = stack.enter_context(
                ranks.other_ranks(folder.path, cfg.trainer.devices, cfg.get("resume") is not None)
            )
        return _train(cfg, folder, pids)


def _train(cfg: DictConfig, folder: RunFolder, pids: list[int]) -> dict[str, Any]:
    from rich.console import Console

    settings = cfg.trainer
    main = ranks.global_rank() == 0
    console = Console(quiet=not main)
    checkpoint = None
    if cfg.get("resume") is not None:
        found = folder.checkpoints.load_latest(console.print)
        checkpoint = None if found is None else found[1]
    used = checkpoint or {}
    # The total of earlier processes is added once, at rank zero.
    core_seconds = used.get("core_seconds", 0.0) if main else 0.0
    meter = Meter(core_seconds, used.get("wall_seconds", 0.0), not_counted=pids)
    if settings.num_threads is not None:
        torch.set_num_threads(settings.num_threads)
    keep_freed_memory()
    device = choose_device(settings)
    check_batch_norm(settings, device)

    data = instantiate(cfg.data, key="data")
    processes = settings.devices * settings.num_nodes
    if data.batch_size % processes:
        raise UserError(
            f"data.batch_size must be a multiple of the {processes} processes, "
            f"got {data.batch_size}"
        )
    torch.manual_seed(cfg.seed)
    if checkpoint is not None:
        cfg = cfg.copy()
        cfg.model = without_start(OmegaConf.to_container(cfg.model, resolve=True))
    task = make_task(cfg, data)
    fill_context(data, task.model)
    if cfg.get("init") is not None and checkpoint is None:
        for line in start_from(task.model, cfg.init):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    run = TrainingRun(
        folder, settings, data, task, seed=cfg.seed, checkpoint=checkpoint, meter=meter
    )
    _say_start(console, run, device, resumed=cfg.get("resume") is not None)

    writer = _tensorboard(folder, run.step) if main else None
    journal = FigureLog(run, writer)
    validation = Validation(run, journal)
    callbacks: list[pl.Callback] = [
        StepAndHealth(run),
        journal,
        validation,
        Sampling(run, make_sampler(run, writer)),
        Checkpoints(run, validation),
        CoreSecondLimit(run),
        Display(run, console),
    ]
    trainer = pl.Trainer(
        **lightning_settings(settings, device),
        callbacks=callbacks,
        max_epochs=1,  # the loader ends with the last step
        limit_val_batches=0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic=settings.deterministic or None,
        default_root_dir=folder.path,
    )
    if not run.finished:
        from wavestack.data.sound.batches import rank_rows

        loader = StepLoader(
            data,
            rank_rows,
            task.count,
            seed=cfg.seed,
            first_step=run.step,
            max_steps=run.max_steps,
        )
        try:
            trainer.fit(task, datamodule=loader)
        except SystemExit:  # what Lightning makes of Ctrl-C, from which on it ignores Ctrl-C
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _say_interrupted(console, run)
            raise KeyboardInterrupt from None
        finally:
            if writer is not None:
                writer.close()
    if not main:
        return {}
    return finish(cfg, run, console, device)


def _settled(cfg: DictConfig) -> DictConfig:
    """The config with what its data fix before the training starts (an alphabet)."""
    settled = getattr(class_of(cfg.data, "data"), "settled", None)
    cfg = cfg.copy()
    for key, value in ({} if settled is None else settled(cfg.data)).items():
        OmegaConf.update(cfg, f"data.{key}", value, force_add=True)
    return cfg


def make_task(cfg: DictConfig, data: Any) -> Task:
    """Constructs model, optimizer, schedule and task, and checks that they suit the data.

    Raises:
        UserError: when the model's labels are not those of the data, or the data are for another
            task.
    """
    settings = cfg.trainer
    model = instantiate(cfg.model, key="model")
    if settings.channels_last:
        model = model.to(memory_format=torch.channels_last)
    wanted = tuple(len(names) for names in getattr(data, "label_names", ()))
    labels = tuple(getattr(model, "num_labels", ()))
    if labels and labels != wanted:
        raise UserError(
            f"model.num_labels is {list(labels)}, but the data's labels have {list(wanted)} classes"
        )
    if getattr(model, "condition_channels", None) and getattr(data, "mel", None) is None:
        raise UserError("model.condition_channels is set, but the data give no features (data.mel)")
    data.check_model(model)
    task = instantiate(
        cfg.task,
        model,
        instantiate(cfg.optimizer, key="optimizer"),
        instantiate(OmegaConf.select(cfg, "scheduler"), key="scheduler"),
        key="task",
        gradient_clip_norm=settings.gradient_clip_norm,
        seed=cfg.seed,
        synchronized=settings.sync_batch_norm and settings.devices * settings.num_nodes > 1,
        sharded=settings.strategy == "fsdp",
        compiled=settings.compile,
        channels_last=settings.channels_last,
    )
    names = {kind.__name__ for kind in type(task).__mro__}
    if data.tasks and names.isdisjoint(data.tasks):
        raise UserError(
            f"task is a {type(task).__name__}, but the data ({type(data).__name__}) are made for "
            f"{' or '.join(data.tasks)}"
        )
    task.prepare(data)
    return task


def _check_folder(folder: RunFolder, max_steps: int, resume: bool) -> None:
    done = folder.checkpoints.steps()
    if resume and done and max_steps < done[-1]:
        raise UserError(
            f"trainer.max_steps={max_steps}: {folder.path} has already done {done[-1]} steps"
        )
    if not resume and done:
        raise UserError(
            f"{folder.path} already holds a training; continue it with resume={folder.path} "
            "or name another folder (hydra.run.dir=DIR)"
        )


def _say_start(console: Any, run: TrainingRun, device: torch.device, resumed: bool) -> None:
    parameters = sum(p.numel() for p in run.task.model.parameters())
    where = f"cpu, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    console.print(
        f"run folder {run.folder.path}\n"
        f"{parameters:,} parameters, {run.max_steps:,} steps, {run.settings.precision} on {where}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if run.settings.compile:
        console.print("the first steps compile the model, which can take minutes", highlight=False)
    if resumed:
        found = f"at step {run.step:,}" if run.step else "from the start: it has no checkpoint yet"
        console.print(f"continuing {found}", highlight=False)


def _say_interrupted(console: Any, run: TrainingRun) -> None:
    steps = run.folder.checkpoints.steps()
    kept = f"the newest checkpoint is of step {steps[-1]:,}" if steps else "no checkpoint yet"
    console.print(
        f"interrupted at step {run.step:,} ({kept}); continue with resume={run.folder.path}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _tensorboard(folder: RunFolder, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    # What an interrupted process wrote after its last checkpoint is hidden by purge_step.
    return SummaryWriter(str(folder.tensorboard), purge_step=step + 1 if step else None)
