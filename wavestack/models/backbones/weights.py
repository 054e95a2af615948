"""Weights for a backbone from a file, or from torchvision's hub, compared key by key.

What a classifier or a decoder left in a file goes; all else must fit.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from wavestack.errors import UserError
from wavestack.models.backbones.base import Backbone
from wavestack.state_file import read_state

IMAGENET = "imagenet"

_BACKBONE = "backbone."  # what stands before its keys in a segmentation model
_COUNTER = "num_batches_tracked"  # which files from before 2018 lack

logger = logging.getLogger(__name__)


def load_weights(backbone: Backbone, weights: str | Path) -> None:
    """Give a backbone the weights of a file or of torchvision's hub.

    The keys must be those of the backbone, with two exceptions: of a segmentation model only
    `backbone.*` is taken; keys of a published classifier (`fc.*` of a ResNet, `classifier.*` of a
    VGG) are left out, which the log says.

    Args:
        backbone: the backbone; changed in place, and only when all fits.
        weights: a path (`.safetensors`, else a torch file), or "imagenet" for torchvision's
            weights of this architecture, `IMAGENET1K_V1`: those that its segmentation models
            start from. They are downloaded once, with their hash checked.

    Raises:
        UserError: when a file is missing, damaged or no state dict, a key is missing, unexpected
            or of another shape, or the download fails; one line, which names the file and the
            first such key.
    """
    source, state = read_weights(backbone, weights)
    state = _without_classifier(source, backbone, backbone.translate(state))
    _compare(source, backbone, state)
    backbone.load_state_dict(state, strict=False)  # _compare was strict


def read_weights(backbone: Backbone, weights: str | Path) -> tuple[str, dict[str, Tensor]]:
    """The name and all tensors of a file, or of torchvision's weights for a backbone.

    Args:
        backbone: says which weights of torchvision's are meant.
        weights: as for `load_weights`.

    Raises:
        UserError: when a file is missing, damaged or no state dict, or the download fails.
    """
    if str(weights) == IMAGENET:
        return _from_hub(backbone)
    state = read_state(weights)
    part = {
        name.removeprefix(_BACKBONE): t for name, t in state.items() if name.startswith(_BACKBONE)
    }
    return str(weights), part or state


def _from_hub(backbone: Backbone) -> tuple[str, dict[str, Tensor]]:
    """The name and the tensors of torchvision's weights."""
    name = backbone.torchvision_weights
    if name is None:
        raise UserError(
            f"weights={IMAGENET}: torchvision publishes none for {type(backbone).__name__}; "
            "give a file instead"
        )
    try:
        from torchvision.models import get_weight
    except ImportError as error:
        raise UserError(f"weights={IMAGENET}: needs torchvision, which is not installed") from error
    entry = get_weight(name)
    try:
        return name, dict(entry.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:  # no network, a full disk, a hash that differs
        raise UserError(
            f"weights={IMAGENET}: {entry.url} could not be fetched ({error}); "
            "where there is no network, give a file instead"
        ) from error


def _without_classifier(
    source: str, backbone: Backbone, state: dict[str, Tensor]
) -> dict[str, Tensor]:
    dropped = [name for name in state if name.startswith(backbone.classifier)]
    if backbone.classifier and dropped:
        logger.info("%s: left out the classifier (%s)", source, ", ".join(dropped))
        return {name: tensor for name, tensor in state.items() if name not in dropped}
    return state


def _compare(source: str, backbone: Backbone, state: Mapping[str, Tensor]) -> None:
    """Strict, but for counters of batches; says the first difference and how many there are."""
    own = backbone.state_dict()
    missing = [name for name in own if name not in state and not name.endswith(_COUNTER)]
    unexpected = [name for name in state if name not in own]
    mis_shaped = [name for name in own if name in state and own[name].shape != state[name].shape]
    count = len(missing) + len(unexpected) + len(mis_shaped)
    if not count:
        return
    if mis_shaped:
        name = mis_shaped[0]
        what = f"{name} has shape {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
    elif missing:
        what = f"{missing[0]} is missing"
    else:
        what = f"{unexpected[0]} is unexpected"
    more = f", and {count - 1} more differ" if count > 1 else ""
    raise UserError(f"{source}: does not fit {type(backbone).__name__}: {what}{more}")
