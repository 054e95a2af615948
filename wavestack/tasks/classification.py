"""Classification: one class for a whole sequence, measured in accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavestack.tasks.base import Batch, Figure, Task


class ClassificationTask(Task):
    """Mean cross-entropy of the classes of whole sequences.

    A batch holds ``x`` (B, C, T), ``target`` (B,) int64, or (B, K) shares of the classes, and,
    where rows are padded, ``lengths`` (B,) int64.

    Args:
        label_smoothing: share of the target that is spread over all classes while training
            (Szegedy et al., 2016); evaluation never smooths.
        args: as of Task.
        kwargs: as of Task.

    Raises:
        ValueError: when `label_smoothing` is outside [0, 1).
    """

    metric = "cross_entropy"
    element = "sequences"

    def __init__(self, *args: Any, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
        self.label_smoothing = label_smoothing

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Accuracy in per cent, and the loss."""
        return (
            Figure("accuracy_percent", 100.0, higher_is_better=True),
            Figure(self.metric, self.unit_scale),
        )

    @staticmethod
    def count(batch: Batch) -> int:
        """Sequences."""
        return len(batch["target"])

    @staticmethod
    def inputs(batch: Batch) -> dict[str, Tensor]:
        """What the model is given of a batch, by name."""
        return {name: batch[name] for name in ("x", "lengths") if name in batch}

    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """Nats of all sequences."""
        smoothing = self.label_smoothing if model.training else 0.0
        logits = model(**self.inputs(batch)).float()
        nats = F.cross_entropy(logits, batch["target"], reduction="none", label_smoothing=smoothing)
        return nats.sum(dtype=torch.float64)

    def figure_sums(self, model: Any, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """Sequences recognised, and nats."""
        logits = model(**self.inputs(batch)).float()
        count = self.count(batch)
        right = (logits.argmax(1) == batch["target"]).sum()
        nats = F.cross_entropy(logits, batch["target"], reduction="sum")
        return {"accuracy_percent": (right, count), self.metric: (nats, count)}

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """The most frequent class, and the nearest class mean of what `data` says of each item."""
        from wavestack.metrics import majority_accuracy, nearest_mean_accuracy

        train, train_classes = data.descriptions("train")
        test, test_classes = data.descriptions(split)
        found = {
            "most frequent class": majority_accuracy(train_classes, test_classes),
            f"nearest class mean of {data.description}": nearest_mean_accuracy(
                train, train_classes, test, test_classes
            ),
        }
        return {name: {"accuracy_percent": 100 * value} for name, value in found.items()}

    @torch.no_grad()
    def confusion(self, model: Any, data: Any, split: str) -> np.ndarray:
        """How often each class (row) of a split was taken for each class (column): (K, K)."""
        from wavestack.metrics import confusion_matrix

        device = next(model.parameters()).device
        classes, predictions = [], []
        for batch in data.eval_batches(split):
            inputs = {name: value.to(device) for name, value in self.inputs(batch).items()}
            logits = model(**inputs)
            predictions.append(logits.argmax(1).cpu().numpy())
            classes.append(batch["target"].numpy())
        return confusion_matrix(
            np.concatenate(classes), np.concatenate(predictions), len(data.class_names)
        )

    def details(
        self, model: Any, data: Any, split: str, folder: Path, sums: Mapping[str, Tensor]
    ) -> dict[str, str]:
        """The accuracy of each class; the confusion matrix goes to a picture in `folder`."""
        from wavestack.metrics import class_accuracies
        from wavestack.tasks.pictures import write_confusion

        confusion = self.confusion(model, data, split)
        write_confusion(folder / f"confusion_{split}.png", confusion, data.class_names)
        shares = class_accuracies(confusion)
        return {
            f"accuracy of {name}": f"{100 * share:.1f} % of {total}"
            for name, share, total in zip(data.class_names, shares, confusion.sum(1), strict=True)
            if total
        }
