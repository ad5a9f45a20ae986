"""What did the attack change in a signal? A row of values before and after it, as two lines.

The template draws them as SVG.

A signal is a tensor with one side: [n, 1] or [1, n, 1] of more than FEW values, and a vector of at least
MANY whose length is no square (that is a flattened image: picture.py). Values are codes, -128…127.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from coverify.report.chart import Mark
from coverify.report.rows import Picture

FEW: Final = 16
MANY: Final = 64
LEFT: Final = 46.0
RIGHT: Final = 418.0
TOP: Final = 10.0
BOTTOM: Final = 170.0
X_MARKS: Final = 8
Y_MARKS: Final = 5


@dataclass(frozen=True)
class Signal:
    """Points of the two polylines, the marks of the axes, and what the change amounts to."""

    original: str
    adversarial: str
    x_marks: tuple[Mark, ...]
    y_marks: tuple[Mark, ...]
    largest: int
    n_changed: int
    n_values: int


def is_signal(shape: tuple[int, ...]) -> bool:
    """Is a tensor of this shape, without its batch, drawn as a line?"""
    n = math.prod(shape)
    if sum(side > 1 for side in shape) != 1:
        return False
    return n > FEW if len(shape) > 1 else n >= MANY and math.isqrt(n) ** 2 != n


def signal(picture: Picture) -> Signal | None:
    """The lines of a picture; None where it is drawn as an image."""
    if not is_signal(picture.shape):
        return None
    both, n = (*picture.original, *picture.adversarial), len(picture.original)
    lo, hi = min(both), max(both)
    lo, hi = (lo, hi) if lo < hi else (lo - 1, hi + 1)
    across, up = (RIGHT - LEFT) / (n - 1), (BOTTOM - TOP) / (hi - lo)

    def points(values: tuple[int, ...]) -> str:
        return " ".join(f"{LEFT + i * across:.1f},{BOTTOM - (v - lo) * up:.1f}" for i, v in enumerate(values))

    change = [abs(b - a) for a, b in zip(picture.original, picture.adversarial, strict=True)]
    return Signal(
        points(picture.original),
        points(picture.adversarial),
        tuple(Mark(round(LEFT + i * across, 1), str(i)) for i in marks(0, n - 1, X_MARKS)),
        tuple(
            Mark(round(BOTTOM - (v - lo) * up, 1), str(v).replace("-", "−")) for v in marks(lo, hi, Y_MARKS)
        ),
        max(change),
        sum(map(bool, change)),
        n,
    )


def marks(lo: int, hi: int, most: int) -> range:
    """Multiples of 1, 2 or 5 times a power of ten in lo..hi, no more than so many."""
    steps = (factor * 10**power for power in range(12) for factor in (1, 2, 5))
    step = next(step for step in steps if hi // step - -(-lo // step) < most)
    return range(-(-lo // step) * step, hi + 1, step)
