"""Cases that tell a kernel profile from each other one: a model and an input per profile that differs.

They are searched for (separating.py): at the stair edges where two requantizations part for layers, over all
codes and pairs at scales next to half steps for functions and sums. A device that computes as another profile
does cannot match them, however rare its differences are on random inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from coverify.conformance.suite.case import Case
from coverify.conformance.suite.separating import Accumulators, fitted, one_variant, separators
from tflm_int8.profiles import PROFILES, profile_named

SHAPE_CLASS = "made against other profiles"
_TRIES = 250


def rival_cases(
    op: str, profile: str, seed: int, accumulators: Callable[[tuple[str, str]], Accumulators]
) -> Iterator[Case]:
    """One case per other profile of the operator, where a model that separates the two is found.

    `accumulators`: for two profiles, what tells where a layer's two requantizations differ.
    """
    taken: set[str] = set()
    if profile_named(profile).refusal(op, frozenset({"int8"})):
        return
    for other in PROFILES:
        refused = profile_named(other).refusal(op, frozenset({"int8"}))
        if other == profile or refused or one_variant(op, profile, other):
            continue
        pair = profile, other
        for found in separators(op, pair, seed, accumulators(pair), _TRIES):
            name = f"{op.lower()}-against-{other}"
            if found.model.sha256 not in taken:
                taken.add(found.model.sha256)
                model = type(found.model).from_bytes(found.model.content, f"{name}.tflite")
                yield Case(op, SHAPE_CLASS, name, model, fitted(found))
