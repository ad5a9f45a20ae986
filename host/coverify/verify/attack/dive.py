"""Which levels of the first stairs raise the score most? They are rounded one after another.

Of the linear program around a point (region.py) the level that is nearest to a whole number is held there,
and the program is solved again, until all of the first stairs' levels are whole; in the end the inputs are
rounded, for which strips are narrow enough. Searches that move features do not see what stands still while
all accumulators sit at their edges at once: where stairs are wide beside a step of a feature (few bits),
dives come much closer.
"""

from __future__ import annotations

import numpy as np

from coverify.verify.attack.region import Regions
from coverify.verify.query import I64Array

_NOISE = 0.05
"""So much farther from a whole number than the nearest may be what is rounded next."""


def dive(regions: Regions, x: I64Array, rival: int, rng: np.random.Generator) -> I64Array | None:
    """A point whose score for the rival is likely to be greater than that of x, int64 [n]; None where the
    levels lead nowhere.  Raises OutOfTime.
    """
    region = regions.around(x, rival)
    free = region.first
    possible = region.solved()
    while possible and len(free):
        regions.runner.deadline.check()
        level = region.values[free]
        away = np.abs(level - np.rint(level)) + _NOISE * rng.random(len(free))
        next_ = int(away.argmin())
        possible = region.rounded(int(free[next_]))
        free = np.delete(free, next_)
    if not possible:
        return None
    found: I64Array = np.rint(region.values[: len(x)]).astype(np.int64)
    return found.clip(regions.runner.lo, regions.runner.hi)
