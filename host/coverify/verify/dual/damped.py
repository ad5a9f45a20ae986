"""A damped Newton step on a function that is defined where numbers and a matrix are positive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from coverify.verify.query import F64Array


class _Positive(Protocol):
    @property
    def least(self) -> float:
        """Of the numbers that must be positive."""


class _Matrix(Protocol):
    edge: float
    """How far it is from where it is not positive definite."""


P = TypeVar("P", bound=_Positive)
M = TypeVar("M", bound=_Matrix)


def farthest(*changes: tuple[F64Array, F64Array]) -> float:
    """A step (change, numbers) after which all numbers are still positive."""
    return -0.95 / min(-1e-9, *(float((change / numbers).min()) for change, numbers in changes))


@dataclass(frozen=True, eq=False)
class Descent(Generic[P, M]):
    """matrix: of a point, LinAlgError where it is not positive definite; value: of a point with its matrix.

    nearer: how much nearer to the end of positive matrices one step may come; shortest: a step is no shorter.
    """

    matrix: Callable[[P], M]
    value: Callable[[P, M], float]
    nearer: float
    shortest: float

    def reached(self, point: P, edge: float) -> M | None:
        """The matrix; None where it is not positive definite, or nearer to the end of these than `edge`."""
        if point.least <= 0:
            return None
        try:
            matrix = self.matrix(point)
        except np.linalg.LinAlgError:
            return None
        return matrix if matrix.edge > edge else None

    def stepped(
        self,
        point: P,
        matrix: M,
        moved: Callable[[float], P],
        decrement: float,
        most: float,
        before: float | None = None,
    ) -> tuple[P, M, float]:
        """The point after a part of a step, or several, its matrix and its value; the same ones where none is
        lower.  before: the value here, where it is known.
        """
        before = self.value(point, matrix) if before is None else before
        stays = np.inf, point, matrix

        def tried(step: float) -> tuple[float, P, M]:
            new = moved(step)
            there = self.reached(new, self.nearer * matrix.edge)
            if there is None:
                return stays
            value = self.value(new, there)
            return (value, new, there) if value < before - 0.05 * step * max(decrement, 0.0) else stays

        step, found = min(1.0, most), stays
        while step > self.shortest and found is stays:
            found, step = tried(step), step / 2
        step *= 4  # twice what was taken: directions near a centre are short ones
        while 2 <= step <= most and (longer := tried(step))[0] < found[0]:
            found, step = longer, 2 * step
        return found[1], found[2], before if found is stays else found[0]
