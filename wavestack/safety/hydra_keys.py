"""Files may not steer Hydra: only its own groups and the user's command line do.

Hydra constructs objects from `hydra.callbacks`, `hydra.launcher`, `hydra.sweeper` and the factories
of its logging sections, sets environment variables, and chooses folders to write to, all before a
command's own function runs. Rather than chase the many ways in which a YAML file can reach those
keys (packages, defaults lists, renamed groups, merges), the composed `hydra` node is compared with
the one that the command line alone composes: a file that changed anything there is refused.
"""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError

# Filled in by Hydra itself, and different between any two runs.
_BOOKKEEPING = ("runtime", "overrides", "job.override_dirname", "job.config_name")

# Plugins that a user may choose by name (hydra/launcher=joblib); Hydra's own and the extras.
_PLUGINS = frozenset(
    {
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
        "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher",
        "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
    }
)
_SAMPLERS = ("TPESampler", "RandomSampler", "CmaEsSampler", "GridSampler", "MOTPESampler")
_NESTED = {f"hydra.sweeper.sampler:optuna.samplers.{name}" for name in _SAMPLERS}
_HANDLERS = frozenset({"logging.StreamHandler", "logging.FileHandler", "logging.NullHandler"})
_FORMATTERS = frozenset({"colorlog.ColoredFormatter"})


def check_hydra(composed: DictConfig, reference: DictConfig) -> None:
    """Stop when any file had a say in the `hydra` node.

    Args:
        composed: the `hydra` node of the whole config.
        reference: the `hydra` node composed from the command and its command-line `hydra` values
            alone, without recipe, debug preset, or any folder of the user's.

    Raises:
        UserError: naming the key.
    """
    found, expected = _flat(composed), _flat(reference)
    for key in sorted(found.keys() | expected.keys()):
        if any(key == skip or key.startswith(f"{skip}.") for skip in _BOOKKEEPING):
            continue
        if key not in found or key not in expected or found[key] != expected[key]:
            raise UserError(
                f"hydra.{key}: a recipe or config file may not set hydra's own keys; "
                "give it on the command line"
            )


def check_hydra_objects(node: DictConfig) -> None:
    """Stop at anything in the `hydra` node that would construct more than its own plugins.

    Args:
        node: the `hydra` node, unresolved.

    Raises:
        UserError: naming the key and the value.
    """
    flat = _flat(node)
    for key, value in flat.items():
        path = f"hydra.{key}"
        section, _, rest = key.partition(".")
        last = key.rsplit(".", 1)[-1]
        if section == "callbacks" and value is not None and rest:
            raise UserError(f"{path}: callbacks are not allowed here")
        if last == "_target_":
            plugin = key in ("launcher._target_", "sweeper._target_") and value in _PLUGINS
            nested = f"{path.removesuffix('._target_')}:{value}" in _NESTED
            if not plugin and not nested:
                raise UserError(f"{path}: {value} is not one of Hydra's known plugins")
        if section in ("job_logging", "hydra_logging"):
            factory = (last == "()" and value not in _FORMATTERS) or (
                last == "class" and value not in _HANDLERS
            )
            outside = isinstance(value, str) and value.startswith(("ext://", "cfg://"))
            if factory or (outside and value not in ("ext://sys.stdout", "ext://sys.stderr")):
                raise UserError(f"{path}: {value} is not allowed in a logging section")


def _flat(node: DictConfig) -> dict[str, Any]:
    """Every leaf of a config by its dotted key, interpolations left as they are written."""
    leaves: dict[str, Any] = {}

    def walk(value: Any, key: str) -> None:
        if isinstance(value, dict) and value:
            for name, child in value.items():
                walk(child, f"{key}.{name}" if key else str(name))
        elif isinstance(value, list) and value:
            for index, child in enumerate(value):
                walk(child, f"{key}.{index}")
        else:
            leaves[key] = value

    walk(OmegaConf.to_container(node, resolve=False), "")
    return leaves
