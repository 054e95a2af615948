"""Where a training runs: device, processes, strategy and precision, as Lightning names them."""

from __future__ import annotations

import os
from typing import Any

import torch

from wavestack.errors import UserError

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def choose_device(settings: Any) -> torch.device:
    """The device of this process.

    Args:
        settings: the ``trainer`` part of the configuration.

    Raises:
        UserError: when CUDA is wanted and absent, there are too few GPUs, or the precision does
            not exist on the device.
    """
    available = torch.cuda.is_available()
    if settings.device == "cuda" and not available:
        raise UserError("trainer.device=cuda: torch sees no CUDA device here (use cpu or auto)")
    if settings.device == "cpu" or not available:
        if settings.precision == "fp16":
            raise UserError("trainer.precision=fp16 needs a GPU; on a CPU use bf16 or fp32")
        return torch.device("cpu")
    if settings.devices > torch.cuda.device_count():
        raise UserError(
            f"trainer.devices={settings.devices}, but there are {torch.cuda.device_count()} GPUs "
            "(trainer.device=cpu runs the processes on the CPU)"
        )
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def lightning_settings(settings: Any, device: torch.device) -> dict[str, Any]:
    """Keyword arguments of ``lightning.pytorch.Trainer``.

    Args:
        settings: the ``trainer`` part of the configuration.
        device: what :func:`choose_device` returned.
    """
    return {
        "accelerator": "gpu" if device.type == "cuda" else "cpu",
        "devices": settings.devices,
        "num_nodes": settings.num_nodes,
        "strategy": _strategy(settings),
        "precision": PRECISIONS[settings.precision],
        "plugins": _environment(),
    }


def check_batch_norm(settings: Any, device: torch.device) -> None:
    """Refuses batch normalization that is to be shared by ranks that torch cannot join.

    Raises:
        UserError: when there are several ranks on a CPU.
    """
    several = settings.devices * settings.num_nodes > 1
    if several and device.type != "cuda" and settings.sync_batch_norm:
        raise UserError("trainer.sync_batch_norm needs GPUs; processes on a CPU cannot share it")


def _strategy(settings: Any) -> Any:
    from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

    processes = settings.devices * settings.num_nodes
    if settings.strategy == "fsdp":
        return ModelParallelStrategy(data_parallel_size=processes, tensor_parallel_size=1)
    if settings.strategy == "ddp" or processes > 1:
        # The last layer of a residual stack may leave parameters unused; the set never changes.
        return DDPStrategy(static_graph=True)
    return "auto"


def _environment() -> list[Any]:
    from lightning.pytorch.plugins.environments import (
        LightningEnvironment,
        SLURMEnvironment,
        TorchElasticEnvironment,
    )

    if TorchElasticEnvironment.detect() or SLURMEnvironment.detect():
        return []  # Lightning finds these by itself
    return [LightningEnvironment()]
