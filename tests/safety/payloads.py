"""Configs that would write a file, run a program or load a pickle if their target were called.

`{file}` stands for a file that must not appear, `{pickle}` for one that writes it when loaded.
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

_WRITE = "open({file!r}, 'w').close()"
_SHELL = "touch {file}"

PAYLOADS: dict[str, dict[str, Any]] = {
    "open": {"_target_": "builtins.open", "_args_": ["{file}", "w"]},
    "io.open": {"_target_": "io.open", "file": "{file}", "mode": "w"},
    "Path.write_text": {"_target_": "pathlib.Path.write_text", "_args_": ["{file}", "x"]},
    "Path.touch": {"_target_": "pathlib.Path.touch", "_args_": ["{file}"]},
    "eval": {"_target_": "builtins.eval", "_args_": [_WRITE]},
    "exec": {"_target_": "builtins.exec", "_args_": [_WRITE]},
    "__import__": {"_target_": "builtins.__import__", "_args_": ["antigravity"]},
    "import_module": {"_target_": "importlib.import_module", "_args_": ["antigravity"]},
    "os.system": {"_target_": "os.system", "_args_": [_SHELL]},
    "posix.system": {"_target_": "posix.system", "_args_": [_SHELL]},
    "os.popen": {"_target_": "os.popen", "_args_": [_SHELL]},
    "subprocess.Popen": {"_target_": "subprocess.Popen", "args": ["touch", "{file}"]},
    "subprocess.run": {"_target_": "subprocess.run", "args": ["touch", "{file}"]},
    "shutil.copy": {"_target_": "shutil.copy", "src": "{pickle}", "dst": "{file}"},
    "torch.load": {"_target_": "torch.load", "f": "{pickle}", "weights_only": False},
    "torch.save": {"_target_": "torch.save", "obj": 1, "f": "{file}"},
    "torch.hub.load": {"_target_": "torch.hub.load", "repo_or_dir": ".", "source": "local"},
    "torch.utils.cpp_extension.load": {
        "_target_": "torch.utils.cpp_extension.load",
        "name": "x",
        "sources": ["{file}"],
    },
    "torch.compile": {"_target_": "torch.compile", "_args_": [1]},
    "torch.classes": {"_target_": "torch.classes.load_library", "path": "{file}"},
    "numpy.load": {"_target_": "numpy.load", "file": "{pickle}", "allow_pickle": True},
    "numpy.savetxt": {"_target_": "numpy.savetxt", "fname": "{file}", "X": [1]},
    "pickle.loads": {"_target_": "pickle.loads", "_args_": ["{file}"]},
    "pickle.load": {
        "_target_": "pickle.load",
        "file": {"_target_": "builtins.open", "_args_": ["{pickle}", "rb"]},
    },
    "joblib": {"_target_": "joblib.load", "filename": "{pickle}"},
    "yaml.unsafe_load": {
        "_target_": "yaml.unsafe_load",
        "stream": "!!python/object/apply:os.system ['touch {file}']",
    },
    "runpy.run_path": {"_target_": "runpy.run_path", "path_name": "{pickle}"},
    "logging.FileHandler": {"_target_": "logging.FileHandler", "filename": "{file}"},
    "logging.config.dictConfig": {
        "_target_": "logging.config.dictConfig",
        "config": {
            "version": 1,
            "handlers": {"x": {"class": "logging.FileHandler", "filename": "{file}"}},
        },
    },
    "webbrowser.open": {"_target_": "webbrowser.open", "url": "file://{file}"},
    "functools.partial": {
        "_target_": "functools.partial",
        "_args_": [{"_target_": "os.system", "_partial_": True}, _SHELL],
    },
    "operator.methodcaller": {"_target_": "operator.methodcaller", "_args_": ["touch"]},
    "hydra.utils.instantiate": {
        "_target_": "hydra.utils.instantiate",
        "config": {"_target_": "os.system", "_args_": [_SHELL]},
    },
    "hydra.utils.call": {
        "_target_": "hydra.utils.call",
        "_args_": [{"_target_": "builtins.open", "file": "{file}", "mode": "w"}],
    },
    "hydra.utils.get_method": {"_target_": "hydra.utils.get_method", "path": "os.system"},
    "own instantiate": {
        "_target_": "wavestack.safety.instantiate",
        "config": {"_target_": "os.system", "_args_": [_SHELL]},
        "trust": ["os"],
    },
    "own trust": {"_target_": "wavestack.safety.trust_packages", "packages": ["os"]},
    "own file writer": {
        "_target_": "wavestack.files.atomic_write",
        "path": "{file}",
        "write": {"_target_": "torch.nn.Identity"},
    },
    "own exporter": {"_target_": "wavestack.export.safetensors.save", "path": "{file}"},
    "alias in our module": {"_target_": "wavestack.files.os.system", "_args_": [_SHELL]},
    "alias in an allowed class": {
        "_target_": "wavestack.models.WaveNet.__init__.__globals__.open",
        "_args_": ["{file}", "w"],
    },
    "alias of torch in ours": {
        "_target_": "wavestack.models.wavenet.torch.load",
        "f": "{pickle}",
        "weights_only": False,
    },
    "alias in the standard library": {"_target_": "logging.os.system", "_args_": [_SHELL]},
    "allowed prefix": {"_target_": "torch.nn.Linear.__init__", "_args_": [1]},
    "allowed root": {"_target_": "torch.nn.modules.module.torch.save", "obj": 1, "f": "{file}"},
    "name with spaces": {"_target_": " os.system", "_args_": [_SHELL]},
    "not a name": {"_target_": ["os", "system"], "_args_": [_SHELL]},
    "empty name": {"_target_": ""},
}


class WritesWhenLoaded:
    """An object whose pickle opens a file for writing as it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.file), "w")


def fill(payload: Any, file: Path, pickled: Path) -> Any:
    """A copy of a payload with its placeholders filled in; the pickle is made."""
    pickled.write_bytes(pickle.dumps(WritesWhenLoaded(file)))

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: walk(value) for name, value in node.items()}
        if isinstance(node, list):
            return [walk(value) for value in node]
        if isinstance(node, str):
            text = node.replace("{file!r}", repr(str(file)))
            return text.replace("{file}", str(file)).replace("{pickle}", str(pickled))
        return node

    return walk(copy.deepcopy(payload))
