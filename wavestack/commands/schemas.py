"""The keys of each command and their types; conf/COMMAND.yaml says what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from wavestack.config import TrainConfig


@dataclass
class DataFolder:
    """Where a user's recordings are; null: not said."""

    root: str | None = None


@dataclass
class EvaluateConfig:
    """`wavestack evaluate`."""

    run: str = MISSING
    split: str = "test"
    device: str = "auto"
    data: DataFolder = field(default_factory=DataFolder)


@dataclass
class GenerateConfig:
    """`wavestack generate`."""

    run: str = MISSING
    out: str = "generated.wav"
    seconds: float | None = None
    batch_size: int = 1
    seed: int = 0
    temperature: float = 1.0
    labels: Any = None
    primer: str | None = None
    mel_from: str | None = None
    engine: str = "auto"
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
    labels: Any = None
    device: str = "auto"


@dataclass
class ExportConfig:
    """`wavestack export`."""

    run: str = MISSING
    format: str = "safetensors"
    out: str | None = None


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
    pick: int | None = None


SCHEMAS: dict[str, type] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "generate": GenerateConfig,
    "stream": StreamConfig,
    "rf": RfConfig,
    "design": DesignConfig,
    "export": ExportConfig,
    "recipes": RecipesConfig,
    "doctor": DoctorConfig,
}


def register_schemas() -> None:
    """Make the classes known to Hydra; conf/COMMAND.yaml names COMMAND_schema in its defaults."""
    from hydra.core.config_store import ConfigStore

    for command, schema in SCHEMAS.items():
        ConfigStore.instance().store(f"{command}_schema", node=schema, provider="wavestack")
