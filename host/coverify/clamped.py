"""Which values of an input are clamped, as the input has no code for them, and what people are told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Which = Sequence[int] | slice


@dataclass(frozen=True, eq=False)
class Clamped:
    """What of an input's values [N, shape] is clamped: outside, bool [N, n].

    numbers: of these samples in their file; told: (how many of how many, which is the first) as a note.
    """

    x: NDArray[Any]
    outside: NDArray[np.bool_]
    numbers: NDArray[np.int64]
    told: Callable[[str, str], str]

    def at(self, which: Which) -> Clamped:
        """Of these samples alone."""
        return Clamped(self.x[which], self.outside[which], self.numbers[which], self.told)

    @property
    def note(self) -> str | None:
        """How many values are clamped, and which is the first; None: none is."""
        if not self.outside.any():
            return None
        sample, feature = (int(i) for i in np.argwhere(self.outside)[0])
        value = float(self.x[sample].reshape(-1)[feature])
        count = f"{int(np.count_nonzero(self.outside))} of {self.outside.size}"
        return self.told(count, f"sample {self.numbers[sample]}, feature {feature}: {value:.6g}")


def notes_of(clamped: Sequence[Clamped], which: Which = slice(None)) -> tuple[str, ...]:
    """What is said of the values of these samples that are clamped, of each input."""
    return tuple(note for one in clamped if (note := one.at(which).note) is not None)


@dataclass(frozen=True)
class Limits:
    """The least and the greatest value that has a code, and the step between two; the rest is clamped."""

    least: float
    greatest: float
    step: float

    def clamped(self, name: str, x: NDArray[Any]) -> Clamped:
        """Which values of an array [N, shape] are clamped."""
        real = x.reshape(len(x), -1).astype(np.float64)
        half = self.step / 2  # halves are rounded away from zero
        outside = (real <= self.least - half) | (real >= self.greatest + half)

        def told(count: str, first: str) -> str:
            return (
                f"note: {count} values of {name} lie outside {self.least:.6g} … {self.greatest:.6g}, which "
                f"the input can represent, and are clamped (first: {first})"
            )

        return Clamped(x, outside, np.arange(len(x)), told)
