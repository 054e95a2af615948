"""What a config may contain: dataclasses for the top-level keys of every command.

Hydra merges every file and command-line value into these classes, so a mistyped key or a wrong type
stops before anything runs, with its full name. The parts that are objects (`model`, `data`, `task`,
`optimizer`, `scheduler`) stay open here: they are checked against their constructors by
`wavestack.safety.instantiate`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig

from wavestack.errors import UserError

# Values that OmegaConf cannot check by type alone: key -> what it may be.
CHOICES: dict[str, tuple[str, ...]] = {
    "trainer.device": ("auto", "cpu", "cuda"),
    "trainer.strategy": ("auto", "ddp", "fsdp"),
    "trainer.precision": ("fp32", "bf16", "fp16"),
}


@dataclass
class TrainerConfig:
    """How long, where and with what numbers a training runs.

    Attributes:
        max_steps: optimiser steps of the whole training; learning-rate schedules follow it.
        max_core_seconds: CPU seconds of training (workers counted, evaluation not) after which it
            stops early; null: no limit. It only stops: schedules still follow `max_steps`.
        devices: processes, one per device.
        strategy: "auto" (one process, or ddp for several), "ddp" or "fsdp".
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        precision: "fp32", "bf16" or "fp16" (mixed precision; weights stay fp32).
        compile: run the model through torch.compile.
        gradient_clip_norm: largest total gradient norm; null: gradients stay as they are.
        ema_decay: decay per step of the averaged weights that are evaluated and exported; null: none.
        val_every_steps: steps between validations; null: at the end only.
        sample_every_steps: steps between generated samples; null: at the end only.
        checkpoint_every_steps: steps between checkpoints; null: at the end only.
        log_every_steps: steps between lines of metrics.csv.
        keep_checkpoints: newest checkpoints kept, beside the best.
        patience: validations without improvement before the training stops; null: never.
        num_threads: torch threads; null: torch's own choice.
        deterministic: only algorithms that give the same bits every time.
    """

    max_steps: int = MISSING
    max_core_seconds: float | None = None
    devices: int = 1
    strategy: str = "auto"
    device: str = "auto"
    precision: str = "fp32"
    compile: bool = False
    gradient_clip_norm: float | None = None
    ema_decay: float | None = None
    val_every_steps: int | None = None
    sample_every_steps: int | None = None
    checkpoint_every_steps: int | None = None
    log_every_steps: int = 10
    keep_checkpoints: int = 2
    patience: int | None = None
    num_threads: int | None = None
    deterministic: bool = False


@dataclass
class TrainConfig:
    """`wavestack train`.

    Attributes:
        name: name of the experiment; the recipe's by default.
        seed: seed of weights, batches and samples.
        resume: run folder to continue, or null.
        trust: packages of the user's own whose classes configs may name; command line only.
    """

    name: str | None = None
    seed: int = 0
    resume: str | None = None
    trust: Any = None
    model: Any = MISSING
    data: Any = MISSING
    task: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = None
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


def config_folder() -> Path:
    """The folder of config groups: inside an installed package, else beside it in a checkout."""
    return _shipped_folder("conf")


def recipe_folder() -> Path:
    """The folder of recipes: inside an installed package, else beside it in a checkout."""
    return _shipped_folder("recipes")


def check_choices(cfg: DictConfig) -> None:
    """Stop at a value that is none of its key's choices.

    Raises:
        UserError: naming the key, the value and the choices.
    """
    from omegaconf import OmegaConf

    for key, choices in CHOICES.items():
        value = OmegaConf.select(cfg, key, default=choices[0])
        if value not in choices:
            raise UserError(f"{key} must be one of {', '.join(choices)}; got {value!r}")


def _shipped_folder(name: str) -> Path:
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise UserError(f"{package}: the folder {name}/ of this installation is missing")
