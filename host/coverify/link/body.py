"""What do the bytes of an answer say, and is each of them allowed? A cursor that takes fields in order.

A device may lie: whatever is too short, too long or out of bounds raises BadAnswer with the field's name, and
nothing is allocated from a size that the device claims.
"""

from __future__ import annotations

import struct

from coverify.errors import BadAnswer


class Body:
    """A cursor over an answer's body; whatever is short, long or out of bounds raises BadAnswer."""

    def __init__(self, what: str, data: bytes) -> None:
        """`what` names the request in messages."""
        self.what = what
        self._data = data
        self._at = 0

    def bad(self, why: str) -> BadAnswer:
        """The error that says what is wrong."""
        return BadAnswer(f"wrong answer to {self.what}: {why}; do host and firmware fit together?")

    def take(self, n: int) -> bytes:
        """The next `n` bytes."""
        if n > len(self._data) - self._at:
            raise self.bad(f"body of {len(self._data)} bytes is too short")
        self._at += n
        return self._data[self._at - n : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def ints(self, layout: struct.Struct) -> tuple[int, ...]:
        """The next numbers, laid out as `layout`."""
        return layout.unpack(self.take(layout.size))

    def u32(self) -> int:
        """The next u32."""
        return int.from_bytes(self.take(4), "little")

    def u8(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def text(self) -> str:
        """The next string: u8 length, printable ASCII (it goes to terminals and reports)."""
        raw = self.take(self.u8())
        if not all(0x20 <= c < 0x7F for c in raw):
            raise self.bad(f"text {raw!r} is not printable ASCII")
        return raw.decode("ascii")

    def equal(self, name: str, got: int, want: int) -> None:
        """A field that can only have one value."""
        if got != want:
            raise self.bad(f"{name} is {got}, must be {want}")

    def within(self, name: str, got: int, lo: int, hi: int) -> int:
        """A field in lo..hi; returns it."""
        if not lo <= got <= hi:
            raise self.bad(f"{name} is {got}, must be {lo}..{hi}")
        return got

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise self.bad(f"{len(self._data) - self._at} bytes too many")
