"""Every file of conf/data makes its data, or asks for the files that it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from wavestack.errors import UserError
from wavestack.safety import instantiate

CONF = Path(__file__).parents[2] / "conf" / "data"
NEEDS_NO_FILES = {"adding", "copy_memory", "shapes", "synthetic", "text"}


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_config_makes_its_data_or_asks_for_its_files(name: str) -> None:
    config = OmegaConf.create({"data": OmegaConf.load(CONF / f"{name}.yaml")})
    for key in OmegaConf.missing_keys(config):  # what another group of the recipe sets
        OmegaConf.update(config, key, None)
    if name in NEEDS_NO_FILES:
        batch = instantiate(config.data).train_batches(seed=0)[0]
        assert {len(value) for value in batch.values()} == {config.data.batch_size}
    else:
        with pytest.raises(UserError, match=r"^data\.root is not set"):
            instantiate(config.data)
