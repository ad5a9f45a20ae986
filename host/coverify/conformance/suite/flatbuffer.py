"""How is a FlatBuffers file written? Tables and vectors as values, parents first, forward offsets only.

Format: FlatBuffers internals, "Format details"; all integers little-endian.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Scalar = tuple[str, int | float]
"""A struct format of one number ("<i4" style is not used: "b", "i", "q", "f", …) and its value."""


@dataclass(frozen=True)
class Table:
    """Field number → a scalar, or a part of its own."""

    fields: Mapping[int, Scalar | Part]


@dataclass(frozen=True)
class Numbers:
    """A vector of raw little-endian elements, `width` bytes each, the first one aligned to `align`."""

    data: bytes
    width: int
    align: int = 4


@dataclass(frozen=True)
class Text:
    """A string."""

    text: str


@dataclass(frozen=True)
class Parts:
    """A vector of tables."""

    items: Sequence[Part]


Part = Table | Numbers | Text | Parts


@dataclass
class _Writer:
    out: bytearray = field(default_factory=bytearray)
    pending: deque[tuple[int, Part]] = field(default_factory=deque)

    def pad(self, align: int, ahead: int = 0) -> None:
        """Fill so that the position `ahead` bytes from here is a multiple of `align`."""
        self.out.extend(bytes(-(len(self.out) + ahead) % align))

    def refer(self, part: Part) -> None:
        """Four bytes that will point to the part."""
        self.pending.append((len(self.out), part))
        self.out.extend(bytes(4))

    def place(self, part: Part) -> int:
        """Write a part, its children left for later; its position."""
        match part:
            case Table():
                return self._table(part)
            case Numbers():
                self.pad(max(4, part.align), 4)
                at = len(self.out)
                self.out.extend(struct.pack("<I", len(part.data) // part.width) + part.data)
            case Text():
                self.pad(4)
                at, raw = len(self.out), part.text.encode()
                self.out.extend(struct.pack("<I", len(raw)) + raw + b"\0")
            case Parts():
                self.pad(4)
                at = len(self.out)
                self.out.extend(struct.pack("<I", len(part.items)))
                for item in part.items:
                    self.refer(item)
        return at

    def _table(self, table: Table) -> int:
        offsets, size = _layout(table)
        n_slots = max(table.fields, default=-1) + 1
        vtable = struct.pack("<HH", 4 + 2 * n_slots, size)
        vtable += b"".join(struct.pack("<H", offsets.get(slot, 0)) for slot in range(n_slots))
        self.pad(8, len(vtable))
        start = len(self.out)
        self.out.extend(vtable)
        at = len(self.out)
        self.out.extend(struct.pack("<i", at - start) + bytes(size - 4))
        for slot, value in table.fields.items():
            if isinstance(value, tuple):
                struct.pack_into("<" + value[0], self.out, at + offsets[slot], value[1])
            else:
                self.pending.append((at + offsets[slot], value))
        return at


def _layout(table: Table) -> tuple[dict[int, int], int]:
    """Where in the table each field stands, and the table's size in bytes."""
    offsets, at = {}, 4
    for slot, value in table.fields.items():
        width = struct.calcsize("<" + value[0]) if isinstance(value, tuple) else 4
        at += -at % width
        offsets[slot] = at
        at += width
    return offsets, at + -at % 4


def flatbuffer(root: Table, identifier: bytes) -> bytes:
    """The file: `root` and everything below it; identifier: four bytes."""
    writer = _Writer()
    writer.refer(root)
    writer.out.extend(identifier)
    while writer.pending:
        where, part = writer.pending.popleft()
        at = writer.place(part)
        struct.pack_into("<I", writer.out, where, at - where)
    return bytes(writer.out)
