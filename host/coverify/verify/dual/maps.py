"""Linear maps on rows of float64, as bounds need them: applied, their reach, moves reversed."""

from __future__ import annotations

import numpy as np

from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Term


def applied(linear: object, x: F64Array) -> F64Array:
    """A linear map on float values (they are integers here: sums of ends)."""
    apply = getattr(linear, "apply")  # noqa: B009 - a protocol of int64 arrays; the values are integers
    out: F64Array = apply(x.astype(np.int64)).astype(np.float64)
    return out


def reach(term: Term) -> F64Array:
    """Σ|weights| of every row of a term's map: float64 [n_out]."""
    ones = np.ones(term.map.n_in, np.int64)
    return np.abs(term.map.interval(-ones, ones)[1]).astype(np.float64)


def added_at(index: I64Array, nu: F64Array, n: int) -> F64Array:
    """The transposed of taking elements by index: float64 [rows, n]."""
    out = np.zeros((n, len(nu)))
    np.add.at(out, index, nu.T)
    return out.T
