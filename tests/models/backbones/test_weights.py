"""Weights of a backbone: which files are read, and what is said about the others."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.models.backbones.helpers import shaken
from wavestack.errors import UserError
from wavestack.models.backbones import BACKBONES, Backbone, ResNet, load_weights, make_backbone

WIDTH = 4  # all that is said here is true of slim networks too


@pytest.fixture(scope="module")
def trained() -> torch.nn.Module:
    torch.manual_seed(0)
    model = shaken(ResNet(18, base_channels=WIDTH))
    model.fc = torch.nn.Linear(8 * WIDTH, 10)
    return model


def read(path: Path | str) -> Backbone:
    """A ResNet-18 with the weights of a file."""
    return make_backbone("resnet18", base_channels=WIDTH, weights=path)


def assert_loaded(backbone: torch.nn.Module, trained: torch.nn.Module) -> None:
    for name, tensor in backbone.state_dict().items():
        torch.testing.assert_close(tensor, trained.state_dict()[name], rtol=0, atol=0)


def test_torch_files_and_safetensors_are_read(trained, tmp_path):
    torch.save(trained.state_dict(), tmp_path / "resnet18.pth")
    save_file(trained.state_dict(), tmp_path / "resnet18.safetensors")
    for name in ("resnet18.pth", "resnet18.safetensors"):
        assert_loaded(read(tmp_path / name), trained)


def test_the_classifier_is_left_out_and_the_log_says_so(trained, tmp_path, caplog):
    torch.save(trained.state_dict(), tmp_path / "resnet18.pth")
    with caplog.at_level(logging.INFO, logger="wavestack"):
        read(str(tmp_path / "resnet18.pth"))
    assert "resnet18.pth: left out the classifier (fc.weight, fc.bias)" in caplog.text


def test_checkpoints_of_segmentation_models_and_of_data_parallel(trained, tmp_path):
    state = trained.state_dict()
    del state["fc.weight"], state["fc.bias"]
    segmentation = {f"backbone.{k}": v for k, v in state.items()}
    segmentation["classifier.0.weight"] = torch.zeros(1)
    parallel = {f"module.{k}": v for k, v in segmentation.items()}
    for content in (segmentation, {"epoch": 3, "model": segmentation}, {"state_dict": parallel}):
        torch.save(content, tmp_path / "checkpoint.pt")
        assert_loaded(read(tmp_path / "checkpoint.pt"), trained)


def test_counters_of_batches_may_be_missing(trained, tmp_path):
    state = {k: v for k, v in trained.state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "old.pth")
    assert_loaded(read(tmp_path / "old.pth"), trained)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("layer3.0.conv1.weight"), r"layer3\.0\.conv1\.weight is missing$"),
        (lambda s: s.update(extra=torch.zeros(1)), "extra is unexpected$"),
        (
            lambda s: s.update({"conv1.weight": torch.zeros(4, 1, 7, 7)}),
            r"conv1\.weight has shape \(4, 1, 7, 7\) instead of \(4, 3, 7, 7\)$",
        ),
    ],
)
def test_the_first_key_that_does_not_fit_is_named(trained, tmp_path, spoil, message):
    state = dict(trained.state_dict())
    spoil(state)
    torch.save(state, tmp_path / "spoilt.pth")
    backbone = ResNet(18, base_channels=WIDTH)
    before = backbone.conv1.weight.clone()
    with pytest.raises(UserError, match=message) as caught:
        load_weights(backbone, tmp_path / "spoilt.pth")
    assert str(caught.value).startswith(str(tmp_path / "spoilt.pth"))
    assert "\n" not in str(caught.value)
    assert torch.equal(backbone.conv1.weight, before)


def test_imagenet_without_a_network_says_what_to_do(monkeypatch, tmp_path):
    from urllib.error import URLError

    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UserError, match=r"resnet18-.*\.pth could not be fetched .*give a file"):
        read("imagenet")


def test_imagenet_takes_what_torchvision_keeps(monkeypatch, trained):
    from torchvision.models import ResNet18_Weights

    def cached(self, **kwargs):
        assert self is ResNet18_Weights.IMAGENET1K_V1
        return trained.state_dict()

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", cached)
    assert_loaded(read("imagenet"), trained)


def test_torchvision_s_names_exist():
    from torchvision.models import get_weight

    for name in BACKBONES:
        published = make_backbone(name, base_channels=1).torchvision_weights
        if published is not None:
            assert get_weight(published).url.startswith("https://")


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match=r"backbone must be one of resnet18, .*got 'resnet20'"):
        make_backbone("resnet20")
