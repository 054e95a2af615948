"""`wavestack recipes`: the recipes, their data and what they are."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from wavestack.config import recipe_folder


@dataclass
class Recipe:
    """What the head of a recipe file says of it.

    Attributes:
        name: what `recipe=` takes.
        summary: the first sentence of the leading comment.
    """

    name: str
    summary: str


def run(cfg: DictConfig) -> None:
    """Print a table on a terminal, else one line for each recipe with its full name first."""
    recipes = read_recipes(recipe_folder())
    word = (cfg.match or "").lower()
    recipes = [r for r in recipes if word in f"{r.name} {r.summary}".lower()]
    if not sys.stdout.isatty():
        width = max((len(recipe.name) for recipe in recipes), default=0)
        for recipe in recipes:
            print(f"{recipe.name:<{width}}  {recipe.summary}".rstrip())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("recipe", no_wrap=True, style="bold")
    table.add_column("")
    for recipe in recipes:
        table.add_row(recipe.name, recipe.summary)
    console = Console()
    console.print(table)
    console.print("\nwavestack train recipe=NAME", highlight=False)


def read_recipes(folder: Path) -> list[Recipe]:
    """The recipes of a folder in the order of their names."""
    return [
        Recipe(file.stem, read_summary(file.read_text(encoding="utf-8")))
        for file in sorted(folder.glob("*.yaml"))
    ]


def read_summary(text: str) -> str:
    """The first sentence of a file's leading comment, the package line left out."""
    words: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        line = line.removeprefix("#").strip()
        if line.startswith("@"):
            continue
        if not line and words:
            break
        before, stop, _ = line.partition(". ")
        words.append(before if stop else line)
        if stop or line.endswith("."):
            break
    return " ".join(words).removesuffix(".").strip()
