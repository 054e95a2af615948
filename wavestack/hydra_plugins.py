"""Where Hydra finds recipes and a user's own configs.

Recipes lie in a top-level folder, not in a config group, and a user's `--config-dir` comes before
ours, so that a file of the same name wins. Hydra learns both from the two small plugins here; they
are registered by `search_folders` alone, so another Hydra program in the same process never
notices them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

GROUP = "recipe"

# (provider, url) in the order of precedence; empty outside `search_folders`.
_folders: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("_folders", default=())


class RecipeSource(ConfigSource):
    """A flat folder of YAML files, seen by Hydra as the config group `recipe`.

    A recipe says `# @package _global_` on its first line; one that forgets it is read as if it did,
    since nothing else makes sense for a whole experiment.
    """

    @staticmethod
    def scheme() -> str:
        return "recipes"

    def load_config(self, config_path: str) -> ConfigResult:
        file = self._file(config_path)
        if file is None or not file.is_file():
            raise ConfigLoadError(f"Config not found: {self.full_path()}/{config_path}")
        header = ConfigSource._get_header_dict(file.read_text(encoding="utf-8"))
        header["package"] = header["package"] or "_global_"
        return ConfigResult(
            config=OmegaConf.load(file),
            path=self.full_path(),
            provider=self.provider,
            header=header,
        )

    def available(self) -> bool:
        return Path(self.path).is_dir()

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", GROUP) and self.available()

    def is_config(self, config_path: str) -> bool:
        file = self._file(config_path)
        return file is not None and file.is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == "" and results_filter != ObjectType.CONFIG:
            return [GROUP]
        if config_path == GROUP and results_filter != ObjectType.GROUP:
            return sorted(file.stem for file in Path(self.path).glob("*.yaml"))
        return []

    def _file(self, config_path: str) -> Path | None:
        group, _, name = config_path.partition("/")
        if group != GROUP or not name or "/" in name:
            return None
        return Path(self.path) / (name if name.endswith(".yaml") else f"{name}.yaml")


class FolderSearchPath(SearchPathPlugin):
    """Puts the folders named by `search_folders` before wavestack's own groups."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for provider, url in _folders.get():
            search_path.prepend(provider=provider, path=url, anchor="main")


@contextmanager
def search_folders(recipes: Path, user: Path | None = None) -> Iterator[None]:
    """While it lasts, Hydra looks into a user's folder first, then into `recipes`, then ours.

    Args:
        recipes: folder of recipes, one YAML file each.
        user: folder with config groups of the user's own (`recipe/NAME.yaml`, `model/NAME.yaml`,
            ...), as given by `--config-dir`.
    """
    plugins = Plugins.instance()
    for plugin in (RecipeSource, FolderSearchPath):
        if plugin not in plugins.discover(plugin.__base__):
            plugins.register(plugin)
    folders = [("recipes", f"recipes://{recipes}")]
    if user is not None:
        folders = [
            ("user", f"recipes://{user.resolve() / GROUP}"),
            ("user", f"file://{user.resolve()}"),
            *folders,
        ]
    token = _folders.set(tuple(folders))
    try:
        yield
    finally:
        _folders.reset(token)
