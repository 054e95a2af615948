"""One rule per tensor operator: which input indices does an output index need?"""

from __future__ import annotations

from wavestack.receptive_field.operators import mixing, plain, shape, window
from wavestack.receptive_field.operators.call import Call, Made, Rule

RULES: dict[str, Rule] = {**plain.RULES, **shape.RULES, **window.RULES, **mixing.RULES}

__all__ = ["RULES", "Call", "Made", "Rule"]
