"""`wavestack design`: dilation schedules for a wanted receptive field."""

from __future__ import annotations

import sys
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError
from wavestack.receptive_field.design import Schedule, design


def run(cfg: DictConfig) -> None:
    """Print a table on a terminal, then every schedule as the `model:` part of a recipe."""
    try:
        schedules = design(
            cfg.target,
            sample_rate=cfg.sample_rate,
            causal=cfg.causal,
            kernel_sizes=_integers(cfg.kernel_sizes, "kernel_sizes"),
            max_layers=cfg.max_layers,
            no_holes=cfg.no_holes,
            num_stacks=_integers(cfg.num_stacks, "num_stacks"),
            max_dilation=cfg.max_dilation,
            channels=cfg.channels,
            architecture=_architecture(cfg),
        )
    except ValueError as error:  # the function names the argument, which is a key here
        raise UserError(str(error)) from error
    if cfg.pick is not None:
        if not 1 <= cfg.pick <= len(schedules):
            raise UserError(f"pick must be 1 to {len(schedules)}, got {cfg.pick}")
        schedules = [schedules[cfg.pick - 1]]
    elif sys.stdout.isatty():
        _print_table(schedules)
    for schedule in schedules:
        print(schedule, end="")
        print(f"# {' '.join(schedule.to_overrides())}\n")


def _architecture(cfg: DictConfig) -> str:
    """The one asked for; by default a model that can look both ways where that is asked for."""
    if cfg.architecture is not None:
        return cfg.architecture
    in_time = not str(cfg.target).strip().endswith(("px", "pixels"))
    return "tcn" if in_time and not cfg.causal else "wavenet"


def _integers(value: Any, key: str) -> tuple[int, ...]:
    """One number or a list of them."""
    values = [value] if isinstance(value, int) else value
    if OmegaConf.is_dict(values) or not all(type(number) is int for number in values or "-"):
        raise UserError(f"{key} must be a whole number or a list of them, got {value}")
    return tuple(values)


def _print_table(schedules: list[Schedule]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from wavestack.receptive_field.render.words import large, seconds, share

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    timed = schedules[0].sample_rate is not None and schedules[0].dimensions == 1
    titles = ["pick", "layers", "stacks", "sees", *(["time"] if timed else []), "coverage"]
    for title in [*titles, "latency", "parameters", "MACs"]:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("kernel sizes: dilations of one cycle", overflow="fold")
    for number, s in enumerate(schedules, start=1):
        kernels = sorted(set(s.kernel_sizes))
        sizes = str(kernels[0]) if len(kernels) == 1 else " ".join(str(k) for k in s.kernel_sizes)
        table.add_row(
            *(str(number), str(s.layers), str(s.num_stacks), f"{s.receptive_field:,}"),
            *([seconds(s.receptive_field / s.sample_rate)] if timed and s.sample_rate else []),
            *(share(float(s.coverage)), f"{s.latency:,}", large(s.parameters), large(s.macs)),
            f"{sizes}: {' '.join(str(d) for d in s.dilations)}",
        )
    Console().print(table)
