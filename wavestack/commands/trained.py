"""A trained model with what its run knew: sample rate, names of labels, spectrogram settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wavestack.errors import UserError


class Trained:
    """The model of a run folder or a file of weights, ready to work on one device.

    Args:
        run: a run folder or a `.safetensors` file.
        device: "auto", "cpu" or "cuda".

    Attributes:
        model: in eval mode, on the device.
        config: what it was trained with, as plain dicts.
        sample_rate: in Hz.
        device: where it is.

    Raises:
        UserError: when there is no such run, or the device is not there.
    """

    def __init__(self, run: str, device: str = "auto") -> None:
        import wavestack

        self.device = choose_device(device)
        self.model: Any = wavestack.load(run).to(self.device)
        self.config = read_config(Path(run))
        rate = sample_rate_of(self.model, self.config)
        if rate is None:
            raise UserError(f"{run}: not a model of audio (its sample rate is not known)")
        self.sample_rate: int = rate

    def label_names(self) -> tuple[tuple[str, ...], ...]:
        """For each kind of label the names of its classes, () where the data are not at hand."""
        from wavestack.safety import instantiate

        source = _select(self.config, "data", "source")
        try:
            names = instantiate(source, key="data.source").label_names
        except (UserError, OSError, AttributeError):
            return ()
        sizes = tuple(getattr(self.model, "num_labels", ()))
        return names if tuple(len(kind) for kind in names) == sizes else ()

    def labels(self, wanted: Any) -> Tensor:
        """Names or numbers of labels, or a single one, as (1, L) int64.

        Raises:
            UserError: when their number is not the model's, or one is unknown.
        """
        if isinstance(wanted, Mapping):
            raise UserError(f"labels={wanted}: must be a list of names or numbers: labels=[a,b]")
        given = [wanted] if isinstance(wanted, (str, int, float)) else list(wanted)
        sizes = tuple(getattr(self.model, "num_labels", ()))
        if len(given) != len(sizes):
            raise UserError(f"labels={_shown(given)}: this model takes {len(sizes)} labels")
        names = self.label_names()
        row = []
        for place, (label, size) in enumerate(zip(given, sizes, strict=True)):
            kind = names[place] if names else ()
            if str(label) in kind:
                row.append(kind.index(str(label)))
            elif type(label) is int and 0 <= label < size:
                row.append(label)
            else:
                known = ", ".join(kind) if kind else f"0 to {size - 1}"
                raise UserError(f"labels={_shown(given)}: {label} is none of {known}")
        return torch.tensor([row])

    def name_labels(self, row: Tensor) -> str:
        """A row of labels as a user would write them: "george, 7"."""
        names = self.label_names()
        if not names:
            return ", ".join(str(int(label)) for label in row)
        return ", ".join(kind[int(label)] for kind, label in zip(names, row, strict=True))

    def read_audio(self, file: str, key: str) -> np.ndarray:
        """A file as mono float32 waveform (T,) at the model's sample rate.

        Raises:
            UserError: when the file cannot be used.
        """
        from wavestack.data.sound.reading import AudioReader, BadAudioError

        if not Path(file).is_file():
            raise UserError(f"{key}={file}: there is no such file")
        try:
            return AudioReader(self.sample_rate, min_seconds=0.0).read(Path(file))
        except BadAudioError as error:
            raise UserError(f"{key}={file}: {error}") from error

    def mel_frames(self, file: str) -> Tensor:
        """The spectrogram frames of a file, as the model was trained on: (1, n_mels, frames).

        Raises:
            UserError: when the model does not listen to frames, or the file cannot be used.
        """
        from wavestack.safety import instantiate

        settings = _select(self.config, "data", "mel")
        if settings is None or not getattr(self.model, "condition_channels", None):
            raise UserError(f"mel_from={file}: this model does not listen to a spectrogram")
        waveform = torch.from_numpy(self.read_audio(file, "mel_from"))
        return instantiate(settings, key="data.mel")(waveform[None])


def sample_rate_of(model: nn.Module, config: Mapping[str, Any]) -> int | None:
    """In Hz, what a model or the data of its run say; None where they are not audio."""
    return getattr(model, "sample_rate", None) or _select(config, "data", "source", "sample_rate")


def step_rate_of(model: nn.Module, config: Mapping[str, Any]) -> float | None:
    """Steps of the model's input in a second: samples, or the frames of the run's front end."""
    rate = sample_rate_of(model, config)
    hop_length = _select(config, "data", "front_end", "hop_length")
    return rate / hop_length if rate and hop_length else rate


def choose_device(device: str) -> torch.device:
    """The device that "auto", "cpu" or "cuda" means here.

    Raises:
        UserError: when CUDA is wanted and absent.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: torch sees no CUDA device here (wavestack doctor says why)")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def read_config(run: Path) -> dict[str, Any]:
    """The config of a run folder or a file of weights, as plain dicts."""
    from omegaconf import OmegaConf

    from wavestack.config import read_run_config
    from wavestack.export.safetensors import read

    if run.is_file():
        return read(run)[1]
    plain = OmegaConf.to_container(read_run_config(run))
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def write_audio(file: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Write 16-bit audio in the format of the file's suffix, whole or not at all.

    Raises:
        UserError: when the suffix is none of .wav, .flac and .ogg, or a sample is not finite.
    """
    import io

    import soundfile

    from wavestack.files import atomic_write

    kind = file.suffix.lower().removeprefix(".")
    if kind not in ("wav", "flac", "ogg"):
        raise UserError(f"out={file}: must end in .wav, .flac or .ogg")
    if not np.isfinite(waveform).all():
        raise UserError(f"out={file}: not written, for the model gave numbers that are not finite")
    content = io.BytesIO()
    # Rounded here, because the formats round floats differently; 16-bit audio has no +1.
    numbers = (waveform * 2**15).round().clip(-(2**15), 2**15 - 1).astype(np.int16)
    soundfile.write(content, numbers, sample_rate, format=kind.upper())
    atomic_write(file, lambda target: target.write(content.getvalue()) and None)


def bits_per_sample(nats: Tensor) -> float:
    """The mean of nats as bits."""
    return float(nats.double().mean()) / math.log(2)


def _select(config: Mapping[str, Any], *keys: str) -> Any:
    node: Any = config
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _shown(labels: Sequence[Any]) -> str:
    return f"[{','.join(str(label) for label in labels)}]"


def check_autoregressive(model: nn.Module, command: str) -> None:
    """Stop when a model does not predict audio sample by sample.

    Raises:
        UserError: naming the model's class.
    """
    if not hasattr(model, "distribution"):
        raise UserError(f"{command}: this {type(model).__name__} does not make up audio")
