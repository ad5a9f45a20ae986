"""Newton's direction where the second derivatives are a large block, in e, and a small one, in the rest.

The large block is (2 z zᵀ + height · C) ∘ C, C = E⁻¹ + UᵀU of n inputs. Of it a diagonal and something of
rank m are inverted at once, and conjugate gradients on all variables together lead from there to the
direction for the block as it is, in some five to ten products with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.dual.woodbury import Woodbury
from coverify.verify.query import F64Array

F32Array = NDArray[np.float32]

MOST_INPUTS = 1200
"""With more, the first direction is all that is done."""
PRODUCTS = 24
"""With the large block, at most."""
RESIDUE = 1e-2
"""So small a part of the first residue's square, as the first block weighs it, ends them."""
_EASED, _SINGLE, _TINY = 1e-8, 1e-5, 1e-12
"""Added to the small block's diagonal, scaled to 1; to the large one's, which is in single precision; to that
of both together.
"""


@dataclass(frozen=True, eq=False)
class Slopes:
    """The first and second derivatives at a point: `inverse`, z [n] and height say what the large block is;
    across [n, r], small [r, r]: the others; in_e [n], in_rest [r]: the slopes.
    """

    inverse: Woodbury
    z: F64Array
    height: float
    across: F64Array
    small: F64Array
    in_e: F64Array
    in_rest: F64Array


class _Rough:
    """The large block with the rows' sums of height · (UᵀU)∘(UᵀU) for itself: a diagonal, and more."""

    def __init__(self, inverse: Woodbury, z: F64Array, height: float) -> None:
        e, single = inverse.e, np.float32
        u: F64Array = inverse.u.astype(single)
        own, sums = (u * u).sum(axis=0), ((u @ u.T @ u) * u).sum(axis=0)
        size = 1 / np.sqrt(2 * z * z / e + height * (1 / e**2 + 2 * own / e + sums))
        v = inverse.u * (np.sqrt(2) * z * size)  # its square may be too large for single precision
        root = np.linalg.inv(np.linalg.cholesky(np.eye(len(v)) + v @ v.T))
        self.v, self.size = root.astype(single) @ v.astype(single), size.astype(single)

    def solved(self, right: F64Array) -> F64Array:
        """Its inverse times [n, k]."""
        size = self.size[:, None]
        scaled = right * size
        found: F64Array = (scaled - self.v.T @ (self.v @ scaled)) * size
        return found


def _single(inverse: Woodbury) -> F32Array:
    """C in single precision: a direction need not be exact."""
    u, at = inverse.u.astype(np.float32), np.arange(len(inverse.e))
    c: F32Array = u.T @ u
    c[at, at] += (1 / inverse.e).astype(np.float32)
    return c


def _large(inverse: Woodbury, z: F64Array, height: float) -> F32Array:
    """The large block in single precision."""
    single, c = np.float32, _single(inverse)
    block: F32Array = np.multiply.outer(2 * z.astype(single), z.astype(single))
    block += single(height) * c
    block *= c
    return block


class _Products:
    """The same block times vectors: beside C∘C, z stands at both sides of C, which few rows make."""

    def __init__(self, inverse: Woodbury, z: F64Array, height: float) -> None:
        single = np.float32
        self.u, self.z, self.over = inverse.u.astype(single), z.astype(single), (1 / inverse.e).astype(single)
        self.height, self.squares = single(height), _single(inverse)
        self.squares *= self.squares

    def of(self, x: F64Array) -> F64Array:
        """The block times [n]."""
        single = x.astype(np.float32)
        turned = self.z * single
        pulled = self.over * turned + (self.u @ turned) @ self.u
        product: F64Array = self.height * (self.squares @ single) + 2 * self.z * pulled
        return product


def _inverse(left: F64Array) -> F64Array:
    """Of a small matrix, eased.  Raises LinAlgError."""
    size = 1 / np.sqrt(np.maximum(left.diagonal(), 1e-12))
    left = left * size[:, None] * size
    left[np.arange(len(left)), np.arange(len(left))] += _EASED
    inverse: F64Array = np.linalg.inv(left) * size[:, None] * size
    return inverse


