"""Of how many inputs does the class change with the protected features alone? They are run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Final

import numpy as np

from coverify.verify.query import I64Array

MOST: Final = 1024
"""So many assignments of the protected features are all tried."""
SAMPLED: Final = 512
"""So many are tried where there are more."""


def assignments(choices: Sequence[Sequence[int]], seed: int) -> tuple[I64Array, bool]:
    """What the protected features may be together, [n, features]; are these all?

    choices: the codes of each, ascending. Half of a sample takes their ends alone.
    """
    if math.prod(map(len, choices)) <= MOST:
        return np.array(list(product(*choices)), np.int64), True
    rng, columns = np.random.default_rng(seed), [np.array(codes, np.int64) for codes in choices]
    ends = [rng.choice(column[[0, -1]], SAMPLED // 2) for column in columns]
    inside = [rng.choice(column, SAMPLED // 2) for column in columns]
    return np.concatenate([np.stack(ends, axis=1), np.stack(inside, axis=1)]), False


def flipped(
    classes: Callable[[I64Array], I64Array], inputs: I64Array, features: Sequence[int], tried: I64Array
) -> int:
    """How many of the inputs have another class where their features are one of `tried`, [n, features]."""
    own, left = classes(inputs), np.arange(len(inputs))
    for assignment in tried:
        changed = inputs[left]
        changed[:, list(features)] = assignment
        left = left[classes(changed) == own[left]]
        if not len(left):
            break
    return len(inputs) - len(left)
