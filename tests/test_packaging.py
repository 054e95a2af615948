"""The wheel: configs and recipes lie inside, and an installation outside the checkout works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="not run from a checkout"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the hatchling that is installed here."""
    pytest.importorskip("hatchling", reason="the dev extra is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.whl")
    return file


def test_wheel_holds_every_config_and_recipe(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("conf", "recipes"):
        files = [file for file in (ROOT / folder).rglob("*") if file.is_file()]
        assert files
        for file in files:
            assert f"wavestack/{file.relative_to(ROOT).as_posix()}" in names
    modules = [f for f in (ROOT / "wavestack").rglob("*.py") if "__pycache__" not in f.parts]
    assert {file.relative_to(ROOT).as_posix() for file in modules} <= names


def test_wheel_is_typed_and_starts_the_program(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    assert "wavestack/py.typed" in names
    (entry,) = [name for name in names if name.endswith("entry_points.txt")]
    assert "wavestack = wavestack.cli:main" in archive.read(entry).decode()
    (metadata,) = [name for name in names if name.endswith("dist-info/METADATA")]
    assert "Requires-Dist: torch<2.12,>=2.11" in archive.read(metadata).decode()


def test_wheel_installs_one_package_and_no_folder_beside_it(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"wavestack"}


def test_unpacked_wheel_finds_its_own_configs(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "from wavestack.config import compose, config_folder, recipe_folder;"
        "print(config_folder(), recipe_folder());"
        "print(compose('train', ['recipe=quickstart', 'debug=smoke']).name)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    package = tmp_path / "site" / "wavestack"
    assert done.stdout.splitlines() == [f"{package / 'conf'} {package / 'recipes'}", "quickstart"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_installed_wheel_trains_outside_the_checkout() -> None:
    script = ROOT / ".ci" / "wheel.sh"
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
