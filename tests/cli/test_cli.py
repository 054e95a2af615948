"""The dispatcher: what runs, what is printed, what status a mistake has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import wavestack
from wavestack import cli, commands
from wavestack.cli import main, run
from wavestack.command_line.words import parse
from wavestack.errors import UserError


def status_of(*words: str) -> int:
    """The exit status of a command line, run in this process."""
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The command `recipes` with another function, in an empty folder."""
    import wavestack.commands.recipes as module

    monkeypatch.chdir(tmp_path)
    return module


@pytest.mark.parametrize(
    "words",
    [
        ["trian"],
        ["train", "recipe=quikstart"],
        ["train", "recipe=quickstart", "trainer.max_stps=1"],
        ["train"],
        ["train", "--no-such-flag"],
        ["train", "--config-dir"],
        ["train", "--config-dir", "/no/such/folder"],
        ["train", "recipe"],
        ["train", "resume=/no/such/folder"],
        ["generate"],
        ["generate", "run=/no/such/folder"],
        ["generate", "run=x", "out=x.mp3"],
        ["generate", "run=x", "seconds=0"],
        ["stream", "run=x", "input=y.wav", "block=0"],
        ["export", "run=x", "format=nam"],
        ["export", "run=x", "format=pt2", "out=x.onnx"],
        ["evaluate", "run=/no/such/folder"],
        ["evaluate", "run=x", "split=tset"],
        ["-sc", "help=bash"],
    ],
)
def test_mistake_prints_a_plain_line_and_exits_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("wavestack: ")
    assert 1 <= len(err.splitlines()) <= 2
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == [], "a refused command leaves no folder behind"


def test_unknown_command_and_flag_name_the_nearest() -> None:
    with pytest.raises(UserError, match=r"trian: no such command; did you mean train"):
        run(["trian"])
    with pytest.raises(UserError, match=r"--multi: no such flag here"):
        run(["train", "--multi"])


def test_every_command_has_its_module_and_config() -> None:
    from wavestack.config import config_folder

    for name in commands.COMMANDS:
        assert (config_folder() / f"{name}.yaml").is_file()
        assert (Path(commands.__file__).parent / f"{name}.py").is_file()


def test_flags_may_stand_between_values(tmp_path: Path) -> None:
    line = parse(
        "train",
        ["a=1", "--cfg", "job", "+b=2", "-cd", str(tmp_path), "~c", "-m", "trust=[p,q]", "-i"],
    )
    assert line.overrides == ["a=1", "+b=2", "~c"]
    assert line.flags == ["--cfg", "job", "--multirun", "--info", "all"]
    assert line.config_dir == tmp_path
    assert line.trust == ["p", "q"]


def test_cfg_job_prints_the_config_and_runs_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of("train", "--cfg", "job", "recipe=quickstart", "trainer.max_steps=7") == 0
    assert "max_steps: 7" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_command_sees_the_whole_line_again(probe: ModuleType, monkeypatch) -> None:
    seen: list[list[str]] = []
    words = ["wavestack", "recipes", "match=x"]
    monkeypatch.setattr(sys, "argv", list(words))
    monkeypatch.setattr(probe, "run", lambda cfg: seen.append(list(sys.argv)))
    assert run(words[1:]) == 0
    assert seen == [words]
    assert sys.argv == words


def test_bug_keeps_its_traceback_and_says_so(probe: ModuleType, monkeypatch) -> None:
    def broken(cfg: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(probe, "run", broken)
    with pytest.raises(KeyError) as caught:
        main(["recipes"])
    assert any("bug in wavestack" in note for note in caught.value.__notes__)


def test_mistyped_config_access_in_a_command_is_a_bug_not_a_mistake(
    probe: ModuleType, monkeypatch
) -> None:
    from omegaconf.errors import ConfigAttributeError

    monkeypatch.setattr(probe, "run", lambda cfg: cfg.no_such_key)
    with pytest.raises(ConfigAttributeError):
        main(["recipes"])


def test_full_error_shows_the_traceback_of_a_mistake(monkeypatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(UserError):
        main(["generate", "run=/no/such/folder"])


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("a plain line"), 2, "wavestack: a plain line\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (FileNotFoundError(2, "No such file or directory", "x.wav"), 2, "wavestack: x.wav: No"),
        (OSError(28, "No space left on device", "x.wav"), 2, "wavestack: x.wav: No space"),
        (FileExistsError(17, "File exists", "x.wav"), 2, "wavestack: x.wav: File exists"),
    ],
)
def test_errors_of_a_command_have_their_status(
    error: BaseException, status: int, said: str, probe: ModuleType, monkeypatch, capsys
) -> None:
    def fail(cfg: object) -> None:
        raise error

    monkeypatch.setattr(probe, "run", fail)
    assert status_of("recipes") == status
    assert capsys.readouterr().err.startswith(said)


def test_sweep_goes_on_after_a_job_that_failed(probe: ModuleType, monkeypatch, capsys) -> None:
    done: list[str] = []

    def fail_first(cfg) -> None:
        if cfg.match == "a":
            raise UserError("no a")
        done.append(cfg.match)

    monkeypatch.setattr(probe, "run", fail_first)
    assert run(["recipes", "-m", "match=a,b,c"]) == 2
    assert done == ["b", "c"]
    assert "wavestack: no a" in capsys.readouterr().err


def test_trust_is_taken_from_the_command_line(probe: ModuleType, monkeypatch, tmp_path) -> None:
    from wavestack.safety import instantiate, trust

    (tmp_path / "package_of_the_user.py").write_text("class Thing: pass\n")
    monkeypatch.setattr(trust, "_trusted", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    made: list[object] = []
    config = {"_target_": "package_of_the_user.Thing"}
    monkeypatch.setattr(probe, "run", lambda cfg: made.append(instantiate(config)))
    with pytest.raises(UserError, match="trust=PACKAGE"):
        run(["recipes"])
    assert run(["recipes", "trust=package_of_the_user"]) == 0
    assert type(made[0]).__name__ == "Thing"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--version") == 0
    assert capsys.readouterr().out == f"wavestack {wavestack.__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from wavestack.cli import run; run([]); run(['train', '--help']);"
        "print(sorted({'torch', 'hydra', 'lightning', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_program_and_module_are_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wavestack", "trian"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("wavestack: trian: no such command")
    assert cli.main is main
