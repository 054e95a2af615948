"""The loss of autoregressive audio: shift, mask and units."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wavestack.data.sound.batches import whole_recordings
from wavestack.data.sound.recording import Recording
from wavestack.models import WaveNet
from wavestack.signal import LogMel
from wavestack.tasks import AutoregressiveAudioTask
from wavestack.training.totals import totals

SMALL = {
    "residual_channels": 4,
    "dilation_channels": 4,
    "skip_channels": 4,
    "end_channels": 4,
    "num_layers": 3,
    "num_stacks": 1,
}


def recordings(labels: bool = False) -> list[Recording]:
    rng = np.random.default_rng(0)
    return [
        Recording(str(n), rng.uniform(-1, 1, n).astype(np.float32), (n % 3,) if labels else ())
        for n in (700, 130, 1, 64, 333)
    ]


def task(model: WaveNet) -> AutoregressiveAudioTask:
    return AutoregressiveAudioTask(model.eval(), torch.optim.SGD)


def sum_and_count(model: WaveNet, batches) -> torch.Tensor:
    """Sum of the losses and number of samples over some batches."""
    loss = task(model)
    found = totals(loss, loss.validation_sums, model, batches, torch.device("cpu"))
    sums, counts = found.sums["bits_per_sample"], found.counts["bits_per_sample"]
    return torch.stack([sums, torch.tensor(counts, dtype=torch.float64)])


@pytest.mark.parametrize("output", ["mu_law", "logistic_mixture", "gaussian"])
def test_figure_of_padded_batches_is_that_of_each_recording_alone(output):
    model = WaveNet(**SMALL, output=output, num_labels=(3,))
    items = recordings(labels=True)
    batches = whole_recordings(items, max_batch_samples=2000)
    assert 1 < len(batches) < len(items)
    together = sum_and_count(model, batches)
    alone = [sum_and_count(model, whole_recordings([r], max_batch_samples=1)) for r in items]
    torch.testing.assert_close(together, torch.stack(alone).sum(0), rtol=1e-6, atol=0)


def test_figure_with_features_does_not_depend_on_the_batch():
    feature = LogMel(8000, 128, 32, 8)
    model = WaveNet(**SMALL, condition_channels=8, hop_length=32)
    items = recordings()
    batches = whole_recordings(items, max_batch_samples=5000, feature=feature)
    together = sum_and_count(model, batches)
    alone = [
        sum_and_count(model, whole_recordings([r], max_batch_samples=1, feature=feature))
        for r in items
    ]
    torch.testing.assert_close(together, torch.stack(alone).sum(0), rtol=1e-6, atol=0)


def test_first_sample_is_predicted_from_silence_and_each_from_those_before():
    model = WaveNet(**SMALL)
    x = torch.rand(1, 20) * 2 - 1
    batch = {"waveform": x, "mask": torch.ones(1, 20, dtype=torch.bool)}
    codes = model.distribution.encode(x)
    nats = 0.0
    for t in range(20):
        # An input that ends before t: there is nothing to look ahead to.
        past = torch.cat([torch.tensor([[128]]), codes[:, :t]], dim=1)
        nats -= model(past)[0, :, -1].log_softmax(0)[codes[0, t]].item()
    assert task(model).loss_sum(model, batch).item() == pytest.approx(nats, rel=1e-5)


def test_masked_samples_warm_the_context_up_and_do_not_count():
    model = WaveNet(**SMALL)
    x = torch.rand(1, 100) * 2 - 1
    whole = {"waveform": x, "mask": torch.ones(1, 100, dtype=torch.bool)}
    first = {"waveform": x[:, :60], "mask": torch.ones(1, 60, dtype=torch.bool)}
    # The rest, preceded by a receptive field (8, and one for the shift) of context.
    mask = torch.arange(51, 100)[None] >= 60
    rest = {"waveform": x[:, 51:], "mask": mask}
    t = task(model)
    parts = t.loss_sum(model, first) + t.loss_sum(model, rest)
    assert t.loss_sum(model, whole).item() == pytest.approx(parts.item(), rel=1e-6)
    assert [t.count(b) for b in (whole, first, rest)] == [100, 60, 40]
    # Garbage under the mask, behind the end, changes nothing: not even when it is not a number.
    padded = {
        "waveform": torch.cat([x, torch.full((1, 9), 0.7)], dim=1),
        "mask": torch.arange(109)[None] < 100,
    }
    assert t.loss_sum(model, padded).item() == pytest.approx(t.loss_sum(model, whole).item())


def test_untrained_uniform_model_costs_the_bits_of_its_codes():
    model = WaveNet(**SMALL)
    with torch.no_grad():
        model.out.weight.zero_()
    t = task(model)
    batch = {"waveform": torch.zeros(2, 10), "mask": torch.ones(2, 10, dtype=torch.bool)}
    assert t.loss_sum(model, batch).item() / 20 * t.unit_scale == pytest.approx(8.0)
    assert t.unit_scale == 1 / math.log(2)


def test_labels_that_the_model_does_not_know_are_left_out():
    model = WaveNet(**SMALL)
    batches = whole_recordings(recordings(labels=True), max_batch_samples=5000)
    assert torch.isfinite(sum_and_count(model, batches)).all()


def test_wrong_clipping_is_named():
    with pytest.raises(ValueError, match="gradient_clip_norm must be > 0 or null, got 0"):
        AutoregressiveAudioTask(WaveNet(**SMALL), torch.optim.SGD, gradient_clip_norm=0)


@pytest.mark.parametrize("context", [0, 40, 100])
def test_audio_that_only_warms_up_changes_neither_loss_nor_gradients(context):
    model = WaveNet(**SMALL, num_labels=(3,), input_kernel_size=4).double()
    seen = []
    model.register_forward_hook(lambda *_: seen.append(1))
    batch = {
        "waveform": torch.rand(2, 300) - 0.5,
        "mask": torch.arange(300).expand(2, -1) >= context,
        "labels": torch.tensor([[0], [2]]),
    }
    batch["mask"][1, 280:] = False
    trained = task(model)
    trained.loss_sum(model, batch).backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    assert len(seen) == (context < 300 / 8)

    params = model(model.shift(model.distribution.encode(batch["waveform"])), batch["labels"])
    nats = model.distribution.nll(params, batch["waveform"])
    (nats * batch["mask"]).sum().backward()
    for found, p in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(found, p.grad, rtol=1e-5, atol=1e-5)  # the loss is in float32
