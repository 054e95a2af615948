"""docs/segmentation_data.md: its command composes, its keys exist, every data file has a row."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from wavestack.config import compose, config_folder
from wavestack.data import ImageMaskFolder, PairAugmentation, SegmentationData

PAGE = Path(__file__).resolve().parents[3] / "docs" / "segmentation_data.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install")


def test_the_command_composes() -> None:
    (line,) = re.findall(r"^wavestack (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    command, *words = shlex.split(line)
    assert compose(command, words).model.num_classes == 3


def test_every_data_file_of_segmentation_has_a_row() -> None:
    files = {
        file.stem
        for file in (config_folder() / "data").glob("*.yaml")
        if OmegaConf.load(file)["_target_"].endswith(".SegmentationData")
    }
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
    assert rows == files


def test_keys_that_the_page_names_exist() -> None:
    text = PAGE.read_text("utf-8")
    known = set(inspect.signature(ImageMaskFolder).parameters) | {"sbd_root"}
    assert set(re.findall(r"data\.source\.(\w+)", text)) <= known
    assert set(re.findall(r"`data\.(\w+)", text)) <= {
        *inspect.signature(SegmentationData).parameters
    }
    (sentence,) = re.findall(r"`data\.augmentation` has (.*?):", text)
    named = set(re.findall(r"`(\w+)`", sentence))
    assert named | {"elastic_smoothness"} == set(inspect.signature(PairAugmentation).parameters)
