"""Bounded reading of the vector at a FlexBuffer's root: the options of TFLM's custom operators.

TFLM reads an option by its position, whatever its type in the file (`FlexbufferWrapper`); a map is a vector
whose keys stand elsewhere. Source: flexbuffers.h; flatbuffer_utils.cc.
"""

from __future__ import annotations

from typing import Final

from tflm_int8.flatbuffer import Damaged

_MAX_BYTES: Final = 4095
_MAX_KEYS: Final = 64
_MAP: Final = 9
_VECTOR: Final = 10
_WIDTHS: Final = (1, 2, 4, 8)


class Options:
    """The elements of the root, a vector or a map, by position."""

    def __init__(self, raw: bytes) -> None:
        """Find the elements.  Raises Damaged."""
        self._raw = raw
        if not 3 <= len(raw) <= _MAX_BYTES or raw[-1] not in _WIDTHS:
            raise Damaged(f"{len(raw)} bytes are not a FlexBuffer")
        kind, root = raw[-2] >> 2, len(raw) - 2 - raw[-1]
        if kind not in (_MAP, _VECTOR):
            raise Damaged(f"the FlexBuffer's root has the type {kind}, which is no map and no vector")
        self.is_map, self._width = kind == _MAP, 1 << (raw[-2] & 3)
        self._start = self._followed(root, raw[-1])
        self._n = self._unsigned(self._start - self._width, self._width)

    def _unsigned(self, at: int, width: int) -> int:
        if not 0 <= at <= len(self._raw) - width:
            raise Damaged(f"{width} bytes at {at} are outside the FlexBuffer of {len(self._raw)} bytes")
        return int.from_bytes(self._raw[at : at + width], "little")

    def _followed(self, at: int, width: int) -> int:
        """Where the backward offset stored at `at` leads."""
        return at - self._unsigned(at, width)

    def _bits(self, i: int) -> int:
        if i >= self._n:
            raise Damaged(f"the FlexBuffer has {self._n} elements, and none of number {i}")
        return self._unsigned(self._start + i * self._width, self._width)

    def integer(self, i: int) -> int:
        """The i-th element as TFLM's int32: sign-extended, its low 32 bits.  Raises Damaged."""
        bits, n = self._bits(i), min(8 * self._width, 32)
        bits &= (1 << n) - 1
        return bits - (bits >> (n - 1) << n)

    def boolean(self, i: int) -> bool:
        """Whether the i-th element has a bit set.  Raises Damaged."""
        return self._bits(i) != 0

    def keys(self) -> list[bytes]:
        """The keys of a map in order, none of a vector.  Raises Damaged."""
        if not self.is_map:
            return []
        if self._n > _MAX_KEYS:
            raise Damaged(f"a FlexBuffer with {self._n} keys")
        start = self._followed(self._start - 3 * self._width, self._width)
        width = self._unsigned(self._start - 2 * self._width, self._width)
        if width not in _WIDTHS:
            raise Damaged(f"the keys' offsets have {width} bytes")
        return [self._text(self._followed(start + i * width, width)) for i in range(self._n)]

    def _text(self, at: int) -> bytes:
        end = self._raw.find(b"\0", at) if at >= 0 else -1
        if end < 0:
            raise Damaged("a key that does not end")
        return self._raw[at:end]
