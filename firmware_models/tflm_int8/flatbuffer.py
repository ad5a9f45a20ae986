"""Bounded reading of flatbuffers: tables, vectors and strings of a file that may be hostile.

Every offset is checked before it is followed; nothing is copied; the bytes that are visited in all are
limited to a multiple of the file's size, so that a file whose entries all point at one large vector cannot
make reading slow. Raises `Damaged`, never IndexError or struct.error.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_VISITS_PER_BYTE = 32


class Damaged(ValueError):
    """The bytes are not the flatbuffer that they should be."""


class Buffer:
    """The bytes of a file and the budget for visiting them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._budget = _VISITS_PER_BYTE * len(data) + 65536

    def root(self) -> Table:
        """The root table."""
        return Table(self, self.offset(0))

    def need(self, at: int, n: int) -> None:
        """Damaged unless the n bytes from `at` on lie in the file and in the budget."""
        if at < 0 or n < 0 or at + n > len(self.data):
            raise Damaged(f"{n} bytes at {at} are outside the file of {len(self.data)} bytes")
        self._budget -= n + 4
        if self._budget < 0:
            raise Damaged("its parts overlap too often")

    def scalar(self, at: int, fmt: str) -> int | float:
        """One little-endian scalar in struct's notation ("<i")."""
        self.need(at, struct.calcsize(fmt))
        value: int | float = struct.unpack_from(fmt, self.data, at)[0]
        return value

    def integer(self, at: int, fmt: str) -> int:
        """One little-endian integer."""
        return int(self.scalar(at, fmt))

    def offset(self, at: int) -> int:
        """Where the forward offset stored at `at` leads."""
        return at + self.integer(at, "<I")

    def array(self, at: int, dtype: str) -> NDArray[np.generic]:
        """The vector of scalars at `at`, as a read-only view."""
        n = self.integer(at, "<I")
        size = np.dtype(dtype).itemsize
        self.need(at + 4, n * size)
        return np.frombuffer(self.data, dtype, n, at + 4)


class Table:
    """One table; fields are named by their slot number in the schema."""

    def __init__(self, buffer: Buffer, at: int) -> None:
        self._buffer, self._at = buffer, at
        vtable = at - buffer.integer(at, "<i")
        n_bytes = buffer.integer(vtable, "<H")
        if n_bytes < 4 or n_bytes % 2:
            raise Damaged(f"the vtable at {vtable} has a length of {n_bytes}")
        buffer.need(vtable, n_bytes)
        self._slots = struct.unpack_from(f"<{n_bytes // 2 - 2}H", buffer.data, vtable + 4)

    def _field(self, slot: int) -> int | None:
        """Where the field lies, or None when it is absent (has its default)."""
        offset = self._slots[slot] if slot < len(self._slots) else 0
        return self._at + offset if offset else None

    def has(self, slot: int) -> bool:
        """Whether the field is present."""
        return self._field(slot) is not None

    def integer(self, slot: int, fmt: str, default: int = 0) -> int:
        """An integer field in struct's notation."""
        at = self._field(slot)
        return default if at is None else self._buffer.integer(at, fmt)

    def float32(self, slot: int) -> float:
        """A float32 field, default 0."""
        at = self._field(slot)
        return 0.0 if at is None else float(self._buffer.scalar(at, "<f"))

    def array(self, slot: int, dtype: str) -> NDArray[np.generic]:
        """A vector of scalars; empty when absent."""
        at = self._field(slot)
        if at is None:
            return np.zeros(0, dtype)
        return self._buffer.array(self._buffer.offset(at), dtype)

    def string(self, slot: int) -> str:
        """A string; undecodable bytes become U+FFFD, at most 200 characters are kept."""
        return bytes(self.array(slot, "<u1")[:800]).decode("utf-8", "replace")[:200]

    def c_string(self, slot: int) -> bytes:
        """A string's bytes; Damaged unless the zero byte, by which C finds its end, stands behind them."""
        at = self._field(slot)
        if at is None:
            return b""
        text = self.array(slot, "<u1").tobytes()
        if self._buffer.integer(self._buffer.offset(at) + 4 + len(text), "<B"):
            raise Damaged(f"a string of {len(text)} bytes has no zero byte behind it")
        return text

    def table(self, slot: int) -> Table | None:
        """A sub-table (or a union's table), or None."""
        at = self._field(slot)
        return None if at is None else Table(self._buffer, self._buffer.offset(at))

    def tables(self, slot: int) -> list[Table]:
        """A vector of tables; empty when absent."""
        at = self._field(slot)
        if at is None:
            return []
        start = self._buffer.offset(at)
        n = len(self._buffer.array(start, "<u4"))
        return [Table(self._buffer, self._buffer.offset(start + 4 + 4 * i)) for i in range(n)]
