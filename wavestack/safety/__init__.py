"""What a config may do: construct the objects on a list of exact names, and nothing else.

Configs, recipes, run folders and files of weights travel between strangers. Everything that turns
text into objects goes through `instantiate`; `check_hydra` keeps files from steering Hydra itself;
`plain_resolvers` keeps the environment out of them.
"""

from wavestack.safety.instantiate import class_of, instantiate
from wavestack.safety.trust import trust_packages, trusted_packages

__all__ = ["class_of", "instantiate", "trust_packages", "trusted_packages"]
