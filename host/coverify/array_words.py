"""What is said of an array that a user's file lacks, or that is not what was wanted?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAX_NAMED: Final = 8
"""Most arrays of a file that are named."""


def listed(names: Iterable[str]) -> str:
    """The names of a file's arrays, the first of them where they are many."""
    every = [repr(name[:40]) for name in names]
    more = f" and {len(every) - MAX_NAMED} more" if len(every) > MAX_NAMED else ""
    return f"{', '.join(every[:MAX_NAMED]) or 'none'}{more}"


def sizes(x: NDArray[Any]) -> str:
    """`20 x 64`."""
    return " x ".join(map(str, x.shape)) or "a single number"


def how_stored(name: str, x: NDArray[Any], dtype: str) -> str | None:
    """Why integers are not to be cast: they are no real numbers, or would wrap."""
    if x.dtype.kind not in "iu" or not x.size or dtype == "bool":
        return None
    if dtype == "float32":
        return f"real numbers; if {name} holds codes, these are scale * (code - zero point)"
    least, most, limits = int(np.min(x)), int(np.max(x)), np.iinfo(dtype)
    within = limits.min <= least and most <= limits.max
    return None if within else f"{name} holds {least} to {most}, codes are {limits.min} to {limits.max}"


def represented(quantization: tuple[float, int], dtype: str) -> tuple[float, float]:
    """The real numbers of the least and the greatest code."""
    (scale, zero_point), limits = quantization, np.iinfo(dtype)
    lo, hi = (float(np.float32(scale)) * (end - zero_point) for end in (limits.min, limits.max))
    return lo, hi
