"""`wavestack rf` and `wavestack design`: what they print, what they write, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from wavestack.cli import main
from wavestack.receptive_field.design import design

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, width=2, pair=False):
        super().__init__()
        self.conv = nn.Conv1d(1, width, 5, dilation=3)
        self.head = nn.Conv1d(width, 1, 1)
        self.pair = pair

    def forward(self, x):
        y = self.head(self.conv(x))
        return (y, x) if self.pair else y

def broken():
    raise RuntimeError("no weights\\nsecond line")

number = 3
"""


@pytest.fixture
def wavestack(capsys, monkeypatch, tmp_path):
    """Runs one command line in an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "my_net.py").write_text(NET)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def test_model_of_the_group_states_samples_and_time(wavestack):
    words = ("rf", "model=wavenet", "model.num_stacks=1", "sample_rate=16000")
    status, out, _ = wavestack(*words)
    assert status == 0
    assert out.startswith("This output sees 1,024 samples = 64.0 ms, causal")


def test_target_of_a_file_is_called_with_its_arguments(wavestack):
    words = ("rf", "target=my_net.py:Net", "arguments={width: 3}", "input=[1,1,64]")
    status, out, _ = wavestack(*words, "out=[a.json,b.html,c.png,d.txt]")
    assert status == 0
    data = json.loads(Path("a.json").read_text())
    assert data["axes"]["T"]["size"] == 13
    assert data["axes"]["T"]["used"] == 5
    assert data["output_shape"] == [1, 1, 52]
    assert Path("b.html").stat().st_size > 10_000
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")
    assert Path("d.txt").read_text() in out


def test_target_by_dotted_name_and_layer(wavestack):
    words = ("rf", "target=my_net.Net", "input=[1,1,64]", "layer=conv", "verify=true")
    status, out, _ = wavestack(*words)
    assert status == 0
    assert "sees 13 samples" in out
    assert "agree" in out


def test_effective_field_of_noise_and_of_a_file(wavestack, tmp_path):
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "x.wav", np.random.default_rng(0).normal(size=400) * 0.1, 8000)
    words = ("rf", "target=my_net.py:Net", "input=[1,1,64]", "sample_rate=8000")
    for source in ("noise", "x.wav"):
        status, out, err = wavestack(*words, f"effective={source}")
        assert status == 0, err
        assert "effective receptive field" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "one of model=NAME, run=DIR and target=PACKAGE.NAME must be given"),
        (["model=wavenet", "run=x"], "got model and run"),
        (["target=my_net.py:Net"], "input must be given with target"),
        (["target=my_net.py:Nett", "input=[1,1,64]"], "my_net has no Nett; did you mean Net"),
        (["target=no_such_thing.Net", "input=[1]"], "there is no module no_such_thing"),
        (["target=other.py:Net", "input=[1]"], "there is no file other.py"),
        (["target=my_net.py:broken", "input=[1]"], "my_net.py:broken: no weights"),
        (["target=my_net.py:number", "input=[1]"], "is no class or function"),
        (["target=builtins.dict", "input=[1]"], "makes a dict, not a torch module"),
        (["target=my_net.py:Net", "arguments={wide: 3}", "input=[1,1,9]"], "unexpected keyword"),
        (["target=my_net.py:Net", "input=[1,1,-3]"], "input must be a shape"),
        (["target=my_net.py:Net", "input=[1,1,64]", "dtype=float99"], "dtype must be like"),
        (["target=my_net.py:Net", "input=[1,1,64]", "out=a.pdf"], "must end in .html"),
        (["target=my_net.py:Net", "input=[1,1,64]", "layer=cnov"], "conv"),
        (["target=my_net.py:Net", "input=[1,1,7]"], "13"),
        (
            ["target=my_net.py:Net", "arguments={pair: true}", "input=[1,1,64]"],
            "layer=",
        ),
        (["target=my_net.py:Net", "input=[1,1,64]", "effective=nothing.wav"], "no such file"),
        (["run=nowhere"], "nowhere"),
        (["model=wavnet"], "did you mean wavenet"),
        (["targt=3"], "did you mean target"),
    ],
)
def test_mistakes_are_one_or_two_plain_lines(wavestack, words, message):
    status, out, err = wavestack("rf", *words)
    assert status == 2
    assert message in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) <= 2
    assert out == ""


def test_a_config_file_cannot_name_a_target(wavestack, tmp_path):
    folder = tmp_path / "configs" / "model"
    folder.mkdir(parents=True)
    (folder / "evil.yaml").write_text(
        "# @package _global_\ntarget: os.system\narguments: {command: 'touch hacked'}\ninput: [1]\n"
    )
    status, _, err = wavestack("rf", "--config-dir", str(tmp_path / "configs"), "model=evil")
    assert status == 2
    assert "target" in err
    assert not Path("hacked").exists()


def test_arguments_of_a_config_file_are_not_used(wavestack, tmp_path):
    folder = tmp_path / "configs" / "model"
    folder.mkdir(parents=True)
    (folder / "sly.yaml").write_text("# @package _global_\narguments: {width: 7}\nmodel: null\n")
    words = ("rf", "--config-dir", str(tmp_path / "configs"), "model=sly", "input=[1,1,64]")
    status, _, err = wavestack(*words, "target=my_net.py:Net", "out=a.json")
    if status == 0:
        assert json.loads(Path("a.json").read_text())["params"] == 2 * 5 + 2 + 2 + 1
    else:
        assert "Traceback" not in err


def test_design_prints_fragments_that_the_model_takes(wavestack):
    import yaml

    from wavestack.models import WaveNet
    from wavestack.receptive_field import analyze

    status, out, _ = wavestack("design", "target=20ms", "sample_rate=16000", "pick=1")
    assert status == 0
    settings = yaml.safe_load(out)["model"]
    sizes = {"residual_channels": 2, "dilation_channels": 2, "skip_channels": 2, "end_channels": 2}
    model = (
        WaveNet(**sizes, num_stacks=1, **settings)
        if "dilations" in settings
        else WaveNet(**sizes, **settings)
    )
    report = analyze(model, model.distribution.encode(torch.zeros(1, 1000)))
    expected = design("20ms", sample_rate=16_000)[0].receptive_field
    assert report.axes["T"].size == expected >= 320


def test_designed_overrides_are_taken_by_train(wavestack):
    for schedule in design(300, num_stacks=(1, 2)):
        words = [word.strip("'") for word in schedule.to_overrides()]
        status, out, err = wavestack("train", "recipe=quickstart", *words, "--cfg", "job")
        assert status == 0, err
        for key in schedule.settings:
            assert f"{key}:" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "target must be given"),
        (["target=300ms"], "give sample_rate"),
        (["target=100", "max_layers=2"], "without holes, only 9"),
        (["target=100", "pick=9"], "pick must be 1 to"),
        (["target=100", "kernel_sizes=[a]"], "kernel_sizes must be a whole number"),
        (["target=tomorrow"], "target must be like 1024"),
    ],
)
def test_design_refuses_in_one_line(wavestack, words, message):
    status, out, err = wavestack("design", *words)
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""


def test_a_segmentation_net_is_asked_with_an_image(wavestack):
    words = ("rf", "model=dilated_vgg", "model.base_channels=2", "model.channels=4")
    status, out, _ = wavestack(*words, "layer=front_end")
    assert status == 0
    assert out.startswith("This output sees 380 \u00d7 380 pixels")
    assert "one output every 8" in out


def test_a_run_of_images_has_no_sample_rate(wavestack):
    from wavestack.export.safetensors import save
    from wavestack.models import LinkNet

    options = {"num_classes": 2, "base_channels": 4}
    config = {"model": {"_target_": "wavestack.models.LinkNet", **options}, "data": {}}
    save(LinkNet(**options), Path("model.safetensors"), config)
    status, out, _ = wavestack("rf", "run=model.safetensors")
    assert status == 0
    assert out.startswith("This output sees 499 \u00d7 499 pixels")
