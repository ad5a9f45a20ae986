"""The inverse C of E − Wᵀ D W, E a diagonal of many inputs, D one of few stairs, or a matrix of them: a small
one will do.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from coverify.verify.query import F64Array

_MOST = 1e200
"""More than any square is."""


class Woodbury:
    """C = E⁻¹ + Uᵀ U, by Woodbury's identity, of weights W [m, n], a positive curve [m] or [m, m] and e [n].

    LinAlgError where the matrix is not positive definite.
    """

    def __init__(
        self, weights: F64Array, curve: F64Array, e: F64Array, linear: F64Array | None = None
    ) -> None:
        """linear [n]: of which `square` is found."""
        self.e, self.over = e, weights / e
        self._square = self.over @ weights.T
        self._root = np.sqrt(curve) if curve.ndim == 1 else np.linalg.cholesky(curve)
        rows = self._rooted(self._square)
        seen = rows * self._root if curve.ndim == 1 else rows @ self._root
        m, left = len(curve), np.eye(len(curve) + 1)
        left[:m, :m] -= seen
        if linear is not None:  # then the factor's last row is what solving with it would give
            left[m, :m], left[m, m] = self._rooted((self.over @ linear)[:, None])[:, 0], _MOST
        whole: F64Array = np.linalg.cholesky(left)
        low: F64Array = whole[:m, :m]
        last = whole[m, :m]
        self.square = np.nan if linear is None else float(linear @ (linear / e) + last @ last)
        """lᵀ C l."""
        self.edge = float(low.diagonal().min())
        """How far the matrix is from where it is not positive definite."""
        self.logs = float(np.log(e).sum() + 2 * np.log(low.diagonal()).sum())
        """The logarithm of its determinant."""
        self._low = low

    def times(self, linear: F64Array) -> F64Array:
        """C l, [n]."""
        seen = self._small @ (self.over @ linear)
        product: F64Array = linear / self.e + (seen @ self._small) @ self.over
        return product

    @cached_property
    def _small(self) -> F64Array:
        """What makes U of W E⁻¹, [m, m]."""
        inverse = np.linalg.inv(self._low)
        small: F64Array = inverse * self._root if self._root.ndim == 1 else inverse @ self._root.T
        return small

    def _rooted(self, rows: F64Array) -> F64Array:
        """The root of D, transposed, times [m, k]."""
        root = self._root
        times: F64Array = root[:, None] * rows if root.ndim == 1 else root.T @ rows
        return times

    @cached_property
    def u(self) -> F64Array:
        """U, [m, n]."""
        u: F64Array = self._small @ self.over
        return u

    @cached_property
    def _seen(self) -> F64Array:
        """U Wᵀ, [m, m]."""
        seen: F64Array = self._small @ self._square
        return seen

    @cached_property
    def rows(self) -> F64Array:
        """W C Wᵀ, [m, m]."""
        rows: F64Array = self._square + self._seen.T @ self._seen
        return rows

    @cached_property
    def columns(self) -> F64Array:
        """C Wᵀ, [n, m]."""
        mixed = self._small.T @ self._seen
        mixed[np.arange(len(mixed)), np.arange(len(mixed))] += 1.0
        columns: F64Array = self.over.T @ mixed
        return columns
