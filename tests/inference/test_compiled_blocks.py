"""The compiled block engine: equal to the offline network, whatever the model and the blocks."""

from __future__ import annotations

import copy
import random
import tracemalloc

import pytest
import torch
from torch import Tensor, nn

from wavestack.inference import Stream
from wavestack.layers import (
    CausalConv1d,
    DilatedStack,
    GatedResidualBlock,
    LookaheadConv1d,
    apply_weight_norm,
)
from wavestack.models import TCN, AudioEffect, WaveNet

pytest.importorskip("numba")

# Sums of some hundred float32 products in another order.
TOLERANCE = {"atol": 3e-6, "rtol": 3e-6}


def random_model(rng: random.Random) -> tuple[nn.Module, int, int]:
    """A model, its input channels, and those of its condition or 0."""
    width, condition = rng.randint(1, 40), rng.choice([None, None, 1, 3])
    count = rng.randint(1, 4)
    dilations = [rng.randint(1, 30) for _ in range(count)]
    sizes = [rng.randint(1, 5) for _ in range(count)]
    lists = {"dilations": dilations, "kernel_sizes": sizes}
    kind = rng.choice(["chain", "stack", "effect", "tcn"])
    if kind == "chain":
        groups = rng.choice([1, 2])
        middle = groups * rng.randint(1, 9)
        activation = rng.choice(
            [nn.ReLU(), nn.LeakyReLU(0.3), nn.Tanh(), nn.Sigmoid(), nn.SiLU(), nn.GELU()]
        )
        convs = [
            CausalConv1d(middle, middle, size, dilation=d, groups=groups, bias=rng.random() < 0.5)
            if rng.random() < 0.7
            else LookaheadConv1d(middle, middle, size, d, groups=groups)
            for size, d in zip(sizes, dilations, strict=True)
        ]
        parts = [part for conv in convs for part in (conv, nn.BatchNorm1d(middle), activation)]
        return nn.Sequential(CausalConv1d(width, middle, 2), *parts), width, 0
    if kind == "stack":
        span = sum((size - 1) * d for size, d in zip(sizes, dilations, strict=True))
        skip, narrow = rng.choice([None, 7, 16]), rng.choice([None, 3])
        model: nn.Module = DilatedStack(
            width,
            rng.randint(1, 20),
            skip,
            **lists,
            condition_channels=condition,
            bottleneck_channels=narrow,
            weight_norm=rng.random() < 0.3,
            bias=rng.random() < 0.8,
            lookahead=rng.choice([0, "centred", rng.randint(0, span)]),
        )
        return model, width, condition or 0
    if kind == "effect":
        channels = tuple(rng.randint(1, 18) for _ in range(rng.randint(1, 3)))
        model = AudioEffect(
            channels,
            **lists,
            activation=rng.choice(["tanh", "relu", "gated"]),
            head_kernel_size=rng.randint(1, 4),
            head_scale=1.0,
            condition_channels=condition,
        )
        return model, 1, condition or 0
    span = sum(2 * (size - 1) * d for size, d in zip(sizes, dilations, strict=True))
    model = TCN(
        width,
        [rng.choice([width, rng.randint(1, 20)]) for _ in range(count)],
        out_channels=rng.choice([None, 3]),
        **lists,
        norm=rng.choice(["weight", "batch", "layer", None]),
        activation=rng.choice(["relu", "gelu", "glu"]),
        skip_channels=rng.choice([None, 5]),
        condition_channels=condition,
        conditioning=rng.choice(["film", "bias"]),
        lookahead=rng.choice([0, "centred", rng.randint(0, span)]),
    )
    return model, width, condition or 0


