"""A property of a network: which questions it asks about one input, and what it says in words.

Made from a property file's document (`from_document`), from a VNN-LIB file (`from_cases`), or from options.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from coverify.verify.engines import BASE
from coverify.verify.errors import BadQuery
from coverify.verify.property.document import (
    AnyClaim,
    Monotone,
    PropertyDocument,
    Range,
    RegionDocument,
    fraction,
)
from coverify.verify.property.file import read_array
from coverify.verify.property.formula import Formula, elements, negated, not_above
from coverify.verify.property.idle import idle_notes, still_notes
from coverify.verify.property.meaning import check_outputs, formula_of, needs_label, needs_own, tolerance_of
from coverify.verify.property.quantity import FloatsIn
from coverify.verify.property.question import MIDDLE, MOVED, Question
from coverify.verify.property.region import MAX_RADIUS, Region
from coverify.verify.property.subject import Subject
from coverify.verify.property.unsafe import Case
from coverify.verify.property.words import beyond, claim_words, region_words, shortened
from coverify.verify.query import I64Array, IntArray, Robustness

MAX_NOTES = 5
MORE_RANGES, MORE_IDLE = "ranges go beyond it", "claims that no output can break"


@dataclass(frozen=True, eq=False)
class Property:
    """cases: regions, each with what must hold there (a claim of a document, or a formula); claimed: what it
    claims, in words.
    """

    subject: Subject
    cases: tuple[tuple[Region, AnyClaim | Formula], ...]
    claimed: str

    @staticmethod
    def from_document(document: PropertyDocument, subject: Subject, folder: Path) -> Property:
        """The property of a file in `folder`.  Raises BadQuery (it does not fit the network)."""
        region = region_of(document.region, subject, folder)
        claimed = shortened(claim_words(document.claim))
        claimed = f"{document.name}: {claimed}" if document.name else claimed
        return Property(subject, ((region, document.claim),), claimed)

    @staticmethod
    def from_cases(cases: Sequence[Case], subject: Subject, words: str) -> Property:
        """What a VNN-LIB file says: on none of its boxes does the unsafe formula hold."""
        said = tuple(
            (Region(lo=case.lo, hi=case.hi, notes=case.notes), negated(case.unsafe)) for case in cases
        )
        return Property(subject, said, words)

    def within(self, eps: int | None) -> Property:
        """The same of what lies within eps codes of the input (None: within each radius, for its words).

        Raises BadQuery where a region says that itself.
        """
        n = self.subject.program.n_input
        cases = tuple((region.within(eps, n), said) for region, said in self.cases)
        return dataclasses.replace(self, cases=cases)

    @property
    def words(self) -> str:
        """All of it, in words; of several regions, without these."""
        where = self.cases[0][0].words
        return f"{self.claimed}, {where}" if where else self.claimed

    @property
    def needs_base(self) -> bool:
        """Does it mean anything only around given inputs?"""
        return self.needs_label or any(region.needs_base or needs_own(said) for region, said in self.cases)

    @property
    def needs_label(self) -> bool:
        """Does it speak of the input's label?"""
        return any(needs_label(said) for _, said in self.cases)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of its regions, and of claims that no output can break: each once, with the
        number of the first case that it is said of where there are several; of many, of the first.

        Raises BadQuery: a claim does not fit the network.
        """
        regions = self._once([region.notes for region, _ in self.cases])
        return (*_first_of(regions, MORE_RANGES), *_first_of(self._once(self._idle), MORE_IDLE))

    def notes_of(self, case: int) -> tuple[str, ...]:
        """The same of one case alone.  Raises BadQuery."""
        regions = self.cases[case][0].notes
        return (*_first_of(regions, MORE_RANGES), *_first_of(self._idle[case], MORE_IDLE))

    @cached_property
    def _idle(self) -> list[list[str]]:
        """What is to be said of each case's claims that no output can break."""
        return [[*idle_notes(said, self.subject), *still_notes(said, region)] for region, said in self.cases]

    def _once(self, notes: Sequence[Sequence[str]]) -> list[str]:
        """Notes of each case, with the number of the first that has it where there are several cases."""
        found = dict[str, int]()
        for number, own in enumerate(notes):
            for note in own:
                found.setdefault(note, number)
        several = len(self.cases) > 1
        return [f"case {k}: {note}" if several else note for note, k in found.items()]

    def digest(self) -> str:
        """SHA-256 of what is asked of a given network: two properties may share their words."""
        digest = hashlib.sha256()
        for region, said in self.cases:
            ball = region.radius if region.reach is None else region.reach
            arrays = (ball, region.moves, region.lo, region.hi)
            codes = [None if a is None else a.astype(np.int64).tolist() for a in arrays]
            digest.update(f"{codes} {region.changes} {said!r};".encode())
        return digest.hexdigest()

    def questions(self, base: IntArray | None, label: int) -> list[Question]:
        """What is asked about one input, int [n] (None where needs_base is False), and its label."""
        return [self.question(case, base, label) for case in range(len(self.cases))]

    def question(self, case: int, base: IntArray | None, label: int) -> Question:
        """The one about the region of that number.  Raises BadQuery, BadBase (this input cannot be asked)."""
        return self._question(*self.cases[case], base, label)

    def _question(
        self, region: Region, said: AnyClaim | Formula, base: IntArray | None, label: int
    ) -> Question:
        program, n = self.subject.program, self.subject.n_output
        query = region.query(program, base, label)
        if isinstance(said, Monotone):
            return self._monotone(region, said, base, label)
        formula = formula_of(said, label, self.subject, base)
        for element in elements(formula):  # a label may come from a file and be anything
            if not 0 <= element < n:
                raise BadQuery(f"output {element} is not an output of the network (0..{n - 1})")
        return Question(program, query, formula, self.words, centre=_centre(query, base))

    def _monotone(self, region: Region, said: Monotone, base: IntArray | None, label: int) -> Question:
        program, n = self.subject.program, self.subject.n_output
        if region.changes is not None:
            raise BadQuery("a monotone claim about few changed features is not supported")
        at_features([said.feature], program.n_input, "feature")
        check_outputs([said.output], n, "output")
        query = region.query(program, base, label)
        ends = [np.append(end, end[said.feature]) for end in (query.x0, query.lo, query.hi)]
        whole = dataclasses.replace(query, x0=ends[0], lo=ends[1], hi=ends[2])
        low, high = (
            (said.output, n + said.output) if said.direction == "rises" else (n + said.output, said.output)
        )
        formula = not_above(low, high, tolerance_of(said, self.subject))
        return Question(program, whole, formula, self.words, said.feature, _centre(query, base))