def lesser(at: Slopes) -> F64Array:
    """The inverse of the second derivatives in the rest, e minimised out: [r, r].  Raises LinAlgError."""
    across: F64Array = at.across.astype(np.float32)
    if len(at.z) > MOST_INPUTS:
        solved = _Rough(at.inverse, at.z, at.height).solved(across)
    else:
        large = _large(at.inverse, at.z, at.height)
        size = 1 / np.sqrt(large.diagonal())
        large *= size[:, None]
        large *= size
        large[np.arange(len(size)), np.arange(len(size))] += _SINGLE
        solved = np.linalg.solve(large, across * size[:, None]) * size[:, None]
    return _inverse(at.small - (across.T @ solved).astype(np.float64))


def direction(at: Slopes, whole: bool) -> tuple[F64Array, F64Array]:
    """The steps in e [n] and in the rest [r] for their slopes; whole: with all of the large block."""
    z, small = at.z, at.small
    rough = _Rough(at.inverse, z, at.height)
    across: F64Array = at.across.astype(np.float32)
    solved = rough.solved(across)
    left = _inverse(small - (across.T @ solved).astype(np.float64)).astype(np.float32)

    def first(r_e: F64Array, r: F64Array) -> tuple[F64Array, F64Array]:
        r_e, r = r_e.astype(np.float32), r.astype(np.float32)
        rest = left @ (r - solved.T @ r_e)
        return rough.solved(r_e[:, None])[:, 0] - solved @ rest, rest

    r_e, r = -at.in_e, -at.in_rest
    y_e, y = first(r_e, r)
    if not whole or len(z) > MOST_INPUTS:
        return y_e, y
    large = _Products(at.inverse, z, at.height)
    begun_e, begun = y_e, y
    found_e, found = np.zeros_like(y_e), np.zeros_like(y)
    p_e, p, weight = y_e, y, r_e @ y_e + r @ y
    enough = RESIDUE * weight
    for _ in range(PRODUCTS):
        single_e, single = p_e.astype(np.float32), p.astype(np.float32)
        q_e = large.of(p_e) + across @ single
        q = across.T @ single_e + small @ p
        bend = p_e @ q_e + p @ q
        if not 0 < bend < np.inf:
            break
        step = float(weight / bend)  # a number of NumPy 2 would turn what it scales to double precision
        found_e, found = found_e + step * p_e, found + step * p
        r_e, r = r_e - step * q_e, r - step * q
        y_e, y = first(r_e, r)
        weight, before = r_e @ y_e + r @ y, weight
        if not enough < weight < np.inf:
            break
        kept = float(weight / before)
        p_e, p = y_e + kept * p_e, y + kept * p
    if at.in_e @ found_e + at.in_rest @ found < 0:
        return found_e, found
    return begun_e, begun  # near the end of positive matrices products in single precision may say nothing


def solved(at: Slopes) -> tuple[F64Array, F64Array]:
    """The same by one large matrix, in double precision.  Raises LinAlgError."""
    n, u = len(at.z), at.inverse.u
    whole = np.empty((n + len(at.small), n + len(at.small)))
    block = np.matmul(u.T, u, out=whole[:n, :n])
    block[np.arange(n), np.arange(n)] += 1 / at.inverse.e
    block *= at.height * block + np.multiply.outer(2 * at.z, at.z)
    whole[:n, n:], whole[n:, :n], whole[n:, n:] = at.across, at.across.T, at.small
    size = 1 / np.sqrt(np.maximum(whole.diagonal(), 1e-12))
    whole *= size[:, None]
    whole *= size
    whole[np.arange(len(size)), np.arange(len(size))] += _TINY
    found = np.linalg.solve(whole, -size * np.concatenate([at.in_e, at.in_rest])) * size
    return found[:n], found[n:]
