"""What may be wrong in MAX_POOL_2D and AVERAGE_POOL_2D: the division, what is counted, window, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array
from coverify.conformance.diagnosis.layer import unchanged
from coverify.conformance.diagnosis.narrow import cut, saturated
from coverify.conformance.diagnosis.windows import wrong_pixels, wrong_windows
from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.pooling import AveragePool, MaxPool

Division = Callable[[I64Array, I64Array], I64Array]


@dataclass(frozen=True)
class Pooling:
    """A pool in the open. border: the code of a tap outside the image; counted: the taps that count at each
    position, where these are not those inside; kept: the taps of the window, where not all; taps: what they
    read, where that is not what the window's do; total: what becomes of a sum.
    """

    kernel: AveragePool | MaxPool
    window: Window2D
    lo: int
    hi: int
    border: int
    counted: I64Array | None = None
    kept: tuple[int, ...] | None = None
    taps: I64Array | None = None
    divide: Division | None = None
    total: Callable[[I64Array], I64Array] = unchanged

    def run(self, inputs: Sequence[Array]) -> I64Array:
        """int8 [N, batch, h, w, c] → int64 [N, output shape]."""
        x = inputs[0]
        values = x.reshape(-1, self.window.n_pixels, x.shape[-1]).astype(np.int64)
        edge = np.full((len(values), 1, x.shape[-1]), self.border, np.int64)
        taps = self.window.taps if self.taps is None else self.taps
        taps = taps if self.kept is None else taps[:, self.kept]
        under = np.concatenate([values, edge], axis=1)[:, taps]
        if self.divide is None:
            pooled = under.max(axis=2)
        else:
            inside = (taps < self.window.n_pixels).sum(axis=1)
            count = np.maximum(inside, 1) if self.counted is None else self.counted
            pooled = self.divide(self.total(under.sum(axis=2)), count[:, None])
        clamped: I64Array = np.clip(pooled, self.lo, self.hi).reshape(len(x), *self.kernel.node.output.shape)
        return clamped


def half_away(total: I64Array, n: I64Array) -> I64Array:
    """TFLM's: to the nearest, halves away from zero."""
    mean: I64Array = np.sign(total) * ((np.abs(total) + n // 2) // n)
    return mean


def pooling_of(kernel: AveragePool | MaxPool) -> Pooling:
    """The pool that a kernel is."""
    if isinstance(kernel, MaxPool):
        return Pooling(kernel, kernel.window, kernel.lo, kernel.hi, -128)
    return Pooling(kernel, kernel.window, kernel.lo, kernel.hi, 0, divide=half_away)


def pool_variants(kernel: AveragePool | MaxPool) -> Iterator[Candidate]:
    """Every variant of a pool."""
    pool = pooling_of(kernel)
    changed = _averages(pool) if pool.divide else _greatest(pool)
    for name, says, wrong in (*changed, *_limits(pool), *_parts(pool), *_ends(pool)):
        yield Candidate(name, says, wrong.run)
    for name, says, window in (*wrong_windows(pool.window), *wrong_pixels(pool.window)):
        yield Candidate(name, says, replace(pool, window=window).run)


def _averages(pool: Pooling) -> Iterator[tuple[str, str, Pooling]]:
    divisions: dict[str, tuple[str, Division]] = {
        "average-without-rounding": (
            "the mean is cut towards zero",
            lambda t, n: np.sign(t) * (np.abs(t) // n),
        ),
        "average-floored": ("the mean is rounded down", lambda t, n: t // n),
        "average-ties-up": ("halves are rounded up, not away from zero", lambda t, n: (2 * t + n) // (2 * n)),
        "average-ties-even": ("halves are rounded to even", lambda t, n: np.rint(t / n).astype(np.int64)),
        "average-half-added": (
            "half of the count is added whatever the sign, then cut towards zero",
            lambda t, n: np.sign(t + n // 2) * (np.abs(t + n // 2) // n),
        ),
        "average-by-reciprocal": (
            "the sum times 2^16 / n, rounded: the reciprocal of the count is cut to 16 bits",
            lambda t, n: (t * ((1 << 16) // n) + (1 << 15)) >> 16,
        ),
        "average-is-maximum": ("the greatest element, not the mean", half_away),
    }
    for name, (says, divide) in divisions.items():
        wrong = replace(pool, divide=divide)
        if name == "average-is-maximum":
            wrong = replace(pool, divide=None, border=-128)
        yield name, says, wrong
    for name, narrow in (("wraps", cut), ("saturates", saturated)):
        says = f"the sum {name} at 16 bits"
        yield f"accumulator-{name}-int16", says, replace(pool, total=partial(narrow, 16))
    yield (
        "average-counts-padding",
        "taps outside the image count as zeros of the code",
        replace(pool, counted=np.full(pool.window.n_positions, _size(pool))),
    )
    quantization = pool.kernel.node.input(0).quantization
    zero = 0 if quantization is None else quantization.zero_point
    yield (
        "average-counts-padding-as-zero-point",
        "taps outside the image count as the zero point",
        replace(pool, counted=np.full(pool.window.n_positions, _size(pool)), border=zero),
    )
    rows, columns = ((axis.pixels() >= 0).sum(axis=1) for axis in (pool.window.rows, pool.window.columns))
    for name, says, counts in (
        (
            "average-counts-columns-outside",
            "the taps beside the image count",
            np.outer(rows, np.full_like(columns, pool.window.columns.kernel)),
        ),
        (
            "average-counts-rows-outside",
            "the taps above and below the image count",
            np.outer(np.full_like(rows, pool.window.rows.kernel), columns),
        ),
    ):
        yield name, says, replace(pool, counted=np.maximum(counts.reshape(-1), 1))


def _size(pool: Pooling) -> int:
    return pool.window.rows.kernel * pool.window.columns.kernel


def _parts(pool: Pooling) -> Iterator[tuple[str, str, Pooling]]:
    """A row or column of the window that is not read."""
    height, width = pool.window.rows.kernel, pool.window.columns.kernel
    taps = np.arange(height * width).reshape(height, width)
    for name, index in (("first", 0), ("last", -1)):
        for what, axis in (("row", 0), ("column", 1)):
            if taps.shape[axis] > 1:
                kept = tuple(np.delete(taps, index, axis=axis).reshape(-1).tolist())
                yield (
                    f"window-{name}-{what}-missing",
                    f"the window's {name} {what} is not read",
                    replace(pool, kept=kept),
                )


def _ends(pool: Pooling) -> Iterator[tuple[str, str, Pooling]]:
    """The last row or column of the part of a window inside the image is not read, if there are several."""
    for what, changed in (
        ("row", (_short(pool.window.rows), pool.window.columns.pixels())),
        ("column", (pool.window.rows.pixels(), _short(pool.window.columns))),
    ):
        rows, columns = changed
        inside = (rows[:, None, :, None] >= 0) & (columns[None, :, None, :] >= 0)
        taps = np.where(inside.reshape(pool.window.taps.shape), pool.window.taps, pool.window.n_pixels)
        if not np.array_equal(taps, pool.window.taps):
            says = f"the last {what} of what lies inside the image is not read"
            yield f"window-end-{what}-off-by-one", says, replace(pool, taps=taps)


def _short(axis: Axis) -> I64Array:
    pixels = axis.pixels()
    last = axis.kernel - 1 - np.argmax(pixels[:, ::-1] >= 0, axis=1)
    if axis.kernel > 1:
        pixels[np.arange(len(pixels)), last] = -1
    return pixels


def _greatest(pool: Pooling) -> Iterator[tuple[str, str, Pooling]]:
    yield (
        "maximum-starts-at-zero",
        "the maximum starts at the code 0",
        replace(pool, border=0, lo=max(pool.lo, 0)),
    )
    yield "maximum-counts-padding", "taps outside the image count as the code 0", replace(pool, border=0)
    yield "maximum-is-mean", "the mean, not the greatest element", replace(pool, border=0, divide=half_away)


def _limits(pool: Pooling) -> Iterator[tuple[str, str, Pooling]]:
    if (pool.lo, pool.hi) != (-128, 127):
        yield "activation-missing", "the fused activation is not applied", replace(pool, lo=-128, hi=127)
        yield "activation-lower-bound-missing", "only the upper bound holds", replace(pool, lo=-128)
        yield "activation-upper-bound-missing", "only the lower bound holds", replace(pool, hi=127)
