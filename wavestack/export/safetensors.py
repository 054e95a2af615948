"""Weights with their model's config in one file that holds no code.

A safetensors file is tensors and text. The text is the config, as JSON; it is read back through the
allow-list of `wavestack.safety`, so that a file from a stranger can name no more than a config can.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wavestack.errors import UserError
from wavestack.files import verify_hash, write_with_hash
from wavestack.safety import instantiate
from wavestack.version import __version__

_KEY = "wavestack"
_PLACES = ("root", "resume", "init", "weights")


def save(weights: nn.Module | Mapping[str, Tensor], path: Path, config: Mapping[str, Any]) -> str:
    """Write weights and config to one file, whole or not at all, with its SHA-256 beside.

    Args:
        weights: a module or its state dict.
        path: the file, by custom `model.safetensors`.
        config: plain values; `config["model"]` describes the model (`_target_` and arguments).
            Places on this machine (`root`, `resume`, `init`, `weights`) are left out.

    Returns:
        The SHA-256 of the file.

    Raises:
        ValueError: when `config` has no model.
    """
    from safetensors.torch import save as to_bytes

    if "_target_" not in (config.get("model") or {}):
        raise ValueError(f"config['model'] must have a _target_, got {config.get('model')!r}")
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    # Tensors that share memory are refused by the format; a copy of each costs little.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    about = {"version": __version__, **_without_places(config)}
    content = to_bytes(tensors, metadata={"format": "pt", _KEY: json.dumps(about)})
    return write_with_hash(Path(path), lambda file: file.write(content) and None)


def _without_places(node: Any) -> Any:
    """A config without the places on one person's disk: they help nobody else."""
    if isinstance(node, Mapping):
        kept = {name: _without_places(value) for name, value in node.items()}
        return {name: None if name in _PLACES else value for name, value in kept.items()}
    if isinstance(node, (list, tuple)):
        return [_without_places(value) for value in node]
    return node


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the config of a file, after comparing it with the hash beside it.

    Raises:
        UserError: when the file is missing, damaged, or not one of ours.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    verify_hash(path, required=False)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path}: not a readable safetensors file ({error})") from error
    try:
        config = json.loads(metadata[_KEY])
        config["model"]["_target_"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: holds no wavestack config, so its model is unknown") from error
    return state, config


def load(path: Path) -> nn.Module:
    """Build the model that a file describes and give it the file's weights, in eval mode.

    Raises:
        UserError: when the file is damaged, names what a config may not name, or its tensors do
            not fit the model.
    """
    state, config = read(path)
    model = instantiate(config["model"], key=f"{path}: model")
    if not isinstance(model, nn.Module):
        raise UserError(f"{path}: {config['model']['_target_']} is not a model")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"{path}: the weights do not fit the model: {first}") from error
    return model.eval()
