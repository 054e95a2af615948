"""Run by test_gpu_kernels.py: the GPU engines in Triton's interpreter against the eager engine.

TRITON_INTERPRET=1 python -m tests.inference.interpreted STEPS ENGINE:CASE[:PRECISION] ...
prints for each its greatest difference in samples and in the distributions' parameters.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch

from wavestack.inference.engines import fused, layerwise
from wavestack.inference.engines.eager import EagerEngine
from wavestack.models import WaveNet

SMALL: dict[str, Any] = {
    "residual_channels": 6,
    "dilation_channels": 5,
    "skip_channels": 7,
    "end_channels": 4,
    "num_layers": 2,
    "num_stacks": 1,
    "quantization_channels": 20,
}
# Between them: every head, condition, window, narrow convolution, uneven kernels and dilations,
# more than one block of gates, of end channels and of codes, and every number of taps.
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "wide": {"dilation_channels": 40, "end_channels": 40, "quantization_channels": 50},
    "levels": {"input_kernel_size": 3, "kernel_size": 3},
    "logistic": {"output": "logistic_mixture", "num_mixtures": 3, "input_kernel_size": 2},
    "gaussian": {"output": "gaussian", "weight_norm": True},
    "lists": {"dilations": (1, 3, 2), "kernel_sizes": (1, 4, 2), "num_labels": (3,)},
    "features": {"condition_channels": 5, "hop_length": 4, "num_labels": (3,)}
    | {"bottleneck_channels": 3},
}
B = 3


def differences(engine: type[Any], case: str, steps: int, precision: str) -> tuple[float, float]:
    """Of free-running samples, and of parameters under the eager engine's samples."""
    torch.manual_seed(0)
    model = WaveNet(**{**SMALL, **CASES[case]}).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    labels = torch.tensor([[0], [2], [1]]) if model.num_labels else None
    features = torch.randn(B, 5, -(-steps // 4)) if model.condition_channels else None
    with torch.inference_mode():
        condition = model.condition(labels, features, steps)
        first = model.shift(model.distribution.encode(torch.zeros(B, 1)))

        def start(which: type[Any], **options: Any) -> Any:
            state = model.initial_state(B, history="silence")
            return which(model, state, first, condition, 2**63 + 5, 0.8, **options)

        samples = start(EagerEngine).advance(steps)
        running = start(engine, precision=precision)
        drawn = torch.cat([running.advance(1), running.advance(steps - 1)], dim=1)
        inputs = model.shift(model.distribution.encode(samples))
        params, _ = model.stream(inputs, model.initial_state(B, history="silence"), condition)
        found = start(engine, precision=precision).parameters_for(inputs)
    return (drawn - samples).abs().max().item(), (found - params).abs().max().item()


if __name__ == "__main__":
    import tests.inference.interpreter  # noqa: F401

    torch.set_num_threads(1)
    layerwise.CHUNK_STEPS = 2
    engines = {"fused": fused.FusedEngine, "layerwise": layerwise.LayerwiseEngine}
    results = {}
    for request in sys.argv[2:]:
        name, case, *precision = request.split(":")
        precision = precision[0] if precision else "float32"
        results[request] = differences(engines[name], case, int(sys.argv[1]), precision)
    print(json.dumps(results))
