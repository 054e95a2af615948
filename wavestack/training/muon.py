"""Muon for convolution weights, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# Jordan et al. (2024): a quintic iteration that pushes all singular values near 1 in five steps.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5


class MuonAdamW(torch.optim.AdamW):
    """Orthogonalised momentum for convolution weights, AdamW for every other parameter.

    A convolution weight (out, in, *kernel) is taken as the matrix (out, in · kernel); its momentum
    is replaced by the nearest semi-orthogonal matrix, so that every direction of the layer learns
    at one rate. Embeddings, linear layers, biases and gains keep AdamW.
    ``torch.optim.Muon`` takes 2D parameters alone, which no convolution has.

    Args:
        params: the parameters, sorted into the two kinds by their shape.
        lr: learning rate of AdamW.
        muon_lr: learning rate of Muon; an update's singular values are all about
            ``muon_lr · sqrt(max(1, rows / columns))``.
        momentum: of Muon (Nesterov's form).
        betas: of AdamW.
        weight_decay: decoupled, for both kinds.

    Raises:
        ValueError: when ``momentum`` is outside [0, 1) or a learning rate is negative.

    References:
        Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.

    Example:
        >>> conv = torch.nn.Conv1d(4, 8, 2)
        >>> optimizer = MuonAdamW(conv.parameters(), lr=1e-3, muon_lr=0.02)
        >>> [len(group["params"]) for group in optimizer.param_groups]
        [1, 1]
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        muon_lr: float = 0.02,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum}")
        if muon_lr < 0:
            raise ValueError(f"muon_lr must be >= 0, got {muon_lr}")
        params = list(params)
        convolutions = [p for p in params if _is_convolution(p)]
        others = [p for p in params if not _is_convolution(p)]
        groups = [
            {"params": convolutions, "lr": muon_lr, "momentum": momentum, "orthogonal": True},
            {"params": others, "lr": lr, "momentum": momentum, "orthogonal": False},
        ]
        super().__init__(
            [group for group in groups if group["params"]],
            lr=lr,
            betas=(betas[0], betas[1]),
            weight_decay=weight_decay,
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        everything = self.param_groups
        for group in everything:
            if group["orthogonal"]:
                self._step_orthogonal(group)
        # AdamW's own step walks over param_groups: it is shown its own kind alone.
        self.param_groups = [group for group in everything if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = everything
        return loss

    def _step_orthogonal(self, group: dict[str, Any]) -> None:
        # Layers of one shape are orthogonalised together: small products cost their launch alone.
        alike: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["step"] = torch.tensor(0.0)  # AdamW expects every state to count its steps
                state["momentum_buffer"] = torch.zeros_like(parameter)
            state["step"] += 1
            buffer = state["momentum_buffer"].lerp_(parameter.grad, 1 - group["momentum"])
            momentum = _whole(parameter.grad.lerp(buffer, group["momentum"])).flatten(1)
            alike.setdefault(tuple(momentum.shape), []).append((parameter, momentum))
        for (rows, columns), pairs in alike.items():
            updates = orthogonalize(torch.stack([momentum for _, momentum in pairs]))
            for (parameter, _), update in zip(pairs, updates, strict=True):
                update = _sharded_like(parameter, update.reshape(parameter.shape))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def orthogonalize(matrices: Tensor) -> Tensor:
    """The semi-orthogonal matrices nearest to some matrices, by Newton-Schulz iterations.

    Singular values come out between about 0.7 and 1.2, which serves training as well as exactly 1.

    Shape:
        matrices: (..., rows, columns) -> the same
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def _whole(tensor: Tensor) -> Tensor:
    """A sharded (FSDP) tensor gathered; any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def _sharded_like(parameter: Any, update: Tensor) -> Tensor:
    if not hasattr(parameter, "device_mesh"):
        return update
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(update, parameter.device_mesh, parameter.placements)


def _is_convolution(parameter: Tensor) -> bool:
    """Three or more axes, and a matrix rather than the gains of a weight norm, (out, 1, 1)."""
    return parameter.ndim >= 3 and parameter.shape[0] > 1 and parameter[0].numel() > 1
