"""A line that does wrong: bytes lost, doubled, flipped, swapped, delayed, cut, garbage, old frames once more.

`Faults` decides for every byte of one direction what happens to it; the line does it. Deterministic for a
given plan, so that a failure can be repeated.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable

from coverify.link.deadline import Deadline
from coverify.link.line import SerialLine

#: what may happen to a byte
LOST, DOUBLED, FLIPPED, SPLIT, GARBAGE, SWAPPED, CUT, DELAYED, REPLAYED = NAMES = (
    "lost", "doubled", "flipped", "split", "garbage", "swapped", "cut", "delayed", "replayed",
)  # fmt: skip
Plan = Callable[[int], str | None]
DELAY_S = 0.03


def nothing(at: int) -> None:
    return None


def once(at: int, fault: str) -> Plan:
    return lambda i: fault if i == at else None


def at_random(rate: float, seed: int, faults: tuple[str, ...] = NAMES) -> Plan:
    rng = random.Random(seed)
    return lambda i: rng.choice(faults) if rng.random() < rate else None


class Direction:
    """Bytes on their way in one direction."""

    def __init__(self) -> None:
        self.plan: Plan = nothing
        self.n = 0
        self._swapped = b""
        self._cutting = False
        self._late: deque[tuple[float, bytes]] = deque()
        self._frame = bytearray()
        self._old: deque[bytes] = deque(maxlen=12)
        self._rng = random.Random(1)

    def arm(self, plan: Plan) -> None:
        self.plan, self.n = plan, 0

    def through(self, data: bytes) -> bytes:
        """What comes out for `data`, and of what was held back before."""
        out = b"".join(self._one(bytes([byte])) for byte in data)
        if self._late:
            self._late.append((self._late[-1][0], out))
            out = b""
        return self._due() + out

    def _due(self) -> bytes:
        out = b""
        while self._late and self._late[0][0] <= time.monotonic():
            out += self._late.popleft()[1]
        return out

    def _one(self, byte: bytes) -> bytes:
        fault = self.plan(self.n)
        self.n += 1
        self._remember(byte)
        if self._cutting and byte != b"\0":
            return b""
        if self._cutting:  # the frame's end is cut off as well
            self._cutting = False
            return b""
        held, self._swapped = self._swapped, b""
        return self._hurt(byte, fault) + held

    def _remember(self, byte: bytes) -> None:
        self._frame += byte
        if byte == b"\0" and len(self._frame) > 1:
            self._old.append(b"\0" + bytes(self._frame))
            self._frame.clear()

    def _hurt(self, byte: bytes, fault: str | None) -> bytes:
        if fault == SWAPPED:
            self._swapped = byte
            return b""
        if fault == CUT:
            self._cutting = byte != b"\0"
            return b""
        if fault == DELAYED:
            self._late.append((time.monotonic() + DELAY_S, b""))
            return byte
        return {
            None: byte,
            LOST: b"",
            DOUBLED: byte * 2,
            FLIPPED: bytes([byte[0] ^ 1 << self._rng.randrange(8)]),
            SPLIT: b"\0" + byte,
            GARBAGE: self._rng.randbytes(self._rng.randrange(1, 12)) + byte,
            REPLAYED: byte + (self._rng.choice(self._old) if self._old else b""),
        }[fault]


class FaultyLine:
    """A Line with one Direction each way."""

    def __init__(self, line: SerialLine) -> None:
        self.name = line.name
        self.line = line
        self.ways = {"read": Direction(), "write": Direction()}

    def arm(self, direction: str, plan: Plan) -> None:
        self.ways[direction].arm(plan)

    def arm_both(self, plan: Plan) -> None:
        for way in self.ways.values():
            way.arm(plan)

    def read(self, deadline: Deadline) -> bytes:
        while True:
            late = self.ways["write"].through(b"")
            if late:
                self.line.write(late, deadline)
            data = self.ways["read"].through(self.line.read(deadline.sooner(DELAY_S / 2)))
            if data or deadline.passed:
                return data

    def write(self, data: bytes, deadline: Deadline) -> bool:
        return self.line.write(self.ways["write"].through(data), deadline)

    def close(self) -> None:
        self.line.close()
