"""Designed schedules against brute force, the published rules and real convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wavestack.models import TCN
from wavestack.receptive_field import analyze
from wavestack.receptive_field.design import design, hdc_distance, parse_target


def positions(kernel_sizes, dilations) -> int:
    """Bit mask of the positions that a stack reads: sums of one tap per layer."""
    mask = 1
    for k, d in zip(kernel_sizes, dilations, strict=True):
        mask = sum_taps(mask, k, d)
    return mask


def sum_taps(mask: int, k: int, d: int) -> int:
    out = 0
    for tap in range(k):
        out |= mask << (tap * d)
    return out


def full(mask: int) -> bool:
    return mask & (mask + 1) == 0


def pareto(points) -> set:
    points = set(points)
    return {
        p
        for p in points
        if not any(q != p and all(a <= b for a, b in zip(q, p)) for q in points)  # noqa: B905
    }


def brute_force(target, kernel_sizes, max_layers, stacks=1, centred=False) -> set:
    """Pareto set of (layers, weights, latency) over all kernel sizes and dilations up to target."""
    largest = max(kernel_sizes) * stacks * target
    found = set()
    states = {(1, 0)}
    for layers in range(stacks, max_layers + 1, stacks):
        grown = set()
        for mask, weights in states:
            for k in kernel_sizes:
                for d in range(1, target):
                    longer = mask
                    for _ in range(stacks):
                        longer = sum_taps(longer, k, d)
                    if longer.bit_length() <= largest:
                        grown.add((longer, weights + stacks * k))
        states = grown
        for mask, weights in states:
            if full(mask) and mask.bit_length() >= target:
                latency = (mask.bit_length() - 1) // 2 if centred else 0
                found.add((layers, weights, latency))
        states = {s for s in states if s[0].bit_length() < target or centred}
    return pareto(found)


@pytest.mark.parametrize(
    ("target", "kernel_sizes", "max_layers", "stacks"),
    [
        (9, (2, 3), 6, 1),
        (13, (2, 3), 6, 1),
        (20, (2, 3), 6, 1),
        (30, (2,), 6, 1),
        (20, (2, 3, 4), 4, 1),
        (21, (3,), 4, 1),
        (26, (3, 5), 4, 1),
        (14, (2, 3), 6, 2),
        (17, (2, 3), 6, 3),
        (10, (2, 5), 5, 1),
    ],
)
def test_causal_front_equals_brute_force(target, kernel_sizes, max_layers, stacks):
    expected = brute_force(target, kernel_sizes, max_layers, stacks)
    found = design(
        target, kernel_sizes=kernel_sizes, max_layers=max_layers, num_stacks=stacks, channels=1
    )
    assert {(s.layers, s.macs, s.latency) for s in found} == expected


@pytest.mark.parametrize(
    ("target", "kernel_sizes", "max_layers"),
    [(11, (3,), 4), (12, (3, 5), 3), (11, (5,), 3), (16, (5, 7), 3), (14, (3, 7), 3)],
)
def test_centred_front_with_latency_equals_brute_force(target, kernel_sizes, max_layers):
    expected = brute_force(target, kernel_sizes, max_layers, centred=True)
    found = design(
        target, causal=False, kernel_sizes=kernel_sizes, max_layers=max_layers, channels=1
    )
    assert {(s.layers, s.macs, s.latency) for s in found} == expected


@pytest.mark.parametrize("target", [2, 3, 7, 30, 100, 1000, 1024, 1025, 16_000, 160_000])
@pytest.mark.parametrize("kernel_sizes", [(2,), (3,), (2, 3), (4, 7)])
@pytest.mark.parametrize("stacks", [1, 2, 3])
def test_schedules_have_no_holes_reach_the_target_and_state_their_size(
    target, kernel_sizes, stacks
):
    for s in design(target, kernel_sizes=kernel_sizes, num_stacks=stacks):
        mask = positions(s.kernel_sizes * stacks, s.dilations * stacks)
        assert full(mask)
        assert mask.bit_length() == s.receptive_field >= target
        assert s.coverage == 1


def test_closest_schedule_lands_on_the_target_when_a_kernel_of_two_is_allowed():
    for target in range(2, 400):
        closest = min(s.receptive_field for s in design(target, kernel_sizes=(2,)))
        assert closest == target


def test_wavenet_cycle_is_found_and_prints_what_the_model_takes():
    (s,) = design(1024, kernel_sizes=(2,))
    assert s.to_hydra() == (
        "model:\n  kernel_size: 2\n  num_layers: 10\n  num_stacks: 1\n  dilation_base: 2\n"
    )
    assert s.to_overrides()[0] == "model.kernel_size=2"
    assert "1,024 samples" in str(s)


def test_max_dilation_holds():
    found = design(3000, kernel_sizes=(2,), max_dilation=512)
    assert {s.layers for s in found} == {14}
    assert all(max(s.dilations) <= 512 for s in found)


def test_latency_is_half_the_field_when_centred():
    (s, *_) = design("20ms", sample_rate=16_000, causal=False, kernel_sizes=(3,))
    assert s.receptive_field == 321
    assert s.latency == 160


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("num_stacks", [1, 2])
@pytest.mark.parametrize("target", [61, 300])
def test_a_tcn_built_from_its_fragment_sees_the_stated_field(target, num_stacks, causal):
    kernels = (2, 3) if causal else (3, 5)
    found = design(
        target, architecture="tcn", causal=causal, kernel_sizes=kernels, num_stacks=num_stacks
    )
    for s in found:
        model = TCN(1, 2, **s.settings).eval()
        convolutions = [
            m for m in model.modules() if isinstance(m, nn.Conv1d) if m.kernel_size > (1,)
        ]
        assert len(convolutions) == s.layers
        report = analyze(model, model.example_input())
        assert report.axes["T"].size == s.receptive_field >= target
        assert report.latency == s.latency == (0 if causal else (s.receptive_field - 1) // 2)
        assert report.axes["T"].coverage == s.coverage == 1
    assert "dilation_base" in found[0].to_hydra() or "dilations" in found[0].to_hydra()


def test_hdc_distance_gives_the_numbers_of_the_paper():
    assert hdc_distance((3, 3, 3), (1, 2, 5)) == 2
    assert hdc_distance((3, 3, 3), (1, 2, 9)) == 5
    assert hdc_distance((3, 3, 3), (2, 4, 8)) == 4


def test_hdc_rule_and_exact_coverage_agree_on_rising_cycles_that_start_at_one():
    for second in range(1, 8):
        for third in range(second, 30):
            rates = (1, second, third)
            assert (hdc_distance((3, 3, 3), rates) <= 3) == full(positions((3, 3, 3), rates))


@pytest.mark.parametrize("stacks", [1, 2])
@pytest.mark.parametrize("target", [13, 37, 64, 200])
def test_image_schedules_obey_the_hdc_rule_and_cover_the_plane(target, stacks):
    for s in design(f"{target}px", num_stacks=stacks):
        assert s.dimensions == 2
        assert hdc_distance(s.kernel_sizes, s.dilations) <= s.kernel_sizes[0]
        assert s.coverage == 1
        assert s.receptive_field >= target
        assert s.parameters == s.layers * (9 * 64**2 + 64)


def test_holes_are_allowed_on_request_and_stated():
    found = design(1000, no_holes=False)
    assert found[0].layers == 4
    assert found[0].coverage < 1
    assert any(s.coverage == 1 for s in found)
    for s in found:
        mask = positions(s.kernel_sizes, s.dilations)
        assert s.coverage == pytest.approx(mask.bit_count() / mask.bit_length())


def test_stated_field_is_what_a_convolution_stack_really_reads():
    for s in design(150, kernel_sizes=(2, 3, 5)):
        layers = [
            nn.Conv1d(1, 1, k, dilation=d, bias=False, dtype=torch.float64)
            for k, d in zip(s.kernel_sizes, s.dilations, strict=True)
        ]
        for layer in layers:
            nn.init.uniform_(layer.weight, 0.5, 1.0)
        x = torch.ones(1, 1, s.receptive_field, dtype=torch.float64, requires_grad=True)
        y = nn.Sequential(*layers)(x)
        assert y.shape[-1] == 1
        y.sum().backward()
        assert int((x.grad != 0).sum()) == s.receptive_field


@pytest.mark.parametrize(
    ("text", "rate", "expected"),
    [
        (1024, None, (1024, 1)),
        ("1_024 samples", None, (1024, 1)),
        ("300ms", 16_000, (4800, 1)),
        ("0.3s", 16_000, (4800, 1)),
        ("0.1 ms", 44_100, (5, 1)),
        ("64px", None, (64, 2)),
    ],
)
def test_targets_are_read_exactly(text, rate, expected):
    assert parse_target(text, rate) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "300ms"}, "give sample_rate"),
        ({"target": "3 weeks"}, "target must be like 1024"),
        ({"target": "-3"}, "target must be positive"),
        ({"target": "nan"}, "target must be like 1024"),
        ({"target": 100, "kernel_sizes": (1, 2)}, "kernel_sizes must be at least 2"),
        ({"target": 100, "causal": False}, "must be odd for causal=False"),
        ({"target": "9px", "kernel_sizes": (2,)}, "must be odd for two dimensions"),
        ({"target": 100, "max_layers": 3}, "without holes, only 27"),
        ({"target": 100, "max_layers": 0}, "max_layers must be >= 1"),
        ({"target": 100, "num_stacks": 0}, "num_stacks must be >= 1"),
        ({"target": 100, "max_dilation": 0}, "max_dilation must be >= 1"),
        ({"target": 100, "no_holes": False, "max_layers": 1}, "no geometric cycle"),
        ({"target": 100, "max_layers": 3, "num_stacks": 4}, "max_layers=3"),
        ({"target": 100, "max_layers": 1, "architecture": "tcn"}, "num_stacks=1 of 2 each"),
        ({"target": 100, "architecture": "lstm"}, "architecture must be wavenet or tcn"),
        ({"target": "9px", "architecture": "tcn"}, "architecture must be wavenet for '9px'"),
    ],
)
def test_user_errors_name_the_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        design(**arguments)
