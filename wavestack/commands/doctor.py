"""`wavestack doctor`: what is installed here, and what works."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from omegaconf import DictConfig

_PACKAGES = (
    *("torch", "torchaudio", "lightning", "hydra-core", "omegaconf", "numpy", "soundfile"),
    *("safetensors", "matplotlib", "tensorboard"),
)
_OPTIONAL = (
    *("torchvision", "numba", "triton", "onnx", "onnxscript", "onnxruntime"),
    *("hydra-joblib-launcher", "hydra-submitit-launcher"),
)
_SOUNDS = (".wav", ".flac", ".ogg")


def run(cfg: DictConfig) -> None:
    """Print one line for each thing, its name first."""
    rows = [*_versions(), *_devices(), *_engines()]
    if cfg.data.root is not None:
        rows.append(("data.root", _folder(Path(cfg.data.root))))
    width = max(len(name) for name, _ in rows) + 2
    for name, text in rows:
        print(f"{name:<{width}}{text}")


def _versions() -> Iterator[tuple[str, str]]:
    import wavestack

    yield "wavestack", f"{wavestack.__version__} in {Path(wavestack.__file__).parent}"
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in _PACKAGES:
        yield package, _version(package) or "MISSING: reinstall wavestack"
    for package in _OPTIONAL:
        yield package, _version(package) or "not installed (optional)"
    if _version("torchaudio"):
        yield "audio", _audio()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _audio() -> str:
    # torchaudio refuses to be imported beside a torch made for another CUDA, so it is tried.
    try:
        import torchaudio  # noqa: F401
    except Exception as error:
        return f"torchaudio cannot be used: {error}"
    return "mel spectrograms and resampling work"


def _devices() -> Iterator[tuple[str, str]]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "cpu", f"{cores} cores for this process, {torch.get_num_threads()} torch threads"
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(index)
            memory = device.total_memory / 2**30
            yield (
                f"cuda:{index}",
                f"{device.name}, {memory:.0f} GiB, compute {device.major}.{device.minor}, "
                f"bf16 {'yes' if torch.cuda.is_bf16_supported() else 'no'}",
            )
    else:
        yield "cuda", _why_no_cuda()


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None:
        return "no: this torch was built for the CPU only"
    if not torch.cuda.device_count():
        return f"no: no device is visible (torch was built for CUDA {torch.version.cuda})"
    return "no: there is a device, but its driver does not suit this torch"


def _engines() -> Iterator[tuple[str, str]]:
    """Every engine of generation and of streaming with "works" or the reason why not."""
    import torch

    from wavestack.inference.engines.base import ENGINES, choose_engine
    from wavestack.inference.engines.blocks import BLOCK_ENGINES
    from wavestack.models import WaveNet

    model = WaveNet(4, 4, 4, 4, num_layers=2, num_stacks=1).eval()
    devices = ["cuda", "cpu"] if torch.cuda.is_available() else ["cpu"]
    for kind, engines in (("engine", ENGINES), ("streaming", BLOCK_ENGINES)):
        for name in engines:
            reasons = []
            for device in devices:
                try:
                    choose_engine(model.to(device), name, engines)
                except ValueError as error:
                    reasons.append(str(error).rpartition(f"{name}: ")[2])
            works = len(reasons) < len(devices)
            yield f"{kind} {name}", "works" if works else f"no: {reasons[0]}"
    if importlib.util.find_spec("torch._inductor") is None:
        yield "torch.compile", "no: this torch has no compiler"


def _folder(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: there is no such folder"
    counts = dict.fromkeys(_SOUNDS, 0)
    for _, _, files in os.walk(folder):
        for file in files:
            suffix = os.path.splitext(file)[1].lower()
            if suffix in counts:
                counts[suffix] += 1
    found = ", ".join(f"{count} {suffix}" for suffix, count in counts.items() if count)
    return f"{folder}: {found or 'no wav, flac or ogg file in it'}"
