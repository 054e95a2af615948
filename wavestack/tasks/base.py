"""What every training task shares: the loss over the global batch, clipping, seeds and sharding."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from wavestack.errors import UserError
from wavestack.layers.cone import last_of
from wavestack.layers.norm import synchronize_batch_norm

Batch = dict[str, Any]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that evaluation reports: by default the mean over the elements that count.

    Attributes:
        name: as a key of results, with its unit: "bits_per_sample", "accuracy".
        scale: factor from the mean to the figure.
        higher_is_better: as of an accuracy.
    """

    name: str
    scale: float = 1.0
    higher_is_better: bool = False

    @property
    def title(self) -> str:
        """The name as people write it: "bits/sample"."""
        return self.name.replace("_per_", "/").replace("_", " ")


class Task(pl.LightningModule, ABC):
    """A model with its loss and optimizer; subclasses say what is summed and what counts.

    The loss of a step is the sum of losses over the whole global batch divided by the number of
    elements that count in it. Each rank contributes the sum of its own rows divided by the *global*
    number, so the result does not depend on how rows and padding fall on the ranks.

    What evaluation reports may differ from the loss: tensors are summed over a split, batch by
    batch and rank by rank (:meth:`figure_sums`), and figures are made of the sums
    (:meth:`figure_values`). Each kind of task knows what its figure is to be seen beside
    (:meth:`baselines`).

    Args:
        model: the network.
        optimizer: called with the parameters, e.g. ``partial(AdamW, lr=1e-3)``.
        scheduler: called with the optimizer; stepped after every optimizer step. None: constant.
        gradient_clip_norm: largest norm of all gradients together; None: no clipping.
        seed: together with the step it seeds dropout.
        synchronized: batch normalization takes the statistics of the rows of all ranks.
        sharded: shard the parameters over the ranks (FSDP2) in :meth:`configure_model`.
        compiled: run the model through ``torch.compile``; it then computes all outputs, those that
            do not count as well.
        published: figures of others for the same data and split, by source; evaluation shows them
            as such beside its own.
        channels_last: images come with the channels innermost, as the model's weights lie.

    Attributes:
        metric: name of the mean loss in its unit, which is logged and validated; lower is better.
        unit_scale: factor from the mean loss to it.
        element: what the loss counts, in the plural: "samples", "frames", "clips".
        samples: kind of samples that show how the training goes: "audio", "text", "piano_roll",
            "segmentation", or None where there is nothing to make up.
        validated: names of the figures that validation reports beside the loss.
        gradient_norm: norm before clipping of the last step, a tensor on the device.

    Raises:
        ValueError: when ``gradient_clip_norm`` is not positive, or a published figure no number.
    """

    metric: str = "loss"
    unit_scale: float = 1.0
    element: str = "samples"
    samples: str | None = None
    validated: tuple[str, ...] = ()

    def __init__(
        self,
        model: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler] | None = None,
        *,
        gradient_clip_norm: float | None = None,
        seed: int = 0,
        synchronized: bool = False,
        sharded: bool = False,
        compiled: bool = False,
        channels_last: bool = False,
        published: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        if gradient_clip_norm is not None and gradient_clip_norm <= 0:
            raise ValueError(f"gradient_clip_norm must be > 0 or null, got {gradient_clip_norm}")
        self.model = model
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.gradient_clip_norm = gradient_clip_norm
        self.seed = seed
        self.synchronized = synchronized
        self.sharded = sharded
        self.compiled = compiled
        self.channels_last = channels_last
        known = {} if published is None else published
        if not isinstance(known, Mapping) or not all(
            isinstance(figure, (int, float)) for figure in known.values()
        ):
            raise ValueError(f"published must be figures by their source, got {published}")
        self.published = dict(known)
        self.gradient_norm: Tensor | None = None

    @staticmethod
    @abstractmethod
    def count(batch: Batch) -> int:
        """How many elements of the batch count in the loss."""

    @abstractmethod
    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """The sum of the losses of the elements that count, a scalar."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What evaluation reports, the most important first; the loss alone by default."""
        return (Figure(self.metric, self.unit_scale),)

    def prepare(self, data: Any) -> None:
        """Take what the loss needs to know of the training data, before the first step."""

    def validation_sums(self, model: Any, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """As :meth:`figure_sums`, of the loss and what :attr:`validated` needs."""
        return {self.metric: (self.loss_sum(model, batch), self.count(batch))}

    def figure_sums(self, model: Any, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """What the figures are made of: by name a tensor to be summed, and how much it counts.

        By default the names are those of :attr:`figures`, the tensors scalars.
        """
        return self.validation_sums(model, batch)

    def figure_values(self, sums: Mapping[str, Tensor], counts: Mapping[str, int]) -> Figures:
        """The figures by name, of sums over a split; without those whose sums are not there."""
        return {
            f.name: f.scale * float(sums[f.name]) / max(counts[f.name], 1)
            for f in self.figures
            if f.name in sums
        }

    def figure_parts(self, sums: Mapping[str, Tensor], data: Any) -> Figures:
        """The first figure part by part (class by class), of sums over a split; none by default."""
        return {}

    def last_outputs(self, model: Any, x: Tensor, num_outputs: int = 1) -> Tensor:
        """The model's last outputs, without computing others where it can (``forward_last``).

        What is compiled is the model's ``forward``: where the training asks for that, it is called.
        """
        if self.compiled and model is self.model:
            return model(x)[..., -num_outputs:]
        return last_of(model, x, num_outputs)

    def apart(self, batch: Batch) -> Iterable[Batch]:
        """The batch in parts in which no row's figure depends on its neighbours: as it is.

        To be replaced where padding is not without effect.
        """
        yield batch

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """Yardsticks on the same split by our own code: name -> {figure's name: value}."""
        return {}

    def details(
        self, model: Any, data: Any, split: str, folder: Path, sums: Mapping[str, Tensor]
    ) -> dict[str, str]:
        """What else evaluation says of a split, as lines of name and text; none by default.

        `sums` are those of :meth:`figure_sums` over the split. Pictures go into `folder` as PNG
        files, which the report then shows.
        """
        return {}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step on this rank's rows; ``batch["count"]`` is the global number of elements."""
        # Dropout depends on (seed, step, rank) alone: neither validation, sampling, workers nor a
        # kill in between changes it.
        _seed(_mix(self.seed, batch["index"], self.global_rank), self.device)
        if self.channels_last:
            batch = {name: _channels_last(value) for name, value in batch.items()}
        loss_sum = self.loss_sum(self.model, batch)
        # DDP and FSDP average the ranks' gradients; the factor turns this back into a sum.
        world_size = self.trainer.world_size
        return {
            "loss": (loss_sum * (world_size / max(batch["count"], 1))).float(),
            "loss_sum": loss_sum.detach(),
        }

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule by steps.

        Raises:
            UserError: when one of them refuses its numbers.
        """
        try:
            optimizer = self.make_optimizer(p for p in self.model.parameters() if p.requires_grad)
        except ValueError as error:
            raise UserError(f"optimizer: {error}") from error
        if self.make_scheduler is None:
            return optimizer
        try:
            schedule = {"scheduler": self.make_scheduler(optimizer), "interval": "step"}
        except ValueError as error:
            raise UserError(f"scheduler: {error}") from error
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips by the total norm, after backward and before the optimizer step, and notes it."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.gradient_clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(
                self.model.parameters(), self.gradient_clip_norm, norm
            )
        # Under FSDP the norm is a DTensor; every rank has gradients, so every rank gathers it.
        self.gradient_norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm

    def configure_model(self) -> None:
        """Joins, shards and compiles the model as asked; called once the ranks are connected."""
        if self.synchronized:
            self.model = synchronize_batch_norm(self.model)
        if self.sharded:
            self._shard()
        if self.compiled:
            self.model.compile()  # in place: the names of the weights stay

    def _shard(self) -> None:
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        # One group: parameters are whole during a step, gradients, optimizer states and averages
        # never are. Groups by block would need every block to be called as a module, which a stack
        # that adds all its skips in one product does not do.
        mesh: Any = self.device_mesh
        fully_shard(self.model, mesh=mesh["data_parallel"])
        if hasattr(self.model, "forward_last"):  # called in place of forward: gather for it too
            register_fsdp_forward_method(self.model, "forward_last")


def _channels_last(value: Any) -> Any:
    """A batch of images with the channels innermost; anything else as it is."""
    if isinstance(value, Tensor) and value.ndim == 4:
        return value.contiguous(memory_format=torch.channels_last)
    return value


def _seed(seed: int, device: torch.device) -> None:
    """Seed the draws of the CPU and of this device.

    `torch.manual_seed` does so for every kind of device; for those that are not there it notes the
    call together with the whole stack, which costs three milliseconds a step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _mix(*numbers: int) -> int:
    """A 32-bit seed from several numbers, the same on every platform."""
    return zlib.crc32(" ".join(map(str, numbers)).encode())
