"""Objects from configs, by exact name only.

Hydra's own `instantiate` calls whatever `_target_` names, less a list of known evils; eight of 22
hostile payloads passed it. Here a target must be on the allow-list (or in a package that the user
trusts), is looked up, and is then checked again by what it really is. Interpolations are resolved
and every node is checked before the first object is made.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from wavestack.errors import UserError
from wavestack.safety.allowed import ALLOWED
from wavestack.safety.arguments import check_arguments
from wavestack.safety.resolvers import plain_resolvers
from wavestack.safety.trust import trusted_packages

_MARKS = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")


def instantiate(
    config: Any, *args: Any, trust: Iterable[str] = (), key: str = "", **kwargs: Any
) -> Any:
    """Construct what a config describes: a `_target_` with its arguments, and all that is nested.

    Understands `_args_` (positional arguments), `_partial_: true` (a `functools.partial` instead of
    the object) and `_recursive_: false` (nested descriptions are checked but handed on as plain
    dicts). Values reach constructors as plain Python containers. Dicts and lists without a target
    come back as such, with the objects in them constructed; None comes back as None.

    Args:
        config: a DictConfig, ListConfig, dict, list or plain value.
        args: positional arguments, instead of `_args_`.
        trust: further packages whose classes may be named; only your own Python gives this.
        key: full name of `config` within its config, for messages; found by itself for DictConfig.
        kwargs: further or replaced arguments of the outermost target, passed as they are.

    Returns:
        The constructed object.

    Raises:
        UserError: when a target is not allowed, an argument is unknown, missing or of a wrong
            type, or a constructor refuses a value; the message names the key.

    Example:
        >>> instantiate({"_target_": "torch.nn.Conv1d", "_args_": [1, 2], "kernel_size": 3})
        Conv1d(1, 2, kernel_size=(3,), stride=(1,))
        >>> instantiate({"_target_": "os.system", "command": "true"}, key="model")
        Traceback (most recent call last):
        ...
        wavestack.errors.UserError: model: _target_ os.system is not on the list of what a config...
    """
    with plain_resolvers():
        plain, found_key = _to_plain(config)
    key = key or found_key
    packages = frozenset(trust) | trusted_packages()
    targets: dict[str, Callable[..., Any]] = {}
    _check(plain, key, packages, targets)
    if args or kwargs:
        if not isinstance(plain, dict) or "_target_" not in plain:
            raise UserError(f"{key or 'config'}: has no _target_ that could take arguments")
        plain = {name: value for name, value in plain.items() if name not in kwargs}
    return _build(plain, key, targets, args, kwargs)


def check_names(config: Any, key: str = "") -> None:
    """Stop at any target in a resolved config that is not allowed, without importing anything.

    Raises:
        UserError: naming the key and the target.
    """
    if isinstance(config, Mapping):
        if "_target_" in config:
            check_name(config["_target_"], key, trusted_packages())
        for name, value in config.items():
            check_names(value, _join(key, name))
    elif isinstance(config, (list, tuple)):
        for index, value in enumerate(config):
            check_names(value, f"{key}[{index}]")


def check_name(target: Any, key: str = "", packages: Iterable[str] = ()) -> bool:
    """Check one target by its name alone; say whether it is one of a trusted package.

    Raises:
        UserError: when the name is neither on the list nor in a trusted package.
    """
    where = f"{key}: " if key else ""
    if not isinstance(target, str):
        raise UserError(f"{where}_target_ must be a name, got {target!r}")
    trusted = any(target.startswith(f"{package}.") for package in packages)
    if target not in ALLOWED and not trusted:
        raise UserError(
            f"{where}_target_ {target} is not on the list of what a config may construct "
            "(classes of your own: trust=PACKAGE on the command line)"
        )
    return trusted


def resolve_target(target: Any, key: str = "", packages: Iterable[str] = ()) -> Callable[..., Any]:
    """Look an allowed name up, and check that it is what its name says.

    Raises:
        UserError: when the name is not allowed, does not exist, or leads to something else.
    """
    where = f"{key}: " if key else ""
    packages = tuple(packages)
    trusted = check_name(target, key, packages)
    try:
        found = _locate(target)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{where}_target_ {target} cannot be found: {error}") from error
    home = getattr(found, "__module__", None)
    if isinstance(found, ModuleType) or not callable(found) or not isinstance(home, str):
        raise UserError(f"{where}_target_ {target} is no class or function")
    # The name may be an alias for something from elsewhere: look at where the object was defined.
    roots = packages if trusted else (target.split(".")[0],)
    if not any(home == root or home.startswith(f"{root}.") for root in roots):
        raise UserError(f"{where}_target_ {target} is really {home}.{found.__qualname__}")
    if not inspect.isclass(found) and not inspect.isfunction(found):
        raise UserError(f"{where}_target_ {target} is no class or function")
    return found


def class_of(config: Any, key: str = "") -> Callable[..., Any] | None:
    """What the `_target_` of a config names, nothing constructed; None where it names nothing.

    Raises:
        UserError: when the name is not allowed, does not exist, or leads to something else.
    """
    if config is None or config.get("_target_") is None:
        return None
    return resolve_target(config["_target_"], key, trusted_packages())


def _locate(target: str) -> Any:
    parts = target.split(".")
    module = importlib.import_module(parts[0])
    found: Any = module
    for index, part in enumerate(parts[1:], start=1):
        if part.startswith("_"):
            raise ImportError(f"{part} is not public")
        try:
            found = getattr(found, part)
        except AttributeError:
            if not isinstance(found, ModuleType):
                raise
            found = importlib.import_module(".".join(parts[: index + 1]))
    return found


def _to_plain(config: Any) -> tuple[Any, str]:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from wavestack.mistakes import config_message

    if not OmegaConf.is_config(config):
        if not isinstance(config, (dict, list)):
            return config, ""
        # A plain container may hold config nodes; one round through OmegaConf resolves them too.
        config = OmegaConf.create(config, flags={"allow_objects": True})
    key = config._get_full_key(None) or ""
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True), key
    except OmegaConfBaseException as error:
        raise UserError(config_message(error)) from error


def _check(
    node: Any, key: str, packages: frozenset[str], targets: dict[str, Callable[..., Any]]
) -> None:
    """Check every target of the tree before anything of it is constructed."""
    if isinstance(node, dict):
        if "_target_" in node:
            targets[key] = resolve_target(node["_target_"], key, packages)
            if not isinstance(node.get("_args_", []), list):
                raise UserError(f"{_join(key, '_args_')} must be a list, got {node['_args_']!r}")
            for flag in ("_partial_", "_recursive_"):
                if not isinstance(node.get(flag, False), bool):
                    raise UserError(f"{_join(key, flag)} must be true or false, got {node[flag]!r}")
        else:
            stray = [name for name in _MARKS if name in node]
            if stray:
                raise UserError(f"{key or 'config'}: has {stray[0]} but no _target_")
        for name, value in node.items():
            _check(value, _join(key, name), packages, targets)
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            _check(value, f"{key}[{index}]", packages, targets)


def _build(
    node: Any,
    key: str,
    targets: dict[str, Callable[..., Any]],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    if isinstance(node, list):
        return [_build(value, f"{key}[{index}]", targets) for index, value in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if "_target_" not in node:
        return {name: _build(value, _join(key, name), targets) for name, value in node.items()}
    recursive = node.get("_recursive_", True)
    positional = args or tuple(node.get("_args_", ()))
    named = {name: value for name, value in node.items() if name not in _MARKS}
    if recursive:
        named = {name: _build(value, _join(key, name), targets) for name, value in named.items()}
        if not args:
            positional = tuple(
                _build(value, f"{_join(key, '_args_')}[{index}]", targets)
                for index, value in enumerate(positional)
            )
    named.update(kwargs or {})
    target = targets[key]
    partial = node.get("_partial_", False)
    check_arguments(target, positional, named, key=key, partial=partial)
    if partial:
        return functools.partial(target, *positional, **named)
    try:
        return target(*positional, **named)
    except UserError:
        raise
    except ValueError as error:  # our constructors name the argument and its value
        raise UserError(f"{key}: {error}" if key else str(error)) from error


def _join(key: str, name: Any) -> str:
    return f"{key}.{name}" if key else str(name)
