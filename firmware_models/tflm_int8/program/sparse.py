"""Integer linear maps whose rows have few coefficients: sums, interpolations, moved elements.

Exact integers throughout, in int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.program.primitives import IndexArray

_CHUNK_ELEMENTS = 1 << 22


@dataclass(frozen=True)
class Sparse:
    """y[i] = Σ_k weights[i, k] · x[columns[i, k]].

    columns, weights: int64 [n_out, k]; a column may repeat in a row; columns[i, k] = n_in reads 0.
    """

    n_in: int
    columns: IndexArray
    weights: I64Array

    @staticmethod
    def moving(n_in: int, origin: IndexArray) -> Sparse:
        """y[i] = x[origin[i]], or 0 where origin is n_in."""
        return Sparse(n_in, origin[:, None], np.ones((len(origin), 1), np.int64))

    @property
    def n_out(self) -> int:
        return len(self.columns)

    def apply(self, x: I64Array) -> I64Array:
        return self._weighted(np.concatenate([x, np.zeros((len(x), 1), np.int64)], axis=1), self.weights)

    def _weighted(self, padded: I64Array, weights: I64Array) -> I64Array:
        """padded: int64 [N, n_in + 1] → int64 [N, n_out]."""
        step = max(1, _CHUNK_ELEMENTS // max(1, self.columns.size))
        parts = [
            np.einsum("nik,ik->ni", padded[start : start + step][:, self.columns], weights)
            for start in range(0, len(padded), step)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.n_out), np.int64)

    def transposed(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = (v[:, :, None] * self.weights).reshape(len(v), -1)
        flat = self.columns.reshape(-1)
        return np.stack([np.bincount(flat, part, self.n_in + 1)[:-1] for part in parts])

    def interval(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        low, high = (np.append(end, 0)[None] for end in (lo, hi))
        positive, negative = self._signs
        return (
            (self._weighted(low, positive) + self._weighted(high, negative))[0],
            (self._weighted(high, positive) + self._weighted(low, negative))[0],
        )

    @cached_property
    def _signs(self) -> tuple[I64Array, I64Array]:
        return np.maximum(self.weights, 0), np.minimum(self.weights, 0)

    def row(self, i: int) -> tuple[IndexArray, I64Array]:
        inside = self.columns[i] < self.n_in
        columns, place = np.unique(self.columns[i, inside], return_inverse=True)
        weights = np.zeros(len(columns), np.int64)
        np.add.at(weights, place.reshape(-1), self.weights[i, inside])
        kept = np.flatnonzero(weights)
        return columns[kept], weights[kept]