def randomize(model: nn.Module) -> None:
    """Offsets, scales and statistics away from where they start, signals kept near 1."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1 or "condition" in name:
            nn.init.normal_(parameter, mean=0.5, std=0.2)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            nn.init.uniform_(buffer, 0.5, 1.5)


def in_blocks(stream: Stream, x: Tensor, h: Tensor | None, sizes: list[int]) -> Tensor:
    outputs, start = [], 0
    for size in sizes:
        block = None if h is None else h if h.shape[-1] == 1 else h[..., start : start + size]
        outputs.append(stream.push(x[..., start : start + size], block))
        start += size
    return torch.cat(outputs, dim=-1)


def case(seed: int) -> tuple[nn.Module, Tensor, Tensor | None, Tensor, dict[str, float]]:
    """A random model, input, condition, exact output, and how far off torch's float32 is, thrice.

    A norm of channels that are nearly alike magnifies every rounding, in any engine.
    """
    rng = random.Random(seed)
    torch.manual_seed(seed)
    model, channels, condition = random_model(rng)
    randomize(model.eval())
    batch = rng.choice([1, 1, 2, 5])
    x = torch.randn(batch, channels, 300)
    h = torch.randn(batch, condition, rng.choice([1, 300])) if condition else None
    double = copy.deepcopy(model).double()
    with torch.no_grad():
        given = {} if h is None else {"condition": h}
        single = model(x, **given)
        exact = double(x.double(), **{name: value.double() for name, value in given.items()})
    slack = 3 * (single - exact).abs().max().item()
    return model, x, h, exact.float(), {"atol": TOLERANCE["atol"] + slack, "rtol": 3e-6}


@pytest.mark.parametrize("seed", range(24))
def test_any_model_in_any_blocks_equals_the_offline_network(seed):
    model, x, h, expected, tolerance = case(seed)
    stream = Stream(model, x.shape[0], engine="compiled")
    sizes = [1, 0, 2, 1, 96, 131, 69]
    found = torch.cat([in_blocks(stream, x, h, sizes), stream.flush()], dim=-1)
    torch.testing.assert_close(found, expected, **tolerance)
    random.Random(seed).shuffle(sizes)
    again = torch.cat([in_blocks(stream, x, h, sizes), stream.flush()], dim=-1)
    assert torch.equal(again, found)  # the cut into blocks changes no bit


@pytest.mark.parametrize("seed", range(24, 36))
def test_states_pass_between_engines_amid_a_signal(seed):
    model, x, h, expected, tolerance = case(seed)
    streams = [Stream(model, x.shape[0], engine=name) for name in ("compiled", "eager")]
    outputs, start = [], 0
    for i, size in enumerate((1, 2, 70, 30, 52, 1, 144)):
        here, other = streams[i % 2], streams[1 - i % 2]
        block = slice(start, start + size)
        local = h if h is None or h.shape[-1] == 1 else h[..., block]
        outputs.append(here.push(x[..., block], local))
        other.load_state_dict(here.state_dict())
        start += size
    outputs.append(here.flush())
    torch.testing.assert_close(torch.cat(outputs, -1), expected, **tolerance)


def test_a_row_of_a_large_batch_gives_what_it_gives_alone_and_starts_afresh_alone():
    torch.manual_seed(0)
    model = DilatedStack(6, 5, 4, num_layers=5)
    x = torch.randn(64, 6, 80)
    stream = Stream(model, 64, engine="compiled")
    first = stream.push(x)
    for row in (0, 63):
        alone = Stream(model, engine="compiled").push(x[row : row + 1])
        assert torch.equal(first[row : row + 1], alone)
    stream.reset([3])
    again = stream.push(x)
    assert torch.equal(again[3], first[3])
    assert not torch.equal(again[4], first[4])


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"input_kernel_size": 4, "num_labels": (3,), "weight_norm": True},
        {"output": "gaussian", "input_kernel_size": 2, "bottleneck_channels": 3},
        {"output": "logistic_mixture", "condition_channels": 5, "hop_length": 4},
    ],
)
def test_wavenet_gives_its_distributions(arguments):
    torch.manual_seed(0)
    model = WaveNet(6, 5, 7, 4, num_layers=3, num_stacks=2, **arguments).eval()
    x = model.distribution.encode(torch.rand(2, 60) * 2 - 1)
    labels = torch.tensor([[2], [0]]) if model.num_labels else None
    features = torch.randn(2, 5, 15) if model.condition_channels else None
    with torch.no_grad():
        expected = model(x, labels, features)
        h = model.condition(labels, features, 60)
    streams = [Stream(model, 2, engine=name) for name in ("compiled", "eager")]
    found, start = [], 0
    for i, size in enumerate((1, 0, 40, 2, 17)):
        block = None if h is None or h.shape[-1] == 1 else h[..., start : start + size]
        found.append(
            streams[i % 2].push(x[..., start : start + size], h if block is None else block)
        )
        streams[1 - i % 2].load_state_dict(streams[i % 2].state_dict())
        start += size
    torch.testing.assert_close(torch.cat(found, -1), expected, **TOLERANCE)


def test_weight_norm_and_a_first_activation_in_a_sequential():
    torch.manual_seed(0)
    conv = apply_weight_norm(CausalConv1d(3, 4, 3))
    model = nn.Sequential(nn.Tanh(), conv, nn.ReLU())
    x = torch.randn(1, 3, 20)
    stream = Stream(model, engine="compiled")
    torch.testing.assert_close(stream.push(x), model(x).detach(), **TOLERANCE)
    assert stream.latency == 0
    alone = Stream(conv, engine="compiled")
    torch.testing.assert_close(alone.push(x), conv(x).detach(), **TOLERANCE)
    with pytest.raises(ValueError, match=r"of shapes \[\(1, 3, 2\)\] here, got \[\(1, 3, 1\)\]"):
        alone.load_state_dict({"0": torch.zeros(1, 3, 1)})


def test_tokens_enter_by_their_embedding():
    model = TCN(4, (5, 5), num_embeddings=9).eval()
    tokens = torch.randint(0, 9, (2, 50))
    stream = Stream(model, 2, engine="compiled")
    found = torch.cat([stream.push(part) for part in tokens.split(7, dim=-1)], dim=-1)
    torch.testing.assert_close(found, model(tokens).detach(), **TOLERANCE)


def test_silence_as_history():
    torch.manual_seed(0)
    effect = AudioEffect((5, 3), num_layers=4)
    x = torch.randn(1, 1, 50)
    with torch.no_grad():
        expected = effect(nn.functional.pad(x, (100, 0)))[..., 100:]
    found = Stream(effect, history="silence", engine="compiled").push(x)
    torch.testing.assert_close(found, expected, **TOLERANCE)


def test_new_weights_are_read_when_the_stream_starts_afresh():
    conv, x = CausalConv1d(2, 2, 3), torch.randn(1, 2, 20)
    stream = Stream(conv, engine="compiled")
    stream.push(x)
    nn.init.normal_(conv.weight)
    stream.reset()
    torch.testing.assert_close(stream.push(x), conv(x).detach(), **TOLERANCE)


def test_inputs_may_lie_in_any_order_in_memory_and_want_a_gradient():
    model = DilatedStack(6, 5, num_layers=3)
    x = torch.randn(40, 6, 2, requires_grad=True)
    found = Stream(model, 2, engine="compiled").push(x.permute(2, 1, 0))
    torch.testing.assert_close(found, model(x.permute(2, 1, 0)).detach(), **TOLERANCE)


def test_nan_is_not_lost():
    effect = AudioEffect((3,), num_layers=3)
    x = torch.zeros(1, 1, 40)
    x[..., 20] = torch.nan
    stream, eager = Stream(effect, engine="compiled"), Stream(effect, engine="eager")
    assert torch.equal(stream.push(x).isnan(), eager.push(x).isnan())


def test_nothing_is_compiled_anew_for_another_shape():
    from wavestack.inference.engines.blocks.kernel import advance

    Stream(CausalConv1d(1, 1, 2), engine="compiled")
    before = len(advance.overloads)
    for model, channels in ((CausalConv1d(9, 70, 5, dilation=7), 9), (AudioEffect((20, 2)), 1)):
        for batch in (1, 7):
            Stream(model, batch, engine="compiled").push(torch.zeros(batch, channels, 5))
    assert len(advance.overloads) == before == 1


def test_memory_does_not_grow_with_time():
    stream = Stream(AudioEffect((4, 2), num_layers=6), engine="compiled")
    block = torch.zeros(1, 1, 17)

    def run(num_blocks: int) -> int:
        for _ in range(num_blocks):
            stream.push(block)
        return tracemalloc.get_traced_memory()[0]

    run(50)
    tracemalloc.start()
    early, late = run(50), run(2000)
    tracemalloc.stop()
    assert late - early < 2000


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (CausalConv1d(2, 2, 3, stride=2), "a convolution has stride 2"),
        (CausalConv1d(2, 2, 3, dtype=torch.float64), "it computes in float32"),
        (GatedResidualBlock(2, 2), "GatedResidualBlock is not among the modules it knows"),
        (nn.Sequential(CausalConv1d(2, 2, 3), nn.ELU()), "ELU is not among the modules"),
        (nn.Sequential(CausalConv1d(2, 2, 3), nn.GELU("tanh")), "a GELU is approximated by tanh"),
        (type("Mine", (CausalConv1d,), {})(1, 1, 2), "Mine is not among the modules it knows"),
        (nn.Sequential(nn.ReLU()), "it has no convolution"),
    ],
)
def test_what_it_cannot_run_is_said_and_runs_eagerly(model, reason):
    with pytest.raises(ValueError, match=reason):
        Stream(model, engine="compiled")
    assert Stream(model).engine == "eager"


def test_auto_takes_the_compiled_engine_where_it_can():
    assert Stream(CausalConv1d(2, 2, 3)).engine == "compiled"


def test_blocks_of_a_wrong_shape_are_named():
    stream = Stream(DilatedStack(3, 3, num_layers=1, condition_channels=2), engine="compiled")
    x = torch.zeros(1, 3, 5)
    with pytest.raises(ValueError, match=r"block must be float32 of shape \(1, 3, 5\), got"):
        stream.push(torch.zeros(1, 4, 5))
    with pytest.raises(ValueError, match="condition must be given"):
        stream.push(x)
    with pytest.raises(ValueError, match=r"condition must have shape \(B or 1, 2, 5 or 1\)"):
        stream.push(x, torch.zeros(1, 2, 4))
    for shape in ((3, 2, 5), (2, 5)):
        with pytest.raises(ValueError, match=r"condition must have shape .* got"):
            stream.push(x, torch.zeros(shape))
    with pytest.raises(ValueError, match=r"block must be float32 of shape \(1, 3, 5\), got"):
        stream.push(torch.zeros(1, 5))
    with pytest.raises(ValueError, match="condition must be None"):
        Stream(CausalConv1d(3, 3, 2), engine="compiled").push(x, torch.zeros(1, 2, 5))
