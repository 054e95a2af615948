"""One direction of imports, and light packages that load nothing heavier than torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import wavestack

HEAVY = ("hydra", "lightning", "torchaudio", "matplotlib", "numba", "omegaconf", "torchvision")
ROOT = Path(wavestack.__file__).parent
# What stands beside the floors, and so may know the ground alone.
GROUND = {"errors", "files", "version"}
BESIDE = {
    "receptive_field": set(),
    "signal": set(),
    "data": {"signal"},
    "losses": {"signal"},
    "metrics": {"signal"},
    "layers": {"receptive_field"},
    "models": {"layers", "receptive_field", "signal", "state_file"},
}


@pytest.mark.parametrize(
    "package", ["wavestack.layers", "wavestack.models", "wavestack.receptive_field"]
)
def test_light_packages_load_nothing_heavier_than_torch(package):
    code = (
        f"import sys, {package}\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(', '.join(found) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, f"import {package} loads {result.stderr}"


def test_files_import_each_other_in_no_circle(imports):
    assert circle(imports) is None


def test_packages_import_each_other_in_no_circle(imports):
    assert circle(rooms(imports)) is None


@pytest.mark.parametrize("name", BESIDE)
def test_a_package_imports_only_what_lies_below(imports, name):
    assert rooms(imports)[name] <= BESIDE[name] | GROUND


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """The modules that every module of the package imports, those within functions too."""
    paths = {name_of(path): path for path in ROOT.rglob("*.py")}
    return {
        name: set(imported(ast.parse(path.read_text("utf-8")), paths)) - {name}
        for name, path in paths.items()
    }


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        # Names for type checkers alone are never imported: a report may name its faces' types.
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (name.name for name in child.names if name.name in known)
        if isinstance(child, ast.ImportFrom) and child.module in known:
            for name in child.names:
                inner = f"{child.module}.{name.name}"
                yield inner if inner in known else child.module
        yield from imported(child, known)


def rooms(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between the packages and single files of the first level."""

    def room(module: str) -> str:
        return ".".join(module.split(".")[1:2]) or "wavestack"

    found: dict[str, set[str]] = {}
    for module, others in imports.items():
        found.setdefault(room(module), set()).update(room(other) for other in others)
    return {name: others - {name} for name, others in found.items()}


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None
