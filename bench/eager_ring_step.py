"""A frozen yardstick: the plain ring-buffer step one would write in torch, kept as it is.

One column per layer and step: read the old input from the layer's ring, write the new one, two
products for the gate, tanh, sigmoid, two products for residual and skip. It is not to be made
faster: the engines are measured against it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wavestack.models import WaveNet


class EagerRingStep:
    """One step of a WaveNet with kernel 2 and 256 codes; ``step`` maps codes (B,) to logits."""

    def __init__(self, model: WaveNet, batch_size: int) -> None:
        self.table = model.embed.weight
        self.dilations = model.stack.dilations
        self.layers = []
        for block in model.stack.blocks:
            conv, project = block.conv, block.project
            residual = model.residual_channels if block.residual_output else 0
            weight, bias = project.weight[..., 0], project.bias
            self.layers.append(
                (
                    conv.weight[..., 0].T.contiguous(),
                    conv.weight[..., 1].T.contiguous(),
                    conv.bias,
                    weight[:residual].T.contiguous(),
                    bias[:residual],
                    weight[residual:].T.contiguous(),
                    bias[residual:],
                )
            )
        self.rings = [torch.zeros(d, batch_size, model.residual_channels) for d in self.dilations]
        self.end = (model.end.weight[..., 0].T.contiguous(), model.end.bias)
        self.out = (model.out.weight[..., 0].T.contiguous(), model.out.bias)
        self.t = 0

    def step(self, codes: Tensor) -> Tensor:
        """(B,) codes -> (B, Q) logits of the next ones."""
        x = self.table[codes]
        skips = 0
        for (old_w, new_w, bias, res_w, res_b, skip_w, skip_b), ring, d in zip(
            self.layers, self.rings, self.dilations, strict=True
        ):
            slot = self.t % d
            y = torch.addmm(bias, ring[slot], old_w) + x @ new_w
            ring[slot] = x
            f, g = y.chunk(2, dim=1)
            z = torch.tanh(f) * torch.sigmoid(g)
            skips = skips + torch.addmm(skip_b, z, skip_w)
            if res_b.numel():
                x = x + torch.addmm(res_b, z, res_w)
        self.t += 1
        h = torch.addmm(self.end[1], torch.relu(skips), self.end[0])
        return torch.addmm(self.out[1], torch.relu(h), self.out[0])

    @torch.inference_mode()
    def generate(self, num_samples: int, silence: int = 128) -> Tensor:
        """Draw codes (B, num_samples)."""
        codes = torch.full((self.rings[0].shape[1],), silence)
        outputs = []
        for _ in range(num_samples):
            codes = torch.multinomial(torch.softmax(self.step(codes), dim=1), 1)[:, 0]
            outputs.append(codes)
        return torch.stack(outputs, dim=1)
