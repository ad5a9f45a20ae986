"""What a certificate's claim says in words, and whether it is about a network and inputs that one has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.check import Claim
from coverify.inputs import Conversion, read_flat
from coverify.report.values import minus

Ints = NDArray[np.int64]

MAX_TERMS = 6
"""Longest row of a relation that is written out."""
MAX_ROWS = 4
"""So many rows of a relation, and alternatives of each, are written out."""
MAX_ENDS = 16
"""Of a box of so many values, the ends of each are written out."""
MAX_INDICES = 5
MAX_WORDS = 400
"""A claim of so many characters is said before its digests."""
_FIXED_POINT = "fixed-point"


@dataclass(frozen=True, eq=False)
class Place:
    """Where a box lies among the inputs of a file.

    indices: those in it, of which the box reaches furthest around; reach: it holds every input that differs
    from them by at most so much, each input value within its range, in the values that vary; whole: all vary.
    few: in how many values an input may differ from them, if not in all.
    """

    indices: list[int]
    reach: int
    whole: bool
    few: int | None = None

    def __str__(self) -> str:
        """`every input within 4 of input 3`."""
        more = f" … ({len(self.indices)})" if len(self.indices) > MAX_INDICES else ""
        names = ", ".join(map(str, self.indices[:MAX_INDICES])) + more
        of = f"input{'s' if len(self.indices) > 1 else ''} {names}"
        at_once = "" if self.few is None else f", in at most {_values(self.few)}"
        if self.whole:
            return f"every input within {self.reach} of {of}{at_once}"
        varying = f"in the values that vary{at_once}"
        return f"a box that holds {of}, and what differs by at most {self.reach} {varying}"


@dataclass(frozen=True, eq=False)
class Samples:
    """The inputs of a file: x int8 or uint8 [N, n], y [N] or None."""

    name: str
    x: NDArray[Any]
    y: NDArray[np.int64] | None

    @staticmethod
    def read(path: Path, convert: Conversion | None = None) -> Samples:
        """convert: what the network itself makes codes of.  Raises BadInput."""
        return Samples(path.name, *read_flat(path, convert))

    def place(self, claim: Claim) -> Place | str:
        """Where the claim's box lies among them, or why it lies nowhere."""
        dtype = np.dtype(np.uint8 if claim.profile == _FIXED_POINT else np.int8)
        least, most = _ends(claim)
        if self.x.dtype != dtype or self.x.shape[1] != len(least):
            has = f"{self.x.shape[1]} ({self.x.dtype})"
            return f"of {len(least)} values ({dtype}); an input of {self.name} has {has}"
        few = _few(claim)
        lo, hi = (least, most) if few is None else (claim.base, claim.base)
        inside = np.flatnonzero(np.all((lo <= self.x) & (self.x <= hi), axis=1))
        if not len(inside):
            whose = "lies in" if few is None else "is the base of"
            return f"that no input of {self.name} {whose}"
        x, ends = self.x[inside].astype(np.int64), np.iinfo(dtype)
        free = least < most
        below = np.where(least == ends.min, 255, x - least)
        above = np.where(most == ends.max, 255, most - x)
        reach = np.minimum(below, above)[:, free].min(axis=1, initial=255 if free.any() else 0)
        best = inside[reach == reach.max()]
        return Place(best.tolist(), int(reach.max()), bool(free.all() or not free.any()), few)


def shown(claim: Claim) -> str:
    """What the outputs do on the box."""
    return _shown(claim) + (f" of the network's output {claim.head}" if claim.head else "")


