"""The commands: `wavestack NAME` composes conf/NAME.yaml and calls `run(cfg)` of commands/NAME.py.

A new command is one line in the table below, one config file and one thin module.
"""

from __future__ import annotations

# name -> what it does, in the order of `wavestack --help`.
COMMANDS: dict[str, str] = {
    "train": "train a model by a recipe, or continue a run",
    "evaluate": "print the test figures of a run beside their baselines",
    "generate": "write audio that a trained model makes up",
    "stream": "send a file through a trained model block by block",
    "classify": "say what a recording is, by a trained classifier",
    "segment": "give a class to every pixel of pictures, by a trained model",
    "upscale": "enlarge pictures by a trained super-resolution model",
    "rf": "the receptive field of a model, exactly",
    "design": "dilation schedules for a wanted receptive field",
    "explain": "pictures that explain atrous convolution",
    "export": "write a run's weights in another format",
    "recipes": "list the recipes",
    "doctor": "what is installed, and which engines work here",
}