def _centre(query: Robustness, base: IntArray | None) -> str:
    """What the point is that the box is asked about from: a range may leave out the input."""
    if base is None:
        return MIDDLE
    return BASE if np.array_equal(query.x0, np.reshape(base, -1)) else MOVED


def region_of(document: RegionDocument, subject: Subject, folder: Path) -> Region:
    """The region of a document whose files lie in `folder`.  Raises BadQuery."""
    n = subject.program.n_input
    radius: I64Array | None = None
    reach: I64Array | None = None
    if document.eps is not None:
        radius = np.full(n, document.eps, np.int64)
    elif document.eps_real is not None:
        scale, eps = subject.input_scale(), fraction(document.eps_real)
        outward = document.rounding == "outward"
        if isinstance(scale, FloatsIn):
            reach = np.minimum(np.array(scale.around(eps, outward), np.int64).T, MAX_RADIUS)
        else:
            radius = np.full(n, min(scale.radius(eps, outward), MAX_RADIUS), np.int64)
    elif document.radius is not None:
        radius = np.array(document.radius, np.int64)
    elif document.radius_file is not None:
        radius = read_array(folder, document.radius_file, "radius")
    if radius is not None and np.any(radius < 0):
        raise BadQuery("radius: each must be 0 or more codes")
    lo, hi = ranges_of(document.range, subject) if document.range else (None, None)
    notes = tuple(note for part in document.range if (note := _beyond(part, subject)))
    moves = None
    if document.mask is not None:
        moves = at_features(document.mask, n, "mask")
    elif document.mask_rectangle is not None:
        inside = in_rectangle(document.mask_rectangle, subject.shape, "mask_rectangle")
        moves = at_features(inside, n, "mask_rectangle")
    elif document.mask_file is not None:
        moves = read_array(folder, document.mask_file, "mask") != 0
    codes, free = radius if reach is None else _unended(reach), n if moves is None else int(moves.sum())
    words = shortened(region_words(document, codes, free))
    return Region(radius, moves, lo, hi, document.changes, words, notes, reach)


