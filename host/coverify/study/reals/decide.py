"""Does a float network keep its label on every real input of a box? Branch and bound over the signs of sums.

Linear programs lead the search; what is said rests on integers. VIOLATED: a point that was run exactly.
HOLDS: for every rival the signs of some neurons were split until, in each case, `proved` puts label − rival
above 0 (not below it, where ties go to the label) or the case contains no point. What lies within the
rounding of the linear programs stays UNKNOWN.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import numpy as np

from coverify.study.reals.bound import Range, Region, intervals, proved, rounded_down
from coverify.study.reals.descent import candidates
from coverify.study.reals.exact import ExactNetwork, IntArray
from coverify.study.reals.relaxation import Relaxation, Relaxed
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.errors import CannotDecide
from coverify.verify.query import F64Array, Verdict

NEAR = 1e-6
"""A point whose margin in float64 is no more is run exactly."""
MAX_TIGHTENED = 4096
"""Most neurons of a layer whose ranges are narrowed by linear programs."""


@dataclass(frozen=True, eq=False)
class RealBox:
    """x0: codes, int64 [n]; all real x in 0..255 with |x − x0| <= eps are to have the class label."""

    x0: np.ndarray[tuple[int], np.dtype[np.int64]]
    eps: int
    label: int

    @property
    def inputs(self) -> Range:
        """The box."""
        base = self.x0.astype(np.float64)
        return Range(np.maximum(base - self.eps, 0.0), np.minimum(base + self.eps, 255.0))


@dataclass(frozen=True, eq=False)
class RealVerdict:
    """point: float64 [n] codes, exactly when VIOLATED; cases: how many were proved, over all rivals."""

    verdict: Verdict
    point: F64Array | None = None
    cases: int = 0
    time_s: float = 0.0
    note: str = ""


class _Broken(Exception):
    """A point of another class was found."""

    def __init__(self, point: F64Array) -> None:
        self.point = point
        super().__init__()


def decide(network: ExactNetwork, box: RealBox, timeout_s: float, seed: int = 0) -> RealVerdict:
    """The verdict, in about timeout_s."""
    start = time.monotonic()
    search = _Search(network, box, Deadline.in_s(timeout_s), seed)
    found = search.verdict()
    return dataclasses.replace(found, time_s=time.monotonic() - start, cases=search.cases)


class _Search:
    """One query under way; `cases`: leaves proved so far."""

    def __init__(self, network: ExactNetwork, box: RealBox, deadline: Deadline, seed: int) -> None:
        self._network, self._box, self._deadline, self._seed = network, box, deadline, seed
        self.cases = 0

    def verdict(self) -> RealVerdict:
        try:
            self._try(self._box.x0.astype(np.float64))
            for point in candidates(self._network, self._box.inputs, self._box.label, self._seed):
                self._try(point)
            region = self._bounded()
            relaxation = Relaxation(self._network, region)
            for rival in self._rivals():
                self._prove(region, relaxation, rival)
        except _Broken as broken:
            return RealVerdict(Verdict.VIOLATED, broken.point)
        except (CannotDecide, OutOfTime, OverflowError, MemoryError) as err:
            return RealVerdict(Verdict.UNKNOWN, note=str(err) or type(err).__name__)
        return RealVerdict(Verdict.HOLDS)

    def _try(self, point: F64Array) -> None:
        """Raises _Broken where the point is of another class."""
        self._deadline.check()
        if self._network.predicted(point) != self._box.label:
            raise _Broken(point)

    def _rivals(self) -> list[int]:
        """The other classes, the nearest first."""
        outputs = self._network.nearly(self._box.x0[None].astype(np.float64))[0]
        return [int(j) for j in np.argsort(-outputs, kind="stable") if j != self._box.label]

    def _bounded(self) -> Region:
        """Ranges of the sums of every layer but the last."""
        region = Region(self._box.inputs)
        for depth in range(len(self._network.layers) - 1):
            found = intervals(self._network, region)
            if not (np.all(np.isfinite(found.lo)) and np.all(np.isfinite(found.hi))):
                raise CannotDecide("its sums leave what float64 can hold")
            if depth > 0:
                found = self._tightened(region, found)
            region = Region(region.inputs, (*region.sums, found))
        return region

    def _tightened(self, region: Region, found: Range) -> Range:
        """Ranges of the next layer's sums, those that cross 0 narrowed by linear programs."""
        crossing = np.flatnonzero((found.lo < 0) & (found.hi > 0))
        if len(crossing) > MAX_TIGHTENED:
            return found
        relaxation, lo, hi = Relaxation(self._network, region), found.lo.copy(), found.hi.copy()
        for neuron in crossing.tolist():
            lo[neuron] = max(lo[neuron], self._least(relaxation, region, _unit(len(lo), neuron, 1)))
            hi[neuron] = min(hi[neuron], -self._least(relaxation, region, _unit(len(lo), neuron, -1)))
        return Range(lo, hi)

    def _least(self, relaxation: Relaxation, region: Region, aim: IntArray) -> float:
        relaxed = relaxation.least(aim.astype(np.float64), self._deadline)
        return rounded_down(proved(self._network, region, aim, relaxed.multipliers))

    def _prove(self, region: Region, relaxation: Relaxation, rival: int) -> None:
        """Raises _Broken, OutOfTime, CannotDecide."""
        label = self._box.label
        aim = _unit(self._network.n_output, label, 1) + _unit(self._network.n_output, rival, -1)
        waiting = [region]
        while waiting:
            part = waiting.pop()
            relaxation.narrow(part)
            relaxed = relaxation.least(aim.astype(np.float64), self._deadline)
            if self._closed(part, relaxed, aim, label < rival):
                self.cases += 1
                continue
            point = np.clip(relaxed.point, part.inputs.lo, part.inputs.hi)
            if self._network.nearly(point[None])[0] @ aim.astype(np.float64) <= NEAR * (
                1 + abs(relaxed.least or 0.0)
            ):
                self._try(point)
            waiting += _halves(part, relaxed)

    def _closed(self, part: Region, relaxed: Relaxed, aim: IntArray, ties_hold: bool) -> bool:
        """Is label − rival proved to be as it must in this part, or the part to be empty?"""
        if relaxed.least is None:
            return proved(self._network, part, aim * 0, relaxed.multipliers) > 0
        if relaxed.least < -NEAR:
            return False
        least = proved(self._network, part, aim, relaxed.multipliers)
        return least >= 0 if ties_hold else least > 0


def _unit(n: int, place: int, value: int) -> IntArray:
    vector = np.zeros(n, object)
    vector[place] = value
    return vector


def _halves(part: Region, relaxed: Relaxed) -> list[Region]:
    """The part with the sign of one sum fixed, both ways: that whose activation is farthest from its ReLU."""
    best: tuple[float, float, int, int] | None = None
    for i, sums in enumerate(part.sums):
        for neuron in np.flatnonzero((sums.lo < 0) & (sums.hi > 0)).tolist():
            loose = abs(float(relaxed.gaps[i][neuron] * relaxed.multipliers[i][neuron]))
            key = (loose, float(min(-sums.lo[neuron], sums.hi[neuron])), i, neuron)
            best = key if best is None or key > best else best
    if best is None:
        raise CannotDecide("the margin is within the rounding of a linear program")
    _, _, i, neuron = best
    sums = part.sums[i]
    below, above = sums.hi.copy(), sums.lo.copy()
    below[neuron] = above[neuron] = 0.0
    halves = Range(sums.lo, below), Range(above, sums.hi)
    return [Region(part.inputs, (*part.sums[:i], half, *part.sums[i + 1 :])) for half in halves]
