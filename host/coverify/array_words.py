"""What is said of an array that a user's file lacks, or that is not what was wanted?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

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
