"""CHECK and USAGE on the firmware, with raw frames: digests of TFLM's tensors, however the input comes."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace

import numpy as np
import pytest
from raw_session import (
    CHECK,
    DIGITS,
    GIVEN,
    MODEL,
    USAGE,
    digest,
    expected,
    give,
    invoke,
    load,
    read,
    step,
)

from coverify.link.requests import State, Status
from oracle import Tflm

SENT, VECTOR, INLINE = 0, 1, 2


def check(raw, number=5, first=0, n=3, source=INLINE, zero=0, data=None, seq=None):
    """zero: the reserved byte."""
    head = struct.pack("<IIIBBH", number, first, n, source, zero, 0)
    rest = DIGITS.tobytes() if data is None else data
    raw.invocation = number
    return raw.ask(CHECK, head + rest, seq)


def answer(number: int, first: int, n: int, tensors: dict[int, bytes], given: bytes = GIVEN) -> bytes:
    """The body that protocol.h asks for, of the chain whose operator i writes tensor i + 1."""
    body = struct.pack("<IIQ", number, first + n, 0) + given
    return body + b"".join(bytes(4) + digest(tensors[op + 1]) for op in range(first, first + n))


@pytest.mark.parametrize(("first", "n"), [(0, 3), (0, 1), (1, 1), (2, 1), (1, 2)])
def test_the_digests_of_what_the_operators_wrote_come_back(raw, first, n):
    load(raw)
    state = State.DONE if first + n == 3 else State.STEPPING
    assert check(raw, 5, first, n) == (Status.OK, state, answer(5, first, n, expected()))


def test_afterwards_the_last_operator_may_be_stepped_again_and_the_rest_goes_on(raw):
    load(raw)
    check(raw, 5, 1, 1)
    assert step(raw, 5, 1)[2].endswith(expected()[2])
    assert read(raw, 2)[2].endswith(expected()[2])
    assert step(raw, 5, 2)[2].endswith(expected()[3])
    assert step(raw, 6, 2)[0] == Status.BAD_STATE


def test_inputs_that_were_sent_are_used_up(raw):
    load(raw)
    assert check(raw, source=SENT, data=b"")[0] == Status.BAD_STATE
    give(raw)
    assert check(raw, source=SENT, data=b"")[2] == answer(5, 0, 3, expected())
    assert check(raw, source=SENT, data=b"")[0] == Status.BAD_STATE


def test_a_check_means_the_same_whatever_came_before(raw):
    load(raw)
    wanted = (Status.OK, State.DONE, answer(5, 0, 3, expected()))
    assert check(raw) == wanted
    give(raw, bytes(16))
    invoke(raw, 9, 1)
    step(raw, 9, 0)
    assert check(raw) == wanted
    give(raw, bytes(7))
    assert check(raw) == wanted


def mix(x: int) -> int:
    """protocol.h, VECTORS: M(x)."""
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 % 2**64
    x ^= x >> 27
    x = x * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


@dataclass(frozen=True)
class Element:
    """What a request for a vector says of an input; exponent: None for integers."""

    width: int
    bits: int
    least: int
    zero: int
    exponent: int | None = None

    def field(self) -> bytes:
        kind = self.exponent is not None
        numbers = (self.least & 0xFFFFFFFF, self.zero & 0xFFFFFFFF)
        return struct.pack("<BBBbII", self.width, self.bits, kind, self.exponent or 0, *numbers)


INT8 = Element(1, 8, -128, -7)
ELEMENTS = [
    INT8,
    Element(1, 8, 0, 200),
    Element(1, 1, 0, 0),
    Element(2, 16, -(1 << 15), 0),
    Element(4, 32, -(1 << 31), 5),
    Element(4, 24, -(1 << 23), -1),
    Element(4, 7, 1, 1),
    Element(4, 0, 3, 3),
    Element(4, 24, -(1 << 23), 0, -23),
    Element(4, 24, -(1 << 24) + 1, 1 << 24, 100),
    Element(4, 8, -128, -1, -100),
]


def vector(s: int, k: int, e: Element, i: int = 0, n: int = 16) -> bytes:
    """protocol.h, VECTORS, element by element."""
    b = mix((mix((mix(s) + k) % 2**64) + i) % 2**64)
    words = [mix((b + (j // 8 + 1) * 0x9E3779B97F4A7C15) % 2**64) for j in range(n)]
    stream = bytes(word >> 8 * (j % 8) & 0xFF for j, word in enumerate(words))
    greatest = e.least + 2**e.bits - 1
    said = b""
    for at in range(n // e.width):
        r = int.from_bytes(stream[at * e.width : (at + 1) * e.width], "little")
        corners = [e.least, greatest, e.zero, greatest if at % 2 else e.least]
        value = corners[k] if k < 4 else e.least + (r - e.least) % 2**e.bits
        if e.exponent is not None:
            said += struct.pack("<f", value * 2.0**e.exponent)
        else:
            said += (value % 256**e.width).to_bytes(e.width, "little")
    return said


def test_the_mixing_function_is_that_of_splitmix64():
    # Vigna's splitmix64.c, state 1234567: the outputs that other implementations list as test vector
    golden = 0x9E3779B97F4A7C15
    assert [mix((1234567 + i * golden) % 2**64) for i in (1, 2, 3)] == [
        6457827717110365317, 3203168211198807973, 9817491932198370423,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1, 0x0123456789ABCDEF])
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 1000, 2**32 - 1])
def test_a_vector_is_made_on_the_device_as_protocol_h_says(raw, seed, number):
    load(raw)
    x = vector(seed, number, INT8)
    oracle = Tflm(MODEL)
    oracle.run(np.frombuffer(x, np.int8).reshape(1, 16))
    tensors = {t: oracle.tensor(t).tobytes() for t in (1, 2, 3)}
    given = digest(hashlib.sha256(x).digest())
    _, _, body = check(raw, source=VECTOR, data=struct.pack("<QI", seed, number) + INT8.field())
    assert body == answer(5, 0, 3, tensors, given)


@pytest.mark.parametrize("element", ELEMENTS, ids=repr)
def test_the_device_makes_elements_of_every_kind(raw, element):
    load(raw)
    for number in (0, 1, 2, 3, 4, 77):
        x = vector(9, number, element)
        _, _, body = check(raw, source=VECTOR, data=struct.pack("<QI", 9, number) + element.field())
        assert body[16:32] == digest(hashlib.sha256(x).digest()), number


def test_an_element_that_is_none_is_refused(raw):
    load(raw)
    good = Element(4, 24, -(1 << 23), 0, -23)
    wrong = [
        replace(good, width=3), replace(good, width=8), replace(good, width=0), replace(good, width=2),
        replace(good, bits=25), replace(good, exponent=101), replace(good, exponent=-101),
        replace(good, least=1 << 23), replace(good, least=-(1 << 24) - 1), replace(good, zero=(1 << 24) + 1),
        replace(INT8, bits=9), replace(INT8, width=2, bits=17),
    ]  # fmt: skip
    fields = [e.field() for e in wrong]
    fields += [INT8.field()[:2] + b"\2\0" + INT8.field()[4:], INT8.field()[:3] + b"\1" + INT8.field()[4:]]
    for field in fields:
        data = struct.pack("<QI", 9, 4) + field
        assert check(raw, source=VECTOR, data=data)[:2] == (Status.BAD_REQUEST, State.READY), field.hex()


def test_what_is_no_check_is_refused_and_changes_nothing(raw):
    load(raw)
    give(raw)
    for wrong in (
        {"n": 0}, {"first": 3, "n": 1}, {"n": 4}, {"first": 2**32 - 1, "n": 2}, {"n": 2**32 - 1},
    ):  # fmt: skip
        assert check(raw, **wrong)[:2] == (Status.RANGE, State.READY), wrong
    for wrong in (
        {"source": 3}, {"data": bytes(15)}, {"data": bytes(17)}, {"source": VECTOR, "data": bytes(11)},
        {"source": VECTOR, "data": bytes(12)}, {"source": VECTOR, "data": bytes(12) + 2 * INT8.field()},
        {"zero": 1}, {"source": SENT, "data": b"x"},
    ):  # fmt: skip
        assert check(raw, **wrong)[:2] == (Status.BAD_REQUEST, State.READY), wrong
    assert raw.ask(CHECK, bytes(15))[0] == Status.BAD_REQUEST
    assert invoke(raw, 8, 0)[:2] == (Status.OK, State.DONE)


def test_a_window_of_checks_may_be_outstanding_and_asked_again(raw):
    load(raw)
    payloads = [
        struct.pack("<IIIBBH", 20 + i, 0, 3, VECTOR, 0, 0) + struct.pack("<QI", 7, 4 + i) + INT8.field()
        for i in range(4)
    ]
    numbers = [raw.send(CHECK, payload) for payload in payloads]
    first = raw.frames(4)
    assert [frame.seq for frame in first] == numbers
    assert len({frame.payload[44:] for frame in first}) == 4
    for number, payload in zip(numbers, payloads, strict=True):
        raw.send(CHECK, payload, number)
    assert raw.frames(4) == first


def test_usage_tells_the_arena_and_without_a_model_nothing(raw):
    assert raw.ask(USAGE) == (Status.OK, State.EMPTY, bytes(12))
    load(raw)
    arena, stack, stack_bytes = struct.unpack("<III", raw.ask(USAGE)[2])
    assert 3 * 16 < arena < 65536
    assert (stack, stack_bytes) == (0, 0), "a host process does not measure its stack"
    assert raw.ask(USAGE, b"x")[0] == Status.BAD_REQUEST
