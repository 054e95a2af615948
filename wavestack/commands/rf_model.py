"""What `wavestack rf` analyses: the module that `target` names, and an example of its input."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.errors import UserError

DEFAULT_SAMPLES = 16_000


def build_target() -> nn.Module:
    """Make the module that `target=` names on this process's command line.

    Anything importable may be named, and importing runs code: so the words of the command line
    count, not the composed config, into which a shared file could have written.

    Raises:
        UserError: when it is not from the command line, cannot be found, or makes no module.
    """
    words = _command_line_values()
    if "target" not in words:
        raise UserError("target is taken from the command line alone, not from a file")
    target = str(words["target"])
    arguments = words.get("arguments") or {}
    if not isinstance(arguments, dict):
        raise UserError(f"arguments must be like {{num_classes: 10}}, got {arguments!r}")
    maker = find(target)
    if isinstance(maker, nn.Module):
        return maker
    if not callable(maker):
        raise UserError(f"target={target}: a {type(maker).__name__} is no class or function")
    try:
        model = maker(**arguments)
    except Exception as error:
        raise UserError(f"target={target}: {_one_line(error)}") from error
    if not isinstance(model, nn.Module):
        raise UserError(f"target={target}: makes a {type(model).__name__}, not a torch module")
    return model


def find(target: str) -> Any:
    """The object of a dotted name, or of `file.py:name`.

    Raises:
        UserError: when it is not there.
    """
    if ".py:" in target:
        file, _, name = target.rpartition(":")
        module, names = _load_file(Path(file), target), name.split(".")
    else:
        if "" not in sys.path and "." not in sys.path:
            sys.path.insert(0, "")  # the user's own folder, as `python -m` would have it
        module, names = _longest_module(target)
    found: Any = module
    for name in names:
        if not hasattr(found, name):
            from wavestack.safety.arguments import nearest

            where = getattr(found, "__name__", str(found))
            raise UserError(
                f"target={target}: {where} has no {name}{nearest(name, list(dir(found)))}"
            )
        found = getattr(found, name)
    return found


def example_input(model: Any, shapes: Any, dtype: str | None) -> Any:
    """Zeros of the shapes asked for; without shapes, what one of our own models takes.

    Raises:
        UserError: when a shape or a dtype makes no sense, or the input cannot be guessed.
    """
    if shapes is None:
        return _own_example(model)
    kind = _dtype(dtype) or (torch.int64 if _takes_codes(model) else torch.float32)
    if isinstance(shapes, dict):
        return {str(name): _zeros(shape, kind) for name, shape in shapes.items()}
    if isinstance(shapes, list) and shapes and isinstance(shapes[0], list):
        return tuple(_zeros(shape, kind) for shape in shapes)
    return _zeros(shapes, kind)


def real_example(model: Any, example: Any, source: str, sample_rate: float | None) -> Any:
    """The example with noise or a file's content in place of its first tensor's zeros.

    Args:
        model: what will be fed.
        example: tensor, tuple or dict of zeros.
        source: "noise", or a .wav, .flac, .npy or .png file.
        sample_rate: that audio is resampled to, in Hz.

    Raises:
        UserError: when the file cannot be used for this input.
    """
    if isinstance(example, dict):
        key = next(iter(example))
        return {**example, key: real_example(model, example[key], source, sample_rate)}
    if isinstance(example, tuple):
        return (real_example(model, example[0], source, sample_rate), *example[1:])
    shape = tuple(example.shape)
    if source == "noise":
        generator = torch.Generator().manual_seed(0)
        if not example.is_floating_point():
            top = getattr(model, "quantization_channels", 2)
            return torch.randint(0, top, shape, generator=generator)
        return torch.randn(shape, generator=generator)
    values = _read(Path(source), sample_rate)
    if not example.is_floating_point():
        if not _takes_codes(model) or values.ndim != 1:
            raise UserError(f"effective={source}: this model's integer input is no audio")
        values = model.distribution.encode(values[None])[0]
    if values.shape[-1] < shape[-1] or values.ndim > len(shape):
        raise UserError(
            f"effective={source}: its shape {tuple(values.shape)} does not fill input {shape}"
        )
    crop = values[..., : shape[-1]]
    if crop.ndim >= 2:
        crop = crop[..., : shape[-2], :]
    try:
        return crop.expand(shape).contiguous()
    except RuntimeError as error:
        raise UserError(
            f"effective={source}: its shape {tuple(values.shape)} does not fill input {shape}"
        ) from error


def _command_line_values() -> dict[str, Any]:
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.override_parser.overrides_parser import OverridesParser

    words = list(HydraConfig.get().overrides.task)
    parsed = OverridesParser.create().parse_overrides(words)
    return {override.key_or_group: override.value() for override in parsed}


def _load_file(file: Path, target: str) -> Any:
    if not file.is_file():
        raise UserError(f"target={target}: there is no file {file}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))  # what it imports from beside itself
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"target={target}: {file} fails: {_one_line(error)}") from error
    return module


def _longest_module(target: str) -> tuple[Any, list[str]]:
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:length])
        try:
            return importlib.import_module(name), parts[length:]
        except ModuleNotFoundError as error:
            if not name.startswith(error.name or name):
                raise UserError(f"target={target}: {_one_line(error)}") from error
        except Exception as error:
            raise UserError(
                f"target={target}: importing {name} fails: {_one_line(error)}"
            ) from error
    raise UserError(f"target={target}: there is no module {parts[0]}")


def _own_example(model: Any) -> Any:
    if not hasattr(model, "example_input"):
        raise UserError(
            f"input must be given: the shape that {type(model).__name__} takes, as [1,1,16000]"
        )
    takes_length = "num_samples" in inspect.signature(model.example_input).parameters
    return model.example_input(DEFAULT_SAMPLES) if takes_length else model.example_input()


def _takes_codes(model: Any) -> bool:
    distribution = getattr(model, "distribution", None)
    return (
        distribution is not None and not distribution.encode(torch.zeros(1, 4)).is_floating_point()
    )


def _dtype(name: str | None) -> torch.dtype | None:
    if name is None:
        return None
    kind = getattr(torch, name, None)
    if not isinstance(kind, torch.dtype):
        raise UserError(f"dtype must be like float32 or int64, got {name}")
    return kind


def _zeros(shape: Any, dtype: torch.dtype) -> Tensor:
    good = isinstance(shape, list) and all(type(n) is int and n > 0 for n in shape)
    if not good or not shape:
        raise UserError(f"input must be a shape like [1,3,224,224], got {shape}")
    return torch.zeros(shape, dtype=dtype)


def _read(file: Path, sample_rate: float | None) -> Tensor:
    kind = file.suffix.lower()
    if not file.is_file():
        raise UserError(f"effective={file}: there is no such file (or give noise)")
    if kind == ".npy":
        import numpy as np

        return torch.from_numpy(np.load(file, allow_pickle=False)).float()
    if kind == ".png":
        import matplotlib.image

        picture = torch.from_numpy(matplotlib.image.imread(file)).float()
        return picture[..., :3].movedim(-1, 0) if picture.ndim == 3 else picture
    if kind in (".wav", ".flac", ".ogg"):
        from wavestack.data.sound.reading import AudioReader, BadAudioError

        if not sample_rate:
            raise UserError(f"effective={file}: give sample_rate, in Hz")
        try:
            return torch.from_numpy(AudioReader(int(sample_rate), min_seconds=0.0).read(file))
        except BadAudioError as error:
            raise UserError(f"effective={file}: {error}") from error
    raise UserError(f"effective={file}: must be noise, or end in .wav, .flac, .npy or .png")


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
