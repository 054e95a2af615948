"""Trained models that take audio in blocks: effects, and predictors of the next sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wavestack.commands.trained import Trained, bits_per_sample
from wavestack.errors import UserError


class Effect:
    """A model from audio to audio.

    Args:
        trained: its model takes and gives (B, 1, T).
        condition: numbers of its knobs, or None.
        engine: of the stream.

    Raises:
        UserError: when the model does something else, or its knobs are missing or too many.
    """

    def __init__(self, trained: Trained, condition: Any, engine: str) -> None:
        from wavestack.inference import Stream

        model = trained.model
        name = type(model).__name__
        example = model.example_input(1)["x"] if hasattr(model, "example_input") else None
        if example is None or example.shape[:-1] != (1, 1) or not example.is_floating_point():
            raise UserError(f"stream: a {name} does not turn audio into audio")
        self.condition = self._knobs(name, getattr(model, "condition_channels", None), condition)
        if self.condition is not None:
            self.condition = self.condition.to(trained.device)
        try:
            self.stream = Stream(model, engine=engine)
        except ValueError as error:
            raise UserError(f"stream: {error}") from error
        self.device = trained.device
        self.about = f"through {name}"
        if self.push(np.zeros(0, np.float32)) is None:
            raise UserError(f"stream: a {name} of several outputs does not give audio")
        self.stream.reset()

    def push(self, samples: np.ndarray) -> Any:
        y = self.stream.push(torch.from_numpy(samples)[None, None].to(self.device), self.condition)
        return y[0, 0].cpu().numpy() if y.shape[1] == 1 else None

    def finish(self) -> np.ndarray:
        """The samples still owed by a model that looks ahead."""
        rest = self.stream.flush()
        return np.zeros(0, np.float32) if rest is None else rest[0, 0].cpu().numpy()

    def figures(self) -> list[str]:
        return []

    @staticmethod
    def _knobs(name: str, count: int | None, given: Any) -> Tensor | None:
        numbers = [] if given is None else list(given) if not _is_number(given) else [given]
        if not all(_is_number(number) for number in numbers) or len(numbers) != (count or 0):
            raise UserError(
                f"condition={given}: this {name} takes {count or 'no'} number"
                + "s" * (count != 1)
                + (f", condition=[{','.join(['0.5'] * count)}] for example" if count else "")
            )
        return torch.tensor(numbers)[None, :, None].float() if count else None


class Predictor:
    """An autoregressive model, which guesses every sample from those before it.

    Args:
        trained: its model has a distribution.
        labels: of the model, by name or number.
        engine: of the stream.

    Raises:
        UserError: when the model needs what a stream of audio does not give.
    """

    about = "the model's guess at every sample from those before it"

    def __init__(self, trained: Trained, labels: Any, engine: str) -> None:
        from wavestack.inference import Stream

        model = trained.model
        if getattr(model, "condition_channels", None):
            raise UserError("stream: a model that speaks a spectrogram is no filter; use generate")
        self.condition = None
        if getattr(model, "num_labels", ()):
            if labels is None:
                raise UserError("labels must be given for this model: labels=[NAME,...]")
            row = trained.labels(labels).to(trained.device)
            with torch.inference_mode():
                self.condition = model.condition(row, None, 1)
        try:
            self.stream = Stream(model, engine=engine)
        except ValueError as error:
            raise UserError(f"stream: {error}") from error
        self.model, self.device = model, trained.device
        self.distribution = model.distribution
        # Temperature 0 takes the most probable sample, whatever the noise.
        self.quiet = torch.full((1, self.distribution.num_noise), 0.5, device=self.device)
        silence = torch.zeros(1, 1, device=self.device)
        self.before = model.shift(self.distribution.encode(silence))
        self.nats, self.count = 0.0, 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            target = torch.from_numpy(samples)[None].to(self.device)
            encoded = torch.cat([self.before, self.distribution.encode(target)], dim=-1)
            self.before = encoded[..., -1:]
            parameters = self.stream.push(encoded[..., :-1], self.condition)
            self.nats += float(self.distribution.nll(parameters, target).double().sum())
            self.count += len(samples)
            columns = parameters[0].T  # as rows of a batch
            quiet = self.quiet.expand(len(columns), -1)
            return self.distribution.sample(columns, quiet, 0.0)[0].cpu().numpy()

    def finish(self) -> np.ndarray:
        return np.zeros(0, np.float32)

    def figures(self) -> list[str]:
        if not self.count:
            return []
        mean = torch.tensor(self.nats / self.count)
        return [f"{bits_per_sample(mean):.3f} bits per sample"]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
