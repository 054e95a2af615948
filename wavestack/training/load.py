"""A trained model from its run folder or its weights file."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from wavestack.errors import UserError


def load(run_or_file: Path | str) -> nn.Module:
    """The module that a run trained, in eval mode on the CPU.

    Args:
        run_or_file: a run folder, or a ``.safetensors`` file that holds its configuration. A run
            folder without ``model.safetensors`` (still training, or stopped by a loss that was not
            finite) gives the weights of its newest checkpoint.

    Raises:
        UserError: when there is nothing to load, a file is damaged, or its configuration names
            what a configuration may not name.

    Example:
        >>> import wavestack
        >>> wavestack.load("runs/of/nobody")
        Traceback (most recent call last):
        ...
        wavestack.errors.UserError: runs/of/nobody: no such file or run folder
    """
    from wavestack.export.safetensors import load as load_file

    path = Path(run_or_file)
    if path.is_file():
        return load_file(path)
    if not path.is_dir():
        raise UserError(f"{path}: no such file or run folder")
    if (path / "model.safetensors").is_file():
        return load_file(path / "model.safetensors")
    return _from_checkpoint(path)


def _from_checkpoint(path: Path) -> nn.Module:
    from omegaconf import OmegaConf

    from wavestack.safety import instantiate
    from wavestack.training.initial_weights import without_start
    from wavestack.training.run_folder import RunFolder
    from wavestack.training.weights import checkpoint_weights

    folder = RunFolder(path)
    cfg = folder.read_config()
    found = folder.checkpoints.load_latest()
    if found is None:
        raise UserError(f"{path}: a run without weights yet (no model.safetensors, no checkpoint)")
    described = without_start(OmegaConf.to_container(cfg.model))
    model = instantiate(described, key=f"{folder.config}: model")
    model.load_state_dict(checkpoint_weights(found[1]))
    return model.eval()
