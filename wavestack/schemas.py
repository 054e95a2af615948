"""The keys of each command and their types; conf/COMMAND.yaml says what they mean.

Hydra merges every file and command-line value into these classes, so a mistyped key or a wrong type
stops before anything runs, with its full name. The parts that are objects (`model`, `data`, `task`,
`optimizer`, `scheduler`) stay open here: they are checked against their constructors by
`wavestack.safety.instantiate`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class TrainerConfig:
    """How long, where and with what numbers a training runs.

    Attributes:
        max_steps: optimiser steps of the whole training; learning-rate schedules follow it.
        max_core_seconds: CPU seconds of training (workers counted, evaluation not) after which it
            stops early; null: no limit. It only stops: schedules still follow `max_steps`.
        devices: processes, one per device.
        num_nodes: machines, each with that many devices (under torchrun or SLURM).
        strategy: "auto" (one process, or ddp for several), "ddp" or "fsdp".
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        precision: "fp32", "bf16" or "fp16" (mixed precision; weights stay fp32).
        compile: run the model through torch.compile; all outputs are then computed, also where only
            the last ones count.
        channels_last: keep images and weights of 2D convolutions with the channels innermost.
        sync_batch_norm: batch normalization over the rows of all GPUs, not of each alone.
        gradient_clip_norm: largest total gradient norm; null: gradients stay as they are.
        ema_decay: decay per step of the averaged weights, which are the ones evaluated and
            exported; null: none.
        val_every_steps: steps between validations; null: at the end only.
        sample_every_steps: steps between generated samples; null: at the end only.
        sample_seconds: length of each generated sample.
        sample_count: samples generated at a time; 0: none.
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
    num_nodes: int = 1
    strategy: str = "auto"
    device: str = "auto"
    precision: str = "fp32"
    compile: bool = False
    channels_last: bool = False
    sync_batch_norm: bool = False
    gradient_clip_norm: float | None = None
    ema_decay: float | None = None
    val_every_steps: int | None = None
    sample_every_steps: int | None = None
    sample_seconds: float = 1.0
    sample_count: int = 2
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
        name: name of the experiment, the first folder under runs/; the recipe's by default.
        seed: seed of weights, batches and samples.
        resume: run folder to continue, or null.
        init: run folder or file of weights to start from, as far as names and shapes match.
    """

    name: str | None = None
    seed: int = 0
    resume: str | None = None
    init: str | None = None
    model: Any = MISSING
    data: Any = MISSING
    task: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = None
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


@dataclass
class DataFolder:
    """Where a user's recordings are; null: not said."""

    root: str | None = None


@dataclass
class EvaluatedData(DataFolder):
    """And where pictures of another test set are; null: the run's own."""

    test_root: str | None = None


@dataclass
class EvaluateConfig:
    """`wavestack evaluate`."""

    run: str = MISSING
    split: str = "test"
    beside: Any = None
    adapt: bool = False
    device: str = "auto"
    data: EvaluatedData = field(default_factory=EvaluatedData)


@dataclass
class GenerateConfig:
    """`wavestack generate`."""

    run: str = MISSING
    out: str = "generated.wav"
    seconds: float | None = None
    batch_size: int = 1
    seed: int = 0
    temperature: float = 1.0
    characters: int = 400
    labels: Any = None
    primer: str | None = None
    mel_from: str | None = None
    engine: str = "auto"
    threads: int | None = None
    precision: str | None = None
    device: str = "auto"
    picture: bool = True
    progress: bool = True


@dataclass
class StreamConfig:
    """`wavestack stream`."""

    run: str = MISSING
    input: str = MISSING
    out: str = "streamed.wav"
    block: int = 64
    pcm: str = "s16le"
    labels: Any = None
    condition: Any = None
    engine: str = "auto"
    device: str = "auto"


@dataclass
class ClassifyConfig:
    """`wavestack classify`."""

    run: str = MISSING
    input: Any = MISSING
    top: int = 3
    adapt: bool = False
    device: str = "auto"


@dataclass
class SegmentConfig:
    """`wavestack segment`."""

    run: str = MISSING
    input: str = MISSING
    out: str = "segmented"
    mode: str = "whole"
    scales: list[float] = field(default_factory=lambda: [0.75, 1.0, 1.25])
    input_size: Any = "run"
    tile: int | None = None
    inexact: bool = False
    overlay: bool = True
    opacity: float = 0.55
    legend: bool = True
    probabilities: bool = False
    sixteen_bit: str = "run"
    device: str = "auto"


@dataclass
class UpscaleConfig:
    """`wavestack upscale`."""

    run: str = MISSING
    input: str = MISSING
    out: str = "upscaled"
    tile: int | None = 512
    sixteen_bit: str = "error"
    device: str = "auto"


@dataclass
class ExportConfig:
    """`wavestack export`."""

    run: str = MISSING
    format: str = "safetensors"
    out: str | None = None


@dataclass
class ExplainConfig:
    """`wavestack explain`."""

    out: str = MISSING
    image: str | None = None
    rate: int = 2
    drawings: list[str] | None = None


@dataclass
class RecipesConfig:
    """`wavestack recipes`."""

    match: str | None = None


@dataclass
class DoctorConfig:
    """`wavestack doctor`."""

    data: DataFolder = field(default_factory=DataFolder)


@dataclass
class RfConfig:
    """`wavestack rf`."""

    model: Any = None
    run: str | None = None
    target: str | None = None
    arguments: Any = None
    input: Any = None
    dtype: str | None = None
    layer: str | None = None
    sample_rate: Any = None
    axes: list[str] | None = None
    out: Any = None
    verify: bool = False
    effective: str | None = None
    data: Any = None


@dataclass
class DesignConfig:
    """`wavestack design`."""

    target: Any = MISSING
    sample_rate: float | None = None
    causal: bool = True
    kernel_sizes: Any = None
    max_layers: int = 64
    no_holes: bool = True
    num_stacks: Any = 1
    max_dilation: int | None = None
    channels: int = 64
    architecture: str | None = None
    pick: int | None = None


SCHEMAS: dict[str, type] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "generate": GenerateConfig,
    "stream": StreamConfig,
    "classify": ClassifyConfig,
    "segment": SegmentConfig,
    "upscale": UpscaleConfig,
    "rf": RfConfig,
    "design": DesignConfig,
    "explain": ExplainConfig,
    "export": ExportConfig,
    "recipes": RecipesConfig,
    "doctor": DoctorConfig,
}


def register_schemas() -> None:
    """Make the classes known to Hydra; conf/COMMAND.yaml names COMMAND_schema in its defaults."""
    from hydra.core.config_store import ConfigStore

    for command, schema in SCHEMAS.items():
        ConfigStore.instance().store(f"{command}_schema", node=schema, provider="wavestack")
