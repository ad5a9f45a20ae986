"""Scratch memory of the kernels: one block per thread, used again by every layer.

Fresh memory costs a page fault per 4 KiB and is cold; a block that all layers share is neither. What `arrays`
returns is overwritten by the thread's next call. The block grows to the largest request and is kept.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64


class _Block(threading.local):
    """The calling thread's block."""

    def __init__(self) -> None:
        self.memory: NDArray[np.uint8] = np.empty(0, np.uint8)


_BLOCK = _Block()


def arrays(*wanted: tuple[tuple[int, ...], np.dtype[Any]]) -> list[NDArray[Any]]:
    """One uninitialized array per (shape, dtype), aligned to 64 bytes, valid until the next call."""
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in wanted]
    total = sum(size + _ALIGNMENT for size in sizes) + _ALIGNMENT
    if len(_BLOCK.memory) < total:
        _BLOCK.memory = np.empty(total, np.uint8)
    at, found = -_BLOCK.memory.ctypes.data % _ALIGNMENT, []
    for (shape, dtype), size in zip(wanted, sizes, strict=True):
        found.append(_BLOCK.memory[at : at + size].view(dtype).reshape(shape))
        at += size + -size % _ALIGNMENT
    return found
