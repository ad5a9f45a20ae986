"""What the bytes of a .tflite file hold: flatbuffer tables, and tensors."""

import math
from typing import Any

import numpy as np

from coverify.check.steps import Ints, need


class Table:
    """A flatbuffer table at a position of `data`; its fields by their slots in TensorFlow Lite's schema 3.

    Absent are: a number as its default, a list as an empty one, a table as one without fields (at 0).
    """

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at, self.slots = data, at, list[int]()
        if at:
            vtable = at - self.read("i", at).item()
            n = self.read("H", vtable).item()
            need(4 <= n <= 4 + 2 * 64 and n % 2 == 0, "a damaged flatbuffer")
            self.slots = self.read("H", vtable + 4, n // 2 - 2).tolist()

    def read(self, kind: str, at: int, n: int = 1) -> Any:
        """n numbers; kind: a letter of numpy's.  Raises ValueError where they are not in the file."""
        return np.frombuffer(self.data, "<" + kind, n, at)

    def get(self, slot: int, kind: str, absent: Any = 0) -> Any:
        """A field: a number, a table ("T"), a list of either ("[i", "[T")."""
        at = self.at + self.slots[slot] if any(self.slots[slot : slot + 1]) else 0
        if kind[0] not in "[T":
            return self.read(kind, at).item() if at else absent
        at = at and at + self.read("I", at).item()
        if kind == "T":
            return Table(self.data, at)
        n = at and self.read("I", at).item()
        need(n <= (1 << 26 if kind == "[B" else 1 << 12), "a list that is too long")
        if kind == "[T":
            return [Table(self.data, p + self.read("I", p).item()) for p in range(at + 4, at + 4 + 4 * n, 4)]
        return self.read(kind[1], at + 4, n)


class Tensor:
    """Shape, type (9: int8, 2: int32), scales, zero points, a constant's values; `at`: once it is written,
    which elements it is, in its shape.
    """

    def __init__(self, t: Table, buffers: list[Any]) -> None:
        self.shape, self.type, self.at = tuple(t.get(0, "[i").tolist()), t.get(1, "b"), np.zeros(0, np.int64)
        self.size, q, buffer = math.prod(self.shape), t.get(4, "T"), t.get(2, "I")
        need(all(n > 0 for n in self.shape) and self.size <= 1 << 22, "a tensor's shape")
        need(len(self.shape) <= 6, "more than 6 dimensions, for which TFLM has no room")
        need(self.type in (0, 1, 2, 3, 4, 6, 7, 9), "a tensor of a type that networks of int8 do not have")
        self.scales, self.zeros, self.axis = q.get(2, "[f").tolist(), q.get(3, "[q").tolist(), q.get(6, "i")
        # the axis, 0..7, is read even where there is one scale, as by the reference
        need(not any((t.get(5, "B"), t.get(6, "T").at, q.get(4, "B"), self.axis >> 3)), "a tensor's kind")
        known = all(0 < s < math.inf for s in self.scales) and all(abs(z) <= 1 << 31 for z in self.zeros)
        need(known, "a scale that is not a positive number, or a zero point beyond 32 bits")
        self.raw = buffers[buffer]
        need(len(self.raw) in (0, self.size * {9: 1, 2: 4}.get(self.type, 0)), "a constant's type or size")

    def values(self) -> Ints:
        """A constant's integers, in its shape."""
        need(len(self.raw), "an operand that is no constant")
        return self.raw.view("i1" if self.type == 9 else "<i4").astype(np.int64).reshape(self.shape)

    @property
    def codes(self) -> tuple[float, int]:
        """Scale and zero point of an int8 tensor with one of each."""
        need(self.type == 9 and len(self.scales) == 1 and -128 <= self.zeros[0] <= 127, "it is not int8")
        return self.scales[0], self.zeros[0]
