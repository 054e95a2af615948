"""Cached generation in plain torch: every layer's past in a ring, no copies that grow.

Per sample a layer costs four calls of torch; everything else is done for all layers at once
or for many steps at once:

- The old taps of all layers are known before the step begins: one gather from one ring tensor and
  one batched product give their share of every gate.
- tanh serves for both halves of the gate, since sigmoid(a) = (1 + tanh(a / 2)) / 2: the halving
  goes into the weights before, the other into the weights behind.
- A row [residual | skip] runs through the layers, so one product adds both ways out.
- The offsets of the residual outputs are the same at every step: the row and the rings hold the
  signal less their running sum, which the next gates' offsets already contain.
- Noise, conditions and ring positions are prepared for a chunk of steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.inference.engines.draws import chunk_steps, prepare_draws
from wavestack.inference.engines.plan import Plan, Rings
from wavestack.models.wavenet import WaveNet


class EagerEngine:
    """Run a WaveNet one sample at a time; see ``Engine``."""

    def __init__(
        self,
        model: Any,
        state: Any,
        current: Tensor,
        condition: Tensor | None,
        seed: int,
        temperature: float,
    ) -> None:
        with torch.inference_mode():
            self.family = model.distribution
            self.seed = seed
            self.temperature = temperature
            self.step = 0
            self.batch_size = current.shape[0]
            self.current = current
            self.plan = Plan(model)
            self.rings = Rings(self.plan, state[1])
            self.window = self._first_window(state[0])
            self.condition = condition
            self.fixed = self.plan.gate_bias
            if condition is not None and condition.shape[-1] == 1:
                self.fixed = self.plan.conditioned_bias(condition)[0]
            self._allocate()

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        if type(model) is not WaveNet:  # a subclass may compute something else
            return f"it knows WaveNet alone, not {type(model).__name__}"
        if model.training:
            return "the model is in training mode"
        return None

    @torch.inference_mode()
    def advance(self, num_steps: int) -> Tensor:
        """The next samples as waveform values, (B, num_steps)."""
        outputs = []
        while num_steps:
            count = min(num_steps, chunk_steps(self.batch_size, self.family.num_noise))
            num_steps -= count
            outputs += self._chunk(count)
        return self.family.decode(torch.cat(outputs, dim=-1))

    def _chunk(self, count: int) -> list[Tensor]:
        like = self.plan.gate_bias
        draws = prepare_draws(self.family, self.seed, self.batch_size, self.step, count, like)
        biases: Tensor | list[Tensor] = [self.fixed] * count
        if self.condition is not None and self.condition.shape[-1] > 1:
            columns = self.condition[..., self.step : self.step + count]
            biases = self.plan.conditioned_bias(columns)
        reads, writes = self.rings.positions(self.step, count)
        outputs = []
        for i in range(count):
            params = self._logits(biases[i], reads[i], writes[i])
            self.current = self.family.choose(params, draws[i], self.temperature)
            outputs.append(self.current)
        self.step += count
        return outputs

    def _logits(self, bias: Tensor, reads: Tensor, writes: Tensor) -> Tensor:
        """One step of the network: the distribution's parameters (B, P)."""
        plan, gates = self.plan, self.gates
        self._enter()
        old = self.rings.data.index_select(0, reads.view(-1)).view(*reads.shape, *self.cell)
        torch.baddbmm(bias, old[0], plan.old_taps[0], out=gates)
        for taps, weight in zip(old[1:], plan.old_taps[1:], strict=True):
            gates.baddbmm_(taps, weight)
        for layer in self.layers:
            if layer.narrow is not None:
                torch.mm(layer.x, layer.narrow, out=layer.entered)
            layer.gate.addmm_(layer.entered, layer.present_tap)
            layer.gate.tanh_()
            torch.addcmul(layer.f, layer.f, layer.g, out=self.z)
            torch.addmm(layer.row, self.z, layer.project, out=layer.next_row)
        self.rings.data.index_copy_(0, writes, self.entered)
        skips = (self.rows[-1][:, plan.residual_channels :] + plan.skip_bias).relu_()
        h = torch.addmm(plan.end_bias, skips, plan.end).relu_()
        return torch.addmm(plan.out_bias, h, plan.out)

    def _enter(self) -> None:
        """Write the first row: the current input after embedding and first convolution."""
        plan = self.plan
        if plan.table is None:
            start, amplitudes = plan.first_bias, self.current[:, 0]
        elif self.window is None:
            torch.index_select(plan.table, 0, self.current[:, 0], out=self.rows[0])
            return
        else:
            codes = self.current[:, 0]
            start, amplitudes = plan.table[codes], plan.amplitudes[codes]
        size = plan.first_channels
        self.window[:, :-size] = self.window[:, size:].clone()
        self.window[:, -size:] = amplitudes
        torch.addmm(start, self.window, plan.first, out=self.rows[0])

    def _first_window(self, history: Any) -> Any:
        """The first convolution's inputs side by side, oldest first; the foremost leaves next."""
        if self.plan.first is None:
            return None
        past = history.transpose(1, 2).reshape(self.batch_size, -1)
        return torch.cat([past.new_zeros(self.batch_size, self.plan.first_channels), past], dim=1)

    def _allocate(self) -> None:
        plan, batch = self.plan, self.batch_size
        new = plan.gate_bias.new_zeros
        size = plan.dilation_channels
        self.cell = (batch, plan.conv_channels)
        self.rows = new(plan.num_layers + 1, batch, plan.residual_channels + plan.skip_channels)
        self.gates = new(plan.num_layers, batch, 2 * size)
        self.z = new(batch, size)
        inputs = self.rows[:-1, :, : plan.residual_channels]
        self.entered = inputs if plan.narrow is None else new(plan.num_layers, *self.cell)
        # Views are made once: slicing costs as much as a small product.
        self.layers = [
            _Layer(
                row=self.rows[i],
                next_row=self.rows[i + 1],
                x=inputs[i],
                entered=self.entered[i],
                gate=self.gates[i],
                f=self.gates[i][:, :size],
                g=self.gates[i][:, size:],
                narrow=None if plan.narrow is None else plan.narrow[i],
                present_tap=plan.present_taps[i],
                project=plan.project[i],
            )
            for i in range(plan.num_layers)
        ]


@dataclass(slots=True)
class _Layer:
    """The views and weights that one layer's step touches."""

    row: Tensor
    next_row: Tensor
    x: Tensor
    entered: Tensor
    gate: Tensor
    f: Tensor
    g: Tensor
    narrow: Tensor | None
    present_tap: Tensor
    project: Tensor
