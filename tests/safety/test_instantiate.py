"""Targets of configs: what is allowed is constructed, everything else is refused untouched."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from tests.safety.payloads import PAYLOADS, fill
from wavestack.config import config_folder, recipe_folder
from wavestack.errors import UserError
from wavestack.safety import instantiate, trust, trust_packages
from wavestack.safety.allowed import ALLOWED
from wavestack.safety.instantiate import resolve_target

# Ways to hide a payload inside something harmless.
CARRIERS: dict[str, Any] = {
    "alone": lambda evil: evil,
    "as an argument": lambda evil: {"_target_": "torch.nn.Identity", "x": evil},
    "in _args_": lambda evil: {"_target_": "torch.nn.Sequential", "_args_": [[evil]]},
    "partial": lambda evil: {**evil, "_partial_": True},
    "deep in a list": lambda evil: {"parts": [{"more": [[evil]]}]},
    "not recursive": lambda evil: {
        "_target_": "torch.nn.Identity",
        "_recursive_": False,
        "x": {"y": evil},
    },
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", PAYLOADS)
def test_hostile_target_is_refused_and_nothing_happens(
    name: str, carrier: str, untouched: Path, tmp_path: Path
) -> None:
    evil = fill(PAYLOADS[name], untouched / "written", tmp_path / "x.pickle")
    config = CARRIERS[carrier](evil)
    before = set(sys.modules)
    with pytest.raises(UserError, match="_target_"):
        instantiate(config, key="model")
    with pytest.raises(UserError, match="_target_"):
        instantiate(OmegaConf.create({"model": config}).model)
    # Refused by name: not even the module is imported.
    assert "antigravity" not in sys.modules
    assert not {"webbrowser", "torch.utils.cpp_extension"} & (set(sys.modules) - before)


@pytest.mark.parametrize(
    "text",
    [
        "evil: {_target_: os.system, _args_: ['touch written']}\nmodel: ${evil}",
        "part: system\nmodel: {_target_: 'os.${part}', _args_: ['touch written']}",
        "name: os.system\nmodel: {_target_: '${name}', _args_: ['touch written']}",
        "model: {_target_: torch.nn.Identity, x: '${oc.create:\"{_target_: os.system}\"}'}",
        "model: {_target_: torch.nn.Identity, x: '${oc.decode:\"{_target_: os.system}\"}'}",
        "model: {_target_: torch.nn.Identity, x: '${oc.env:HOME}'}",
        "kind: oc.env\nmodel: {_target_: torch.nn.Identity, x: '${${kind}:HOME}'}",
    ],
)
def test_interpolation_hides_nothing(text: str, untouched: Path) -> None:
    with pytest.raises(UserError):
        instantiate(OmegaConf.create(text).model)


def test_nothing_is_constructed_before_everything_was_checked(untouched: Path) -> None:
    made: list[int] = []

    class Counted(nn.Identity):
        def __init__(self, **_: Any) -> None:
            made.append(1)

    config = [
        {"_target_": "torch.nn.Identity"},
        {"_target_": "os.system", "_args_": ["touch written"]},
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn, "Identity", Counted)
        Counted.__module__ = "torch.nn.modules.linear"
        with pytest.raises(UserError, match=r"\[1\].*os\.system"):
            instantiate(config)
    assert made == []


def test_name_that_was_exchanged_for_something_else_is_refused(untouched: Path) -> None:
    import os

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn, "Identity", os.system)
        with pytest.raises(UserError, match=r"really posix\.system"):
            instantiate({"_target_": "torch.nn.Identity", "_args_": ["touch written"]})


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_every_allowed_name_exists(name: str) -> None:
    assert callable(resolve_target(name))


def test_every_target_in_our_configs_is_allowed() -> None:
    def targets(node: Any) -> list[str]:
        if isinstance(node, dict):
            found = [node["_target_"]] if "_target_" in node else []
            return found + [t for value in node.values() for t in targets(value)]
        return [t for value in node for t in targets(value)] if isinstance(node, list) else []

    files = [*config_folder().rglob("*.yaml"), *recipe_folder().glob("*.yaml")]
    assert files
    for file in files:
        plain = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        unknown = set(targets(plain)) - ALLOWED
        assert not unknown, f"{file}: add {unknown} to wavestack/safety/allowed.py"


def test_constructs_nested_objects_and_plain_containers() -> None:
    config = OmegaConf.create(
        """
        width: 3
        model:
          _target_: torch.nn.Sequential
          _args_:
            - {_target_: torch.nn.Linear, in_features: "${width}", out_features: 2}
            - {_target_: torch.nn.ReLU}
        """
    )
    model = instantiate(config.model)
    assert isinstance(model[0], nn.Linear)
    assert model[0].in_features == 3
    assert instantiate({"a": [1, {"b": None}]}) == {"a": [1, {"b": None}]}
    assert instantiate(None) is None


def test_partial_takes_the_rest_later() -> None:
    make = instantiate({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5})
    assert isinstance(make, functools.partial)
    assert make(nn.Linear(1, 1).parameters()).defaults["lr"] == 0.5


def test_arguments_given_in_python_replace_those_of_the_config() -> None:
    config = {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 2}
    assert instantiate(config, in_features=5).in_features == 5
    layer = nn.ReLU()
    assert instantiate({"_target_": "torch.nn.Sequential"}, layer)[0] is layer


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"in_featurs": 1, "out_features": 1}, r"model\.in_featurs.*did you mean in_features"),
        ({"in_features": "wide", "out_features": 1}, r"model\.in_features must be int, got 'wide'"),
        ({"in_features": True, "out_features": 1}, r"model\.in_features must be int, got True"),
        ({"in_features": 1}, r"model: Linear: missing a required argument: 'out_features'"),
    ],
)
def test_wrong_argument_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        instantiate({"_target_": "torch.nn.Linear", **config}, key="model")


def test_value_refused_by_a_constructor_is_named_with_its_key() -> None:
    config = {"_target_": "torch.nn.Dropout", "p": 2.0}
    with pytest.raises(UserError, match=r"^model: dropout probability has to be"):
        instantiate(config, key="model")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_partial_": True}, "has _partial_ but no _target_"),
        ({"_target_": "torch.nn.ReLU", "_partial_": "yes"}, "_partial_ must be true or false"),
        ({"_target_": "torch.nn.ReLU", "_args_": "x"}, "_args_ must be a list"),
    ],
)
def test_malformed_marks_are_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        instantiate(config)


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the user's own that imports os, as any package may."""
    folder = tmp_path / "packages" / "mine_of_tests"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "import os\nfrom os import system as shell\nfrom torch import load\n"
        "class Thing:\n    def __init__(self, size: int = 1): self.size = size\n"
    )
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(trust, "_trusted", set())
    return folder.name


def test_own_package_needs_trust(own_package: str) -> None:
    config = {"_target_": f"{own_package}.Thing", "size": 4}
    with pytest.raises(UserError, match="trust=PACKAGE"):
        instantiate(config)
    assert own_package not in sys.modules
    assert instantiate(config, trust=[own_package]).size == 4
    trust_packages([own_package])
    assert instantiate(config).size == 4


@pytest.mark.parametrize("name", ["os.system", "shell", "load", "os.path.os.system"])
def test_trusted_package_does_not_hand_on_what_it_imports(
    own_package: str, name: str, untouched: Path
) -> None:
    with pytest.raises(UserError, match="_target_"):
        instantiate(
            {"_target_": f"{own_package}.{name}", "_args_": ["touch written"]}, trust=[own_package]
        )


@pytest.mark.parametrize("name", ["torch", "os", "wavestack", "builtins", "torch.hub", "a-b", ""])
def test_some_names_cannot_be_trusted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_trusted", set())
    with pytest.raises(UserError, match=r"trust="):
        trust_packages([name])
