"""Semantic segmentation: a class for every pixel, measured in mean intersection over union."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavestack.errors import UserError
from wavestack.tasks.base import Batch, Figure, Figures, Task

IGNORE_INDEX = 255
Weighting = Literal["median_frequency", "enet"]


class SegmentationTask(Task):
    """Cross-entropy of the pixels' classes, in float32 whatever the model computes in.

    A batch holds ``image`` (B, 3, H, W) and ``mask`` (B, H', W') int64 with 255 where no class is
    known. The model gives logits (B, K, H, W), or a dictionary ``{"out", "aux"}``; where the mask
    has another size than the picture, the logits are brought to it by bilinear interpolation.

    While training, the loss of a step is the sum of weighted cross-entropies over the number of
    pixels that count (not over the sum of their weights); evaluation never weighs, never smooths
    and leaves auxiliary heads out.

    Args:
        class_weights: one number for each class, or how they are made of the training masks:
            "median_frequency" or "enet" (`wavestack.losses`). None: all count the same.
        weight_power: exponent of weights that are made of the masks: 1 as published, 0.5 their
            square roots.
        auxiliary_weight: of the loss of an auxiliary head, beside 1 of the output's.
        label_smoothing: share of the target that is spread over all classes.
        foreground: of two classes the one that is looked for. The figures then are its IoU and the
            share of wrong pixels.
        args: as of Task.
        kwargs: as of Task.

    Raises:
        ValueError: when a weight is negative, a way to weigh unknown, or the smoothing not in
            [0, 1).

    Notes:
        Where all of the training pictures' pixels are of no class, a step changes nothing.
    """

    metric = "cross_entropy"
    element = "pixels"
    samples = "segmentation"

    def __init__(
        self,
        *args: Any,
        class_weights: Sequence[float] | Weighting | None = None,
        weight_power: float = 1.0,
        auxiliary_weight: float = 0.4,
        label_smoothing: float = 0.0,
        foreground: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(class_weights, str):
            if class_weights not in ("median_frequency", "enet"):
                raise ValueError(
                    "class_weights must be numbers, median_frequency, enet or null, "
                    f"got {class_weights!r}"
                )
        elif class_weights is not None and not all(weight >= 0 for weight in class_weights):
            raise ValueError(f"class_weights must be >= 0, got {list(class_weights)}")
        for name, value in (("weight_power", weight_power), ("auxiliary_weight", auxiliary_weight)):
            if value < 0:
                raise ValueError(f"{name} must be >= 0, got {value}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
        if foreground not in (None, 0, 1):
            raise ValueError(f"foreground must be 0, 1 or null, got {foreground}")
        self.class_weights = class_weights
        self.weight_power = weight_power
        self.auxiliary_weight = auxiliary_weight
        self.label_smoothing = label_smoothing
        self.foreground = foreground
        self.weights: Tensor | None
        fixed = None if class_weights is None or isinstance(class_weights, str) else class_weights
        self.register_buffer("weights", None if fixed is None else torch.tensor(fixed).float())
        shown = ["foreground_iou_percent"] if foreground is not None else ["mean_iou_percent"]
        self.validated = (*shown, self._pixels)

    @property
    def _pixels(self) -> str:
        return "pixel_accuracy_percent" if self.foreground is None else "pixel_error_percent"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Mean IoU, pixel accuracy and boundary F in per cent, and the loss."""
        if self.foreground is not None:
            return (
                Figure("foreground_iou_percent", 100, higher_is_better=True),
                Figure("pixel_error_percent", 100),
                Figure("boundary_f_percent", 100, higher_is_better=True),
                Figure(self.metric),
            )
        return (
            Figure("mean_iou_percent", 100, higher_is_better=True),
            Figure("pixel_accuracy_percent", 100, higher_is_better=True),
            Figure("boundary_f_percent", 100, higher_is_better=True),
            Figure(self.metric),
        )

    @staticmethod
    def count(batch: Batch) -> int:
        """Pixels of a known class."""
        return int((batch["mask"] != IGNORE_INDEX).sum())

    def prepare(self, data: Any) -> None:
        """Makes the class weights from the training masks where they are to be.

        Raises:
            UserError: when weights are given for another number of classes.
        """
        from wavestack.losses import enet_weights, median_frequency_weights

        names = data.class_names
        if self.foreground is not None and len(names) != 2:
            raise UserError(f"task.foreground is for two classes, but the data have {len(names)}")
        if isinstance(self.class_weights, str):
            pixels, around = data.class_pixels()
            made = (
                enet_weights(pixels)
                if self.class_weights == "enet"
                else median_frequency_weights(pixels, around)
            )
            # A class that never occurs keeps weight 0 whatever the power.
            self.weights = torch.from_numpy(np.where(made > 0, made**self.weight_power, 0)).float()
        if self.weights is not None and len(self.weights) != len(names):
            raise UserError(
                f"task.class_weights has {len(self.weights)} numbers, but the data have "
                f"{len(names)} classes"
            )

    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """Nats of all pixels that count, those of an auxiliary head included while training."""
        outputs = model(batch["image"])
        mask = batch["mask"]
        if not model.training:
            return self._nats(_main(outputs), mask)
        loss = self._nats(_main(outputs), mask, self.weights, self.label_smoothing)
        if isinstance(outputs, Mapping) and "aux" in outputs:
            nats = self._nats(outputs["aux"], mask, self.weights, self.label_smoothing)
            loss = loss + self.auxiliary_weight * nats
        return loss

    def validation_sums(self, model: Any, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """Nats, and how often each class was taken for each."""
        return self._sums(model, batch)[0]

    def figure_sums(self, model: Any, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """Nats, the confusion matrix, and the boundary F of each class with its pictures."""
        from wavestack.metrics import boundary_scores

        sums, predictions, num_classes = self._sums(model, batch)
        scores = boundary_scores(batch["mask"], predictions, num_classes)
        return {**sums, "boundary": (scores, len(predictions))}

    def figure_values(self, sums: Mapping[str, Tensor], counts: Mapping[str, int]) -> Figures:
        """IoU and accuracy of the confusion matrix of the whole split, boundary F, and the loss."""
        from wavestack.metrics import intersection_over_union, mean_iou, pixel_accuracy

        confusion, (first, second, *_) = sums["confusion"], self.figures
        accuracy = pixel_accuracy(confusion)
        values: Figures = {}
        if self.metric in sums:
            values[self.metric] = float(sums[self.metric]) / max(counts[self.metric], 1)
        if self.foreground is None:
            values |= {first.name: 100 * mean_iou(confusion), second.name: 100 * accuracy}
        else:
            iou = float(intersection_over_union(confusion)[self.foreground])
            values |= {first.name: 100 * iou, second.name: 100 * (1 - accuracy)}
        if "boundary" in sums:
            total, pictures = sums["boundary"]
            scores = (total / pictures)[confusion.sum(1) > 0]  # of classes that are in a mask
            mean = scores.nanmean() if self.foreground is None else scores[-1]
            values["boundary_f_percent"] = 100 * float(mean)
        return values

    def figure_parts(self, sums: Mapping[str, Tensor], data: Any) -> Figures:
        """The IoU of each class in per cent; a class in no mask of the split has none."""
        from wavestack.metrics import intersection_over_union

        if self.foreground is not None:  # the figure is of one class
            return {}
        scores = intersection_over_union(sums["confusion"])
        pairs = zip(data.class_names, scores.tolist(), strict=True)
        return {name: 100 * score for name, score in pairs if not np.isnan(score)}

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, Figures]:
        """The most frequent class, and for a foreground Otsu's threshold of every picture."""
        from wavestack.metrics import one_class_confusion, otsu_confusion

        found = {"most frequent class": one_class_confusion(data, split)}
        if self.foreground is not None:
            found["Otsu's threshold"] = otsu_confusion(data, split, self.foreground)
        return {name: self.figure_values({"confusion": c}, {}) for name, c in found.items()}

    def details(
        self, model: Any, data: Any, split: str, folder: Path, sums: Mapping[str, Tensor]
    ) -> dict[str, str]:
        """Which classes are not in the split; the confusion matrix goes to a picture."""
        from wavestack.tasks.pictures import write_confusion

        confusion = sums["confusion"].numpy().astype(np.int64)
        write_confusion(folder / f"confusion_{split}.png", confusion, data.class_names, shares=True)
        pairs = zip(data.class_names, confusion.sum(1), strict=True)
        absent = [name for name, pixels in pairs if not pixels]
        return (
            {"in no mask of this split, and not in the mean": ", ".join(absent)} if absent else {}
        )

    def _sums(self, model: Any, batch: Batch) -> tuple[dict[str, Any], Tensor, int]:
        """Sums for validation, the predicted classes and how many classes there are."""
        from wavestack.metrics import pixel_confusion

        mask, count = batch["mask"], self.count(batch)
        logits = _resized(_main(model(batch["image"])), mask)
        predictions, num_classes = logits.argmax(1), logits.shape[1]
        confusion = pixel_confusion(mask, predictions, num_classes)
        nats = self._nats(logits, mask)
        return (
            {self.metric: (nats, count), "confusion": (confusion, count)},
            predictions,
            num_classes,
        )

    @staticmethod
    def _nats(
        logits: Tensor, mask: Tensor, weights: Tensor | None = None, smoothing: float = 0.0
    ) -> Tensor:
        return F.cross_entropy(
            _resized(logits, mask),
            mask,
            weight=weights,
            ignore_index=IGNORE_INDEX,
            reduction="sum",
            label_smoothing=smoothing,
        )


def _main(outputs: Any) -> Tensor:
    """The logits of a model that may have auxiliary heads beside."""
    return outputs["out"] if isinstance(outputs, Mapping) else outputs


def _resized(logits: Tensor, mask: Tensor) -> Tensor:
    """Logits in float32 at the size of a mask."""
    logits, size = logits.float(), mask.shape[-2:]
    if logits.shape[-2:] == size:
        return logits
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)
