"""How large is a form of the input and of real y_1..y_m at most, less squares of y?

With x = (1, y) the form is c + g · input, where c = constants · x + Σ products_jk x_j x_k and g = forms · x,
and Σ d_k y_k² / 2^30 is taken from it. With g · input <= (g · (lo + hi) + |g| · (hi − lo)) / 2 and, for any
weights p >= 1, 2^28 |g| <= 4 p g² + 4^26 / p, what is left is a quadratic form xᵀ H x and a constant. It is
at most d_0 + Σ d_k y_k² for every d_0 for which diag(d) − H is positive semidefinite.
"""

import numpy as np

from coverify.check.steps import SMALL, Ints, dot, exact, need, size, small

SCALE = 26


def greatest(forms: Ints, constants: Ints, products: Ints, box: Ints, weights: Ints, d: Ints) -> int:
    """forms: [1 + m, n]; constants, d: [1 + m]; products: [1 + m, 1 + m]; box: [2, n]; weights: [n]."""
    lo, hi = box
    need(np.all(weights >= 1) and size(hi - lo) * size(weights) < SMALL, "weights out of range")
    linear, heavy = 2 * small(constants) + dot(forms, lo + hi), (hi - lo) * weights
    exact((4 * forms.astype(float) ** 2, heavy))  # no other sum of products of forms exceeds these
    need(max(size(linear), 4 * size(products)) < 2**33 and size(d) < SMALL, "a matrix out of range")
    twice = 2 * products
    twice[0, 1:] += linear[1:]
    h = 8 * ((forms * heavy) @ forms.T) + ((twice + twice.T) << (SCALE + 2))
    need(positive(np.diag(d) - h), "a matrix that is not seen to be positive")
    rest = dot(hi - lo, -(-(4**SCALE) // weights)) + (linear[0] << (SCALE + 2))
    return (int(d[0]) + 2 * int(rest)) >> (SCALE + 4)


def positive(n: Ints) -> bool:
    """Is a symmetric matrix seen to be positive semidefinite?

    Scaled to 58 bits: with k + 1 rows it is 2^e ((n >> e) − k I) and something positive; of that, RᵀR is
    taken, for an R that need not be trusted; the rest must be diagonally dominant.  Raises LinAlgError: no.
    """
    e = size(n).bit_length() - 58
    n = n << -e if e <= 0 else (n >> e) - (len(n) - 1) * np.eye(len(n), dtype=np.int64)
    r = np.rint(np.linalg.cholesky(n - np.eye(len(n)) * (size(n) * len(n) / 2**26))).astype(np.int64)
    left = n - dot(r, r.T)
    return bool(np.all(2 * left.diagonal() >= dot(np.abs(left), np.ones(len(n), np.int64))))
