"""Scratch memory of the kernels: one block per thread, used again by every layer.

Fresh memory costs a page fault per 4 KiB and is cold; a block that all layers share is neither. What `arrays`
returns is overwritten by the thread's next call. The block grows to the largest request and is kept.
"""

from __future__ import annotations

import math
import threading
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64


class _Block(threading.local):
    """The calling thread's block, which begins at a multiple of 64 bytes."""

    def __init__(self) -> None:
        self.memory: NDArray[np.uint8] = np.empty(0, np.uint8)

    def grow(self, n_bytes: int) -> None:
        """Make the block at least so long; what was in it is lost."""
        if len(self.memory) < n_bytes:
            whole = np.empty(n_bytes + _ALIGNMENT, np.uint8)
            self.memory = whole[-whole.ctypes.data % _ALIGNMENT :]


_BLOCK = _Block()


def arrays(*wanted: tuple[tuple[int, ...], np.dtype[Any]]) -> list[NDArray[Any]]:
    """One uninitialized array per (shape, dtype), aligned to 64 bytes, valid until the next call."""
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in wanted]
    ends = list(accumulate(size + -size % _ALIGNMENT for size in sizes))
    _BLOCK.grow(ends[-1])
    return [
        np.ndarray(shape, dtype, _BLOCK.memory, end - size - -size % _ALIGNMENT)
        for (shape, dtype), size, end in zip(wanted, sizes, ends, strict=True)
    ]
