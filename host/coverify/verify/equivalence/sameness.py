"""Are two steps of programs one and the same function? Compared by their content, field by field.

What is not plain data, arrays and frozen dataclasses counts as different: a "no" costs sharing, never truth.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum

import numpy as np


def same(a: object, b: object) -> bool:
    """Equal in type and in every field; arrays in type, shape and every element."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Enum | int | float | str | bytes | frozenset):
        return bool(a == b)
    if is_dataclass(a) and not isinstance(a, type):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return False
