"""One rule per tensor operator: which input indices does an output index need?"""

from __future__ import annotations

from wavestack.receptive_field.recording.operators import (
    attention,
    indexing,
    mixing,
    patches,
    plain,
    products,
    scans,
    shape,
    shuffles,
    window,
)
from wavestack.receptive_field.recording.operators.call import Call, Made, Rule

_FAMILIES = (plain, shape, shuffles, indexing, window, patches, mixing, products, attention, scans)
RULES: dict[str, Rule] = {name: rule for family in _FAMILIES for name, rule in family.RULES.items()}

__all__ = ["RULES", "Call", "Made", "Rule"]
