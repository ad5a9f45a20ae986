"""In which order is it decided whether two networks can be told apart on a region?

One program (equal steps merged); where the class is asked, a short look whether each keeps the base input's
class by itself; a short search; bounds of the difference, which may merge the rest; a longer look at the
classes; then the engines on the product; the search again for the time that is left. The first answer that
stands by itself ends it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import OUT_OF_TIME, Deadline, OutOfTime
from coverify.verify.engines import ENGINES, base_of, engine_named
from coverify.verify.engines.enumerate import MAX_POINTS, points
from coverify.verify.equivalence.claim import (
    Claim,
    Question,
    class_claim,
    output_claim,
    plain_class_claim,
    plain_output_claim,
)
from coverify.verify.equivalence.directed import Directed, layers
from coverify.verify.equivalence.product import Joint, joined, joined_on
from coverify.verify.equivalence.search import Search
from coverify.verify.equivalence.sides import Pair
from coverify.verify.errors import BadQuery, CannotDecide, EngineFault
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome, Robustness, Verdict, counted
from coverify.verify.worker import AUTO, Worker

STRUCTURE, DIFFERENCE, SEARCH, CLASSES = "structure", "difference", "search", "classes"
OWN: tuple[str, ...] = (STRUCTURE, DIFFERENCE, SEARCH, CLASSES)
"""What decides here besides the engines of `verify`."""
SMALL = 20_000
"""A region of so many points is enumerated before anything else."""
GLANCE = 4
"""Rounds of the first search, before anything is bounded."""
_WHOLE_PROGRAM = "attack"
"""The engine that runs the network and needs no encoding of a softmax."""


def names() -> tuple[str, ...]:
    """All that --engine may be."""
    return (AUTO, *OWN, *ENGINES)


@dataclass(frozen=True, eq=False)
class Kept:
    """The region with the class that both networks keep there, and a HOLDS of each with its argument."""

    region: Robustness
    proofs: tuple[Outcome, Outcome]

    def on(self, region: Robustness) -> bool:
        """Is it about this box?"""
        return np.array_equal(self.region.lo, region.lo) and np.array_equal(self.region.hi, region.hi)


@dataclass(eq=False)
class Decider:
    """One pair and the worker that runs the engines; `given`: int64 [m, n], inputs to start a search from."""

    pair: Pair
    worker: Worker
    given: I64Array
    _one: Joint | None = field(default=None, init=False)
    kept: Kept | None = field(default=None, init=False)

    def decide(self, region: Robustness, engine: str, timeout_s: float, seed: int) -> Outcome:
        """HOLDS: no input of the region tells the two apart; VIOLATED: with one that does, run on both.

        region: the box (its label means nothing).  Raises BadQuery, MissingPackage, EngineFault.
        """
        if base_of(engine) not in names():
            raise BadQuery(f"unknown engine {engine!r}; there are: {', '.join(names())}")
        if engine not in (AUTO, *OWN):
            engine_named(engine)
        start, deadline = time.monotonic(), Deadline.in_s(timeout_s)
        task = _Task(self, dataclasses.replace(region, label=0), deadline, seed)
        outcome = task.auto() if engine == AUTO else task.by(engine, deadline)
        return dataclasses.replace(self._confirmed(region, outcome), time_s=time.monotonic() - start)

    def each_keeps(self, region: Robustness, timeout_s: float, seed: int) -> Kept | None:
        """The one class that each of the two keeps on the region, where that is seen; not proved again where
        `decide` has just done so.
        """
        if self.kept is None or not self.kept.on(region):
            deadline = Deadline.in_s(timeout_s)
            _Task(self, dataclasses.replace(region, label=0), deadline, seed).by(CLASSES, deadline)
        return self.kept if self.kept is not None and self.kept.on(region) else None

    def structure(self, deadline: Deadline) -> Joint:
        """The product without a look at a region, made once."""
        if self._one is None:
            self._one = joined(self.pair.first.program, self.pair.second.program, deadline)
        return self._one

    def _confirmed(self, region: Robustness, outcome: Outcome) -> Outcome:
        """EngineFault unless a VIOLATED brings an input of the region that tells the two apart."""
        if outcome.verdict is Verdict.VIOLATED:
            x = None if outcome.witness is None else outcome.witness.astype(np.int64)
            if x is None or not region.contains(x) or not self.pair.separates(x):
                raise EngineFault(outcome.engine, "its input does not tell the two networks apart")
        return outcome


@dataclass(eq=False)
class _Task:
    """One region."""

    decider: Decider
    region: Robustness
    deadline: Deadline
    seed: int
    _joint: Joint | None = field(default=None, init=False)
    _search: Search | None = field(default=None, init=False)
    _glance: bool = field(default=False, init=False)

    @property
    def pair(self) -> Pair:
        return self.decider.pair

    def auto(self) -> Outcome:
        """One after the other; the first search is a glance."""
        self._glance = True
        reasons: list[str] = []
        for name, deadline in self._order():
            if not deadline.remaining:
                break
            outcome = self.by(name, deadline)
            if outcome.sound:
                return outcome
            if outcome.note not in reasons:
                reasons.append(outcome.note if name in (SEARCH, AUTO) else f"{name}: {outcome.note}")
        return Outcome.unknown(AUTO, "; ".join(reasons) or OUT_OF_TIME)

    def _order(self) -> Iterator[tuple[str, Deadline]]:
        yield STRUCTURE, self.deadline
        if self.region.n_points <= SMALL:
            yield "enumerate", self.deadline
        if self.pair.question is Question.CLASS:
            yield CLASSES, Deadline.in_s(min(2.0, 0.1 * self.deadline.remaining))
        yield SEARCH, Deadline.in_s(min(3.0, 0.1 * self.deadline.remaining))
        yield DIFFERENCE, self.deadline.share(0.5)
        yield SEARCH, self.deadline.share(0.3)
        if self.pair.question is Question.CLASS:
            yield CLASSES, self.deadline.share(0.3)
        yield AUTO, self.deadline.share(0.6)
        if self.region.n_points <= MAX_POINTS:
            yield "enumerate", self.deadline
        yield SEARCH, self.deadline

    def by(self, engine: str, deadline: Deadline) -> Outcome:
        """One way alone; AUTO: all engines on the product."""
        try:
            match engine:
                case "structure":
                    return self._by_structure()
                case "difference":
                    return self._by_difference(deadline)
                case "search":
                    return self._by_search(deadline)
                case "classes":
                    return self._by_classes(deadline)
                case "enumerate":
                    return self._by_enumeration(deadline)
                case _:
                    return self._by_engine(engine, deadline)
        except (CannotDecide, OutOfTime) as err:
            return Outcome.unknown(engine, str(err))

    def _by_structure(self) -> Outcome:
        if self.decider.structure(self.deadline).is_one:
            program, region = self.pair.first.program, self.region
            wire_bounds(program, region.lo, region.hi, self.deadline)  # what is undefined is not equal
            return Outcome.holds(STRUCTURE, proof="the same program")
        return Outcome.unknown(STRUCTURE, "the two are different programs")

    def _by_difference(self, deadline: Deadline) -> Outcome:
        if (one := self._by_structure()).sound:  # no bounds are taken of what is one program
            return one
        if self._claim(deadline).program is None:
            return Outcome.holds(DIFFERENCE, proof="integer bounds on the difference")
        return Outcome.unknown(DIFFERENCE, "its bounds do not exclude it")

    def _by_search(self, deadline: Deadline) -> Outcome:
        if self._search is None:
            given = np.clip(self.decider.given, self.region.lo, self.region.hi)
            given = np.concatenate([self.region.x0[None].astype(np.int64), given])
            self._search = Search(self.pair, self.region.lo, self.region.hi, given)
        search = self._search
        if search.directed is None and self._joint is not None and self._joint.boxes is not None:
            program = self.pair.first.program
            boxes = self._joint.boxes[: len(program.steps) + 1]
            search.directed = Directed(program, boxes, layers(program, self.pair.second.program, boxes))
        found = search.run(deadline, self.seed + search.tried, GLANCE if self._glance else None)
        self._glance = False
        if found is not None:
            return Outcome.violated(SEARCH, found, inputs=search.tried)
        return Outcome.unknown(SEARCH, f"no input found among {search.tried} that were run")

    def _by_enumeration(self, deadline: Deadline) -> Outcome:
        """Every input of the region on both networks; no product, nothing assumed."""
        n = self.region.n_points
        if n > MAX_POINTS:
            raise CannotDecide(f"the region has {counted(n)} points, more than {MAX_POINTS:.0e}")
        batch = Problem(self.pair.first.program, dataclasses.replace(self.region, label=0)).batch
        for first in range(0, n, batch):
            deadline.check()
            x = points(self.region, first, min(first + batch, n))
            outputs = self.pair.outputs(x)
            if outputs is None:
                raise CannotDecide(
                    "an accumulator overflows for some input: TFLM's result is undefined there"
                )
            apart = np.flatnonzero(self.pair.told_apart(*outputs))
            if len(apart):
                return Outcome.violated("enumerate", x[apart[0]], points=first + len(x))
        return Outcome.holds("enumerate", proof="every input was run on both", points=n)

    def _by_classes(self, deadline: Deadline) -> Outcome:
        """Each of the two keeps the base input's class on the whole region."""
        if self.pair.question is not Question.CLASS:
            raise CannotDecide("only for the class")
        outputs = self.pair.outputs(self.region.x0[None].astype(np.int64))
        if outputs is None:
            raise CannotDecide("TFLM's result for the base input is undefined")
        labels = [int(y.argmax(axis=1)[0]) for y in outputs]
        if labels[0] != labels[1]:
            return Outcome.violated(CLASSES, self.region.x0)
        proofs = list[Outcome]()
        for side in (self.pair.first, self.pair.second):
            self.decider.worker.program = side.program
            query = dataclasses.replace(self.region, label=labels[0])
            share = deadline.share(0.5 if side is self.pair.first else 1.0)
            said = self._robust(query, share)
            x = said.witness
            if x is not None and self.pair.separates(x.astype(np.int64)):
                return Outcome.violated(CLASSES, x)
            if said.verdict is not Verdict.HOLDS or not said.sound:
                return Outcome.unknown(CLASSES, f"the class of {side.name} may change on the region")
            proofs.append(said)
        self.decider.kept = Kept(dataclasses.replace(self.region, label=labels[0]), (proofs[0], proofs[1]))
        return Outcome.holds(CLASSES, proof="both keep one class", label=labels[0])

    def _robust(self, query: Robustness, deadline: Deadline) -> Outcome:
        """A network by itself, by bounds alone: a search elsewhere is better used."""
        for engine, share in (("interval", 0.5), ("bab", 1.0)):
            until = deadline.share(share)
            if not until.remaining:
                break
            said = self.decider.worker.decide(query, engine, max(0.05, until.remaining), self.seed)
            if said.sound:
                return said
        return Outcome.unknown(CLASSES, "")

    def _by_engine(self, engine: str, deadline: Deadline) -> Outcome:
        """An engine of `verify` on the product."""
        if (one := self._by_structure()).sound:
            return one
        claim = self._whole_claim() if engine == _WHOLE_PROGRAM else self._claim(deadline)
        if claim.program is None:
            return Outcome.holds(DIFFERENCE, proof="integer bounds on the difference")
        self.decider.worker.program = claim.program
        query = dataclasses.replace(self.region, label=0)
        said = self.decider.worker.decide(query, engine, max(0.05, deadline.remaining), self.seed)
        if said.verdict is not Verdict.VIOLATED or said.witness is None:
            return dataclasses.replace(said, argument=None)
        if claim.exact or self.pair.separates(said.witness.astype(np.int64)):
            return said
        return Outcome.unknown(
            said.engine, "the logits differ on some input, the outputs do not differ there"
        )

    def _claim(self, deadline: Deadline) -> Claim:
        joint = self._on_region(deadline)
        if joint.is_one:
            return Claim(None)
        if self.pair.question is Question.OUTPUT:
            return output_claim(joint, self.pair.tolerance)
        return class_claim(joint, deadline)

    def _whole_claim(self) -> Claim:
        """The product as it is, nothing about it assumed."""
        joint = self.decider.structure(self.deadline)
        if self.pair.question is Question.CLASS:
            return plain_class_claim(joint)
        return plain_output_claim(joint, self.pair.tolerance)

    def _on_region(self, deadline: Deadline) -> Joint:
        if self._joint is None:
            first, second = self.pair.first.program, self.pair.second.program
            self._joint = joined_on(first, second, self.region.lo, self.region.hi, deadline)
        return self._joint