def _unended(reach: I64Array) -> I64Array:
    """How far codes go, int64 [2, codes] down and up, where it is not to an end of the input; else all."""
    below = np.arange(reach.shape[1])
    inner = reach[reach < np.stack([below, below[::-1]])]
    return inner if inner.size else reach


def ranges_of(ranges: Sequence[Range], subject: Subject) -> tuple[I64Array, I64Array]:
    """The features' ranges of codes; where ranges overlap, both hold."""
    program = subject.program
    lo = np.full(program.n_input, program.input_lo, np.int64)
    hi = np.full(program.n_input, program.input_hi, np.int64)
    for part in ranges:
        at = np.ones(program.n_input, bool)
        if part.features is not None:
            if not part.features:
                raise BadQuery("range.features names no feature")
            at = at_features(part.features, program.n_input, "range.features")
        elif part.rectangle is not None:
            inside = in_rectangle(part.rectangle, subject.shape, "range.rectangle")
            at = at_features(inside, program.n_input, "range.rectangle")
        low, high = _codes(part, subject)
        lo[at], hi[at] = np.maximum(lo[at], low), np.minimum(hi[at], high)
    return lo, hi


def _codes(part: Range, subject: Subject) -> tuple[int, int]:
    """The codes of a range; nearest: as the device's quantization clamps them.  Raises BadQuery: codes beyond
    the input's are those of another type, and would say less than they seem to (0..255 of an int8).
    """
    ends, own = (subject.program.input_lo, subject.program.input_hi), subject.raised[0]
    if part.codes is not None:
        low, high = (code - own for code in part.codes)
        if low < ends[0] or high > ends[1]:
            whole = f"{ends[0] + own}..{ends[1] + own}"
            raise BadQuery(f"range.codes: {list(part.codes)} leave those of the input, {whole}")
        return low, high
    first, last = _unclamped(part, subject)
    if part.rounding == "nearest":
        return min(max(first, ends[0]), ends[1]), min(max(last, ends[0]), ends[1])
    return first, last


def _unclamped(part: Range, subject: Subject) -> tuple[int, int]:
    """The codes that a range of real values means, also where the input has none of them."""
    assert part.real is not None
    low, high = (fraction(end) for end in part.real)
    return subject.input_scale().codes(low, high, part.rounding)


def _beyond(part: Range, subject: Subject) -> str | None:
    """What is to be said of a range that leaves what the input represents."""
    if part.real is None:
        return None
    ends = subject.program.input_lo, subject.program.input_hi
    return beyond(part, _unclamped(part, subject), ends, subject.input_scale(), subject.raised[0])


def at_features(features: Sequence[int], n: int, key: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True at these features.  Raises BadQuery."""
    at = np.zeros(n, bool)
    beyond = max(features, default=0)
    if beyond >= n:
        raise BadQuery(f"{key}: feature {beyond} is not a feature of the input (0..{n - 1})")
    at[list(features)] = True
    return at


def in_rectangle(rectangle: tuple[int, int, int, int], shape: tuple[int, ...], key: str) -> list[int]:
    """The features of a rectangle of an image [height, width, …].  Raises BadQuery."""
    top, left, height, width = rectangle
    if len(shape) < 2 or top + height > shape[0] or left + width > shape[1]:
        raise BadQuery(f"{key}: {list(rectangle)} is not within the input of shape {list(shape)}")
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    inside = numbers[top : top + height, left : left + width]
    return [int(i) for i in inside.reshape(-1)]


def _first_of(notes: Sequence[str], left: str) -> tuple[str, ...]:
    """MAX_NOTES of them, and how many more there are; left: what these are."""
    more = (f"{len(notes) - MAX_NOTES} more {left}",) if len(notes) > MAX_NOTES else ()
    return (*map(shortened, notes[:MAX_NOTES]), *more)
