"""What a training run asks of its data, whatever they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from wavestack.data.splits import Split
from wavestack.errors import UserError

Batch = dict[str, Any]


class TaskData(ABC):
    """Training batches by number, evaluation batches by split.

    A batch is a dictionary of tensors whose first axis is that of the rows, all of one length.

    Attributes:
        batch_size: rows of a training batch, over all processes together.
        num_workers: processes of the training loader; 0 makes batches in the main process.
        label_names: for each kind of label the names of its classes; empty when unlabelled.
        sample_rate: of audio, in Hz; None for what has no clock.
        item_noun: what `num_items` counts, in the plural.
        tasks: names of the tasks whose batches these are; empty: any.
    """

    batch_size: int
    num_workers: int = 0
    label_names: tuple[tuple[str, ...], ...] = ()
    sample_rate: int | None = None
    item_noun: ClassVar[str] = "recordings"
    tasks: ClassVar[tuple[str, ...]] = ()

    @property
    def step_rate(self) -> float | None:
        """Steps of the model's input in a second: samples, unless a front end makes frames."""
        return self.sample_rate

    @abstractmethod
    def train_batches(self, seed: int) -> Any:
        """The endless training batches of a seed: ``[k]`` is a pure function of (seed, k)."""

    @abstractmethod
    def eval_batches(self, split: Split) -> Sequence[Batch]:
        """Everything in a split, once."""

    @abstractmethod
    def num_items(self, split: Split) -> int:
        """How many items (recordings, pieces, sequences) a split holds."""

    def check_model(self, model: Any) -> None:  # noqa: B027  (nothing to check is an answer)
        """Stop when a model does not suit these data.

        Raises:
            UserError: naming the model's key.
        """

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """What `debug=smoke` changes in a config of this class, so that it needs no files.

        Args:
            data: the ``data`` part of the config.
            model: its ``model`` part, which the stand-in has to suit.

        Returns:
            Keys of the ``data`` part with their new values; a dictionary replaces a whole object.
        """
        return {"batch_size": 2, "num_workers": 0}

    @classmethod
    def settled(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """What a training fixes in its config before it starts, so that it never changes again.

        Args:
            data: the ``data`` part of the config.

        Returns:
            Keys of the ``data`` part with their values, such as the alphabet of a text.
        """
        return {}


def check_size(model: Any, key: str, wanted: int, what: str, *, or_more: bool = False) -> None:
    """Stop when a size of a model is not that of the data; a model without such a size passes.

    Args:
        model: any module.
        key: its attribute, which is also a key of the ``model`` part.
        wanted: what the data have.
        what: what it counts, in the plural.
        or_more: whether a larger one does as well.

    Raises:
        UserError: naming the key.
    """
    found = getattr(model, key, wanted)
    if found != wanted and not (or_more and found is not None and found > wanted):
        raise UserError(f"model.{key} is {found}, but the data have {wanted} {what}")