def _shown(claim: Claim) -> str:
    if claim.relation is None:
        return f"label {claim.label} stays the first greatest output"
    c, d, some = claim.relation
    names = [f"y{i}" for i in range(c.shape[1])]
    if claim.raised is not None:
        names = names[: c.shape[1] // 2] + [f"y'{i}" for i in range(c.shape[1] // 2)]
    texts = [_alternatives(c, d, names, sorted(set(rows))) for rows in some[:MAX_ROWS].tolist()]
    more = f" and {len(some) - MAX_ROWS} more" if len(some) > MAX_ROWS else ""
    raised = "" if claim.raised is None else f", y' where {_raised(claim)}"
    return f"{' and '.join(texts) or 'nothing'}{more} of the outputs y{raised}"


def _alternatives(c: Ints, d: Ints, names: list[str], rows: list[int]) -> str:
    """`y3 − y0 ≤ 0 or 4 more`; in brackets where there are several."""
    texts = [_row(c[k], int(d[k]), names) for k in rows[:MAX_ROWS]]
    more = f" or {len(rows) - MAX_ROWS} more" if len(rows) > MAX_ROWS else ""
    text = f"{' or '.join(texts)}{more}"
    return f"({text})" if len(rows) > 1 else text


def box(claim: Claim) -> str:
    """How large the box is."""
    lo, hi = _ends(claim)
    width = hi - lo
    free, few = int((width > 0).sum()), _few(claim)
    at_once = "" if few is None else f", at most {few} at once"
    return f"a box: {free} of {len(width)} input values vary, by up to {int(width.max(initial=0))}{at_once}"


def ends(claim: Claim) -> str:
    """The box's ends where it has few values, else how large it is."""
    lo, hi = _ends(claim)
    if len(lo) > MAX_ENDS:
        return box(claim).partition(": ")[2]
    return ", ".join(map(_interval, (f"x{i}" for i in range(len(lo))), lo.tolist(), hi.tolist()))


def said(claim: Claim) -> str:
    """The claim to the letter: what the outputs do, where, and last the digests; of a claim in many words
    these come first, so that none is cut.
    """
    words, where = shown(claim), f"for every integer x in the box ({ends(claim)})"
    if (few := _few(claim)) is not None:
        where += f" that differs in at most {_values(few)} from the input {digest(claim.base)}"
    where += f" under profile {claim.profile}"
    digests = f"network {claim.model}, box {digest(claim.lo, claim.hi)}"
    if claim.relation is not None:
        c, d, some = claim.relation
        each = np.array_equal(some, np.arange(len(d))[:, None])
        one = "" if each else f", one of each row of the {' × '.join(map(str, some.shape))} {digest(some)}"
        digests += f", relation c · y <= d {digest(c, d)}{one}"
    return f"{words} {where}; {digests}" if len(words) <= MAX_WORDS else f"{where}; {digests}: {words}"


def _ends(claim: Claim) -> tuple[Ints, Ints]:
    """The box of the network's input, without the value to which a feature is raised."""
    n = len(claim.lo) - (claim.raised is not None)
    return claim.lo[:n], claim.hi[:n]


def _raised(claim: Claim) -> str:
    """`x2 is raised to t in −3..5, or left if above`."""
    height = _interval("t", int(claim.lo[-1]), int(claim.hi[-1]))
    return f"x{claim.raised} is raised to {height}, or left if above"


def _few(claim: Claim) -> int | None:
    """How many values may differ from the base; None: all of them."""
    return claim.changes if claim.changes < len(claim.lo) else None


def _values(n: int) -> str:
    return f"{n} value{'' if n == 1 else 's'}"


def digest(*arrays: Ints) -> str:
    """SHA-256 of little-endian int64."""
    return hashlib.sha256(b"".join(a.astype("<i8").tobytes() for a in arrays)).hexdigest()


def _row(c: Ints, d: int, names: list[str]) -> str:
    """`y0 − 2·y3 ≤ −1`."""
    at = np.flatnonzero(c)
    terms = zip(c[at[:MAX_TERMS]].tolist(), at[:MAX_TERMS].tolist(), strict=True)
    signed = [f"{'−' if k < 0 else '+'} {_times(abs(k))}{names[i]}" for k, i in terms]
    left = " ".join([*signed, *["+ …"][: len(at) > MAX_TERMS]]) or "0"
    return f"{left.removeprefix('+ ')} ≤ {minus(d)}"


def _times(k: int) -> str:
    return "" if k == 1 else f"{k}·"


def _interval(name: str, lo: int, hi: int) -> str:
    """`x2 in −3..5`, `x2 = 5`."""
    return f"{name} = {minus(lo)}" if lo == hi else f"{name} in {minus(lo)}..{minus(hi)}"
