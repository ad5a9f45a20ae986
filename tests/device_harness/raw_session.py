"""A session with the firmware in raw frames, for the tests of its state machine."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from coverify.link.deadline import Deadline
from coverify.link.frames import Decoder, Frame, encode
from coverify.link.line import SerialLine
from coverify.link.requests import State, Status
from model_builder import Builder
from oracle import Tflm

HELLO, BEGIN, DATA, END, INPUT, INVOKE, STEP, READ, CHECK, USAGE = range(1, 11)
WINDOW = 4
DIGITS = np.arange(-8, 8, dtype=np.int8).reshape(1, 16)


class Raw:
    """Sends frames as they are given and collects what comes back."""

    def __init__(self, url: str) -> None:
        self.line = SerialLine(url)
        self.decoder = Decoder()
        self.seq = 100
        self.invocation = 1

    def send(self, kind: int, payload: bytes = b"", seq: int | None = None) -> int:
        self.seq += seq is None
        number = self.seq if seq is None else seq
        self.line.write(encode(Frame(kind, number, payload)), Deadline.in_s(5))
        return number

    def frames(self, n: int) -> list[Frame]:
        found: list[Frame] = []
        deadline = Deadline.in_s(5)
        while len(found) < n and not deadline.passed:
            found += self.decoder.feed(self.line.read(deadline))
        assert len(found) == n
        return found

    def ask(self, kind: int, payload: bytes = b"", seq: int | None = None) -> tuple[int, int, bytes]:
        """(status, state, body) of the answer."""
        number = self.send(kind, payload, seq)
        answer = self.frames(1)[0]
        assert (answer.type, answer.seq) == (kind | 0x80, number)
        return answer.payload[0], answer.payload[1], answer.payload[12:]

    def silence(self) -> None:
        """Nothing was answered: the next answer is that of a HELLO sent now."""
        number = self.send(HELLO, struct.pack("<I", 1))
        assert self.frames(1)[0].seq == number


def chain() -> bytes:
    """Three additions of 16 values."""
    b = Builder()
    y = b.input((1, 16), 0.5, 0)
    for scale in (1.0, 2.0, 4.0):
        y = b.add(y, y, scale, 1)
    return b.finish(y)


MODEL = chain()
BEGIN_MODEL = struct.pack("<I", len(MODEL)) + hashlib.sha256(MODEL).digest()


def load(raw: Raw) -> None:
    assert raw.ask(BEGIN, BEGIN_MODEL) == (Status.OK, State.LOADING, b"\0")
    assert raw.ask(DATA, struct.pack("<I", 0) + MODEL)[:2] == (Status.OK, State.LOADING)
    assert raw.ask(END)[:2] == (Status.OK, State.READY)


def give(raw: Raw, data: bytes = DIGITS.tobytes(), offset: int = 0) -> tuple[int, int, bytes]:
    return raw.ask(INPUT, struct.pack("<HHI", 0, 0, offset) + data)


def invoke(raw: Raw, number: int, mode: int) -> tuple[int, int, bytes]:
    raw.invocation = number
    return raw.ask(INVOKE, struct.pack("<IB3x", number, mode))


def step(raw: Raw, number: int, op: int) -> tuple[int, int, bytes]:
    return raw.ask(STEP, struct.pack("<II", number, op))


def read(raw: Raw, tensor: int, n: int = 16, offset: int = 0) -> tuple[int, int, bytes]:
    return raw.ask(READ, struct.pack("<IIII", raw.invocation, tensor, offset, n))


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]


#: what an INVOKE on DIGITS says that it was given
GIVEN = digest(hashlib.sha256(DIGITS.tobytes()).digest())


def expected() -> dict[int, bytes]:
    oracle = Tflm(MODEL)
    oracle.run(DIGITS)
    return {t: oracle.tensor(t).tobytes() for t in (1, 2, 3)}
