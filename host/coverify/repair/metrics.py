"""How suspicious is a neuron? The seven metrics of fault localization that QNNRepair ranks neurons by.

With f, s = failing, passing tests that activate the neuron and F, S = those that do not:

    tarantula  (f/(f+F)) / (f/(f+F) + s/(s+S))         jaccard  f / (f + F + s)
    ochiai     f / √((f+F)(f+s))                       ample    |f/(f+F) − s/(s+S)|
    dstar      f² / (s + F)                            euclid   √(f + S)
    wong3      f − h,  h = s to 2, then 2 + 0.1(s−2) to 10, then 2.8 + 0.001(s−10)

Sources: Jones & Harrold 2005; Ochiai in Abreu et al. 2007; Wong et al. 2014 (D*, * = 2); Chen et al. 2002;
Dallmeier et al. 2005; Galijasevic et al. (Euclid, as in QNNRepair); Wong et al. 2007. 0/0 counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coverify.repair.spectrum import Spectrum
from coverify.verify.query import F64Array
from tflm_int8.fixedpoint import I64Array

RANDOM: Final = "random"


def _ratio(above: NDArray[np.generic], below: NDArray[np.generic]) -> F64Array:
    """above / below; 0 / 0 is 0, and anything else over 0 is infinite (D* of a neuron beyond doubt)."""
    over, under = above.astype(np.float64), below.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: F64Array = np.where(over == 0, 0.0, over / under)
    return ratio


def tarantula(s: Spectrum) -> F64Array:
    """The share of failing tests, of both shares."""
    failing = _ratio(s.activated_failing, s.activated_failing + s.silent_failing)
    passing = _ratio(s.activated_passing, s.activated_passing + s.silent_passing)
    return _ratio(failing, failing + passing)


def ochiai(s: Spectrum) -> F64Array:
    """The cosine between activation and failure."""
    product = (s.activated_failing + s.silent_failing) * (s.activated_failing + s.activated_passing)
    return _ratio(s.activated_failing, np.sqrt(product.astype(np.float64)))


def dstar(s: Spectrum) -> F64Array:
    """D* with * = 2."""
    return _ratio(s.activated_failing**2, s.activated_passing + s.silent_failing)


def jaccard(s: Spectrum) -> F64Array:
    """Failing and activating, of all that fail or activate."""
    return _ratio(s.activated_failing, s.activated_failing + s.silent_failing + s.activated_passing)


def ample(s: Spectrum) -> F64Array:
    """The distance between the two shares."""
    failing = _ratio(s.activated_failing, s.activated_failing + s.silent_failing)
    passing = _ratio(s.activated_passing, s.activated_passing + s.silent_passing)
    distance: F64Array = np.abs(failing - passing)
    return distance


def euclid(s: Spectrum) -> F64Array:
    """The root of all tests that speak against the neuron or for the others."""
    return np.sqrt((s.activated_failing + s.silent_passing).astype(np.float64))


def wong3(s: Spectrum) -> F64Array:
    """Failing tests, less passing ones that count less the more there are."""
    passing = s.activated_passing.astype(np.float64)
    many = np.where(passing <= 10, 2 + 0.1 * (passing - 2), 2.8 + 0.001 * (passing - 10))
    score: F64Array = s.activated_failing.astype(np.float64) - np.where(passing <= 2, passing, many)
    return score


METRICS: Final[dict[str, Callable[[Spectrum], F64Array]]] = {
    "tarantula": tarantula,
    "ochiai": ochiai,
    "dstar": dstar,
    "jaccard": jaccard,
    "ample": ample,
    "euclid": euclid,
    "wong3": wong3,
}


def ranked(metric: str, spectrum: Spectrum, seed: int) -> tuple[I64Array, F64Array]:
    """The neurons, most suspicious first (equal ones by number), and the score of each by its number.

    "random": an order drawn by the seed, all scores 0.
    """
    n = len(spectrum.activated_failing)
    if metric == RANDOM:
        return np.random.default_rng(seed).permutation(n), np.zeros(n)
    scores = METRICS[metric](spectrum)
    return np.argsort(-scores, kind="stable"), scores
