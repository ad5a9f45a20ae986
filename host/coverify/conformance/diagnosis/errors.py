"""Where and by how much does an operator differ? A histogram, counts along every axis, patterns."""

from __future__ import annotations

import numpy as np

from coverify.conformance.diagnosis.candidate import I64Array
from coverify.report import AxisErrors, ErrorCount
from coverify.report.rows import MAX_PICTURE

MAX_BINS = 600
_NAMES = ("batch", "height", "width", "channel")
_LOOPS = (16, 8, 4, 2)


def histogram(difference: I64Array) -> tuple[ErrorCount, ...]:
    """Device minus reference, by value; the equal elements are counted as error 0."""
    values, counts = np.unique(difference, return_counts=True)
    order = np.sort(np.argsort(-counts)[:MAX_BINS])
    return tuple(ErrorCount(error=int(values[i]), elements=int(counts[i])) for i in order)


def along_axes(differs: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[AxisErrors, ...]:
    """Differing elements by position on every axis; differs: [N, output shape]."""
    found = []
    rank = differs.ndim - 1
    for axis in range(rank):
        if not 1 < differs.shape[axis + 1] <= MAX_PICTURE:
            continue
        others = tuple(i for i in range(rank + 1) if i != axis + 1)
        counts = differs.sum(axis=others).tolist()
        name = _NAMES[axis] if rank == 4 else f"axis {axis}" if axis < rank - 1 else "channel"
        found.append(AxisErrors(axis=name, counts=tuple(int(c) for c in counts)))
    return tuple(found)


def patterns(axes: tuple[AxisErrors, ...]) -> tuple[str, ...]:
    """What can be said of where the differences are, in words."""
    said = []
    for axis in axes:
        where = [i for i, count in enumerate(axis.counts) if count]
        size = len(axis.counts)
        if not where or len(where) == size:
            continue
        if len(where) == 1:
            said.append(f"only at {axis.axis} {where[0]} of 0…{size - 1}")
        elif where[0] == 0 and where[-1] == size - 1 and len(where) == 2 and size > 3:
            said.append(f"only at the first and last {axis.axis}")
        else:
            said.append(_range(axis.axis, where, size))
    return tuple(text for text in said if text)


def left_over(differs: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[str, ...]:
    """Of all elements together, only the last ones that a loop leaves over; differs: [N, output shape]."""
    flat = differs.reshape(len(differs), -1).any(axis=0)
    first, size = int(np.flatnonzero(flat)[0]), flat.size
    if first and size - first < size // 2 and differs.ndim > 1:
        for step in _LOOPS:
            if first == size - size % step:
                over = size - first
                return (f"only the last {over} of {size} elements: what a loop over {step} leaves over",)
    return ()


def unwritten(got: I64Array, differs: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[str, ...]:
    """Elements that differ and hold the same codes in every sample; got and differs are [N, output shape]."""
    places = differs.reshape(len(differs), -1)
    if not np.all(places.any(axis=0)) and _never_written(got.reshape(len(got), -1), places):
        return ("the differing elements are the same for every input: perhaps they are not written",)
    return ()


def _never_written(got: I64Array, differs: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> bool:
    """Do the places that ever differ hold the same codes in every one of several samples?"""
    places = differs.any(axis=0)
    return len(got) > 2 and bool(np.all(got[:, places] == got[0, places]))


def _range(axis: str, where: list[int], size: int) -> str:
    """A run of positions at the end: perhaps what a loop over 2, 4, 8 or 16 leaves over."""
    first = where[0]
    if where[-1] != size - 1 or len(where) != size - first:
        return f"only at {len(where)} of {size} positions of {axis}"
    for step in _LOOPS:
        if first == size - size % step and first:
            return f"only at {axis} {first}…{size - 1}: what a loop over {step} leaves over"
    return f"only at {axis} {first}…{size - 1}"
