"""What is asked of a network, and what an answer looks like.

A `Robustness` query asks: does the index of the first maximum of the output tensor (flat, C order: what a
user of the device computes) stay `label` on every integer input of a box around x0? `HOLDS` means proved for
every point of the box, `VIOLATED` comes with a point that was run, everything else is `UNKNOWN`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.verify.errors import BadQuery

I16Array = NDArray[np.int16]
I64Array = NDArray[np.int64]
F64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.signedinteger[Any]]
NOT_PROOF_GRADE = "not proof-grade"
"""How the `proof` of a HOLDS ends that rests on floating point."""
_INT16 = np.iinfo(np.int16)
_RIVALS = re.compile(r"(\d+) rival label(s?)")
Evidence = Mapping[str, int | float | str]


class Verdict(Enum):
    """The three answers to a query."""

    HOLDS = "HOLDS"
    VIOLATED = "VIOLATED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, eq=False)
class Robustness:
    """Every x with lo <= x <= hi that differs from x0 in at most `changes` features keeps the label.

    x0: int16 [n], the base input; lo, hi: int64 [n] within the network's input range (int8 codes, or 0..255
    for pixels); eps: the radius in codes, as asked; changes: None for any number of features.
    """

    x0: I16Array
    label: int
    eps: int
    lo: I64Array
    hi: I64Array
    changes: int | None = None

    @staticmethod
    def around(
        x0: IntArray,
        label: int,
        eps: int,
        mask: NDArray[np.bool_] | None = None,
        input_lo: int = -128,
        input_hi: int = 127,
    ) -> Robustness:
        """The box |x - x0| <= eps within input_lo..input_hi; features whose mask is False keep their value.

        x0: any shape, values in input_lo..input_hi; mask: the same number of elements.  Raises BadQuery.
        """
        base = np.asarray(x0).reshape(-1)
        if base.dtype.kind != "i":
            raise BadQuery(f"the base input must hold signed integers, not {base.dtype}")
        base = base.astype(np.int64)
        if eps < 0:
            raise BadQuery(f"eps must be 0 or more codes, not {eps}")
        if input_lo < _INT16.min or input_hi > _INT16.max:
            raise BadQuery(f"the network's input range {input_lo}..{input_hi} is wider than int16")
        if np.any(base < input_lo) or np.any(base > input_hi):
            raise BadQuery(f"the base input leaves the network's input range {input_lo}..{input_hi}")
        moves = np.ones(len(base), bool) if mask is None else np.asarray(mask, bool).reshape(-1)
        if moves.shape != base.shape:
            raise BadQuery(f"the mask has {moves.size} elements, the input {base.size}")
        radius = np.where(moves, min(eps, input_hi - input_lo), 0)
        lo, hi = np.maximum(base - radius, input_lo), np.minimum(base + radius, input_hi)
        return Robustness(base.astype(np.int16), int(label), int(eps), lo, hi)

    @property
    def n_points(self) -> int:
        """How many inputs the region holds (a Python integer: it may be huge)."""
        sizes = [int(n) for n in self.hi - self.lo + 1]
        return math.prod(sizes) if self.changes is None else _few_changes(sizes, self.changes)

    def contains(self, x: IntArray) -> bool:
        """Is x, int [n], a point of the region?"""
        inside = x.shape == self.lo.shape and bool(np.all((self.lo <= x) & (x <= self.hi)))
        return inside and (self.changes is None or int((x != self.x0).sum()) <= self.changes)


def counted(n: int) -> str:
    """A count as text, also one that no float can hold: 1.23e+45, about 10^1234."""
    return f"{n:.3g}" if n < 10**300 else f"about 10^{int(math.log10(n))}"


def rival_labels(n: int) -> str:
    """`1 rival label`, `2 rival labels`."""
    return f"{n} rival label" if n == 1 else f"{n} rival labels"


def without_labels(note: str) -> str:
    """A note on a claim that is about no label: to engines, each of its parts that may break is a rival."""
    return _RIVALS.sub(lambda found: f"{found[1]} part{found[2]} of the property", note)


def _few_changes(sizes: list[int], changes: int) -> int:
    """How many points of a box of these sizes differ from one of them in at most so many places."""
    ways = [1] + [0] * min(changes, len(sizes))  # by the number of changed places
    for size in sizes:
        for k in range(len(ways) - 1, 0, -1):
            ways[k] += ways[k - 1] * (size - 1)
    return sum(ways)


@dataclass(frozen=True, eq=False)
class Argument:
    """What a certificate needs besides the query: "bounds" with the arrays of a proof, or "enumeration".

    places: of bounds, where each wire's elements stand in the checker's vector (dual/places.py). more: it
    shows a ranking that implies the question (property/question.py). apart: it shows these limits of logits,
    which imply it (property/apart.py).
    """

    kind: str
    arrays: Mapping[str, I64Array] = field(default_factory=dict)
    places: tuple[I64Array, ...] = ()
    more: bool = False
    apart: I64Array | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """An engine's answer.

    witness: int16 [n], present exactly when VIOLATED; note: one sentence for people (why UNKNOWN, what was
    odd); evidence: counts that say how the answer was reached, and for a HOLDS what `proof` it has; time_s:
    wall time; argument: what a certificate of a HOLDS needs, where the engine gives one.
    """

    verdict: Verdict
    engine: str
    time_s: float = 0.0
    witness: I16Array | None = None
    note: str = ""
    evidence: Evidence = field(default_factory=dict)
    argument: Argument | None = None

    @property
    def proof(self) -> str:
        """What a HOLDS rests on, in a few words; empty for other verdicts."""
        return str(self.evidence.get("proof", ""))

    @property
    def sound(self) -> bool:
        """Does the verdict stand by itself? Not UNKNOWN, nor a HOLDS that is not proof-grade."""
        return self.verdict is not Verdict.UNKNOWN and not self.proof.endswith(NOT_PROOF_GRADE)

    @staticmethod
    def holds(engine: str, note: str = "", **evidence: int | float | str) -> Outcome:
        """Proved for every point."""
        return Outcome(Verdict.HOLDS, engine, note=note, evidence=evidence)

    def with_argument(self, argument: Argument) -> Outcome:
        """The same answer with what its certificate needs."""
        return dataclasses.replace(self, argument=argument)

    @staticmethod
    def violated(engine: str, witness: IntArray, note: str = "", **evidence: int | float | str) -> Outcome:
        """Broken by `witness`, int [n]."""
        return Outcome(Verdict.VIOLATED, engine, 0.0, witness.astype(np.int16), note, evidence)

    @staticmethod
    def unknown(engine: str, note: str, **evidence: int | float | str) -> Outcome:
        """Not decided, and why."""
        return Outcome(Verdict.UNKNOWN, engine, note=note, evidence=evidence)
