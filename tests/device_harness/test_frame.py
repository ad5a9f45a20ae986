"""The C frames against Python's cobs and zlib, and the C digest against hashlib."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
import zlib

import pytest
from cobs import cobs

MAX_PAYLOAD = 4096


def on_the_line(kind: int, seq: int, payload: bytes) -> bytes:
    """A frame as protocol.h describes it, by other people's COBS and CRC-32."""
    head = struct.pack("<BBHI", kind, 0, seq, len(payload)) + payload
    return b"\0" + cobs.encode(head + struct.pack("<I", zlib.crc32(head))) + b"\0"


def payloads() -> list[bytes]:
    rng = random.Random(5)
    lengths = [0, 1, 2, 3, *range(236, 262), 500, 508, 762, MAX_PAYLOAD - 1, MAX_PAYLOAD]
    dense = [bytes(rng.randrange(1, 256) for _ in range(n)) for n in lengths]
    sparse = [bytes(rng.choice((0, 0, 0, 7)) for _ in range(n)) for n in lengths]
    mixed = [rng.randbytes(n) for n in lengths]
    return [*dense, *sparse, *mixed, bytes(MAX_PAYLOAD), b"\xff" * MAX_PAYLOAD]


@pytest.fixture(scope="module")
def program(driver):
    return driver("frame_driver.c")


def run(program, mode: str, data: bytes) -> bytes:
    return subprocess.run([program, mode], input=data, capture_output=True, check=True, timeout=60).stdout


def decoded(program, wire: bytes) -> list[tuple[int, int, bytes]]:
    lines = run(program, "decode", wire).decode().split("\n")[:-1]
    return [(int(k), int(s), bytes.fromhex(p)) for k, s, p in (line.split(" ") for line in lines)]


def test_frames_that_python_encodes_are_decoded(program):
    frames = [(i % 128, i * 97 % 65536, p) for i, p in enumerate(payloads())]
    assert decoded(program, b"".join(on_the_line(*f) for f in frames)) == frames


def test_frames_are_encoded_as_python_does(program):
    frames = [(i % 128, i * 97 % 65536, p) for i, p in enumerate(payloads())]
    asked = b"".join(struct.pack("<BHH", k, s, len(p)) + p for k, s, p in frames)
    assert run(program, "encode", asked) == b"".join(on_the_line(*f) for f in frames)


FRAME = on_the_line(5, 513, b"ab\0cd\0\0" + bytes(range(256)))
NEXT = on_the_line(6, 514, b"next")


def is_dropped_alone(program, damaged: list[bytes]) -> None:
    """Each of them, before a frame of its own number."""
    wire = b"".join(wrong + on_the_line(6, seq, b"next") for seq, wrong in enumerate(damaged))
    assert decoded(program, wire) == [(6, seq, b"next") for seq in range(len(damaged))]


def test_a_frame_cut_anywhere_is_dropped_and_the_next_one_is_read(program):
    is_dropped_alone(program, [FRAME[:cut] for cut in range(1, len(FRAME) - 1)])


def test_a_frame_with_any_bit_flipped_is_dropped_and_the_next_one_is_read(program):
    flipped = []
    for at in range(1, len(FRAME) - 1):
        for bit in range(8):
            damaged = bytearray(FRAME)
            damaged[at] ^= 1 << bit
            flipped.append(bytes(damaged))
    is_dropped_alone(program, flipped)


def test_a_byte_lost_anywhere_drops_one_frame_only(program):
    is_dropped_alone(program, [FRAME[:at] + FRAME[at + 1 :] for at in range(1, len(FRAME) - 1)])


@pytest.mark.parametrize("n", [MAX_PAYLOAD + 1, 3 * MAX_PAYLOAD, 200_000])
def test_a_frame_that_is_too_long_is_dropped(program, n):
    assert decoded(program, on_the_line(5, 1, b"\x11" * n) + NEXT) == [(6, 514, b"next")]


def test_a_frame_whose_length_or_reserved_byte_is_wrong_is_dropped(program):
    wire = b""
    for reserved, n in ((1, 3), (0, 2), (0, 4), (0, 0xFFFFFFFF)):
        head = struct.pack("<BBHI", 5, reserved, 1, n) + b"abc"
        wire += b"\0" + cobs.encode(head + struct.pack("<I", zlib.crc32(head))) + b"\0"
    assert decoded(program, wire + NEXT) == [(6, 514, b"next")]


def test_noise_yields_no_frame(program):
    noise = random.Random(6).randbytes(200_000)
    assert decoded(program, noise + NEXT) == [(6, 514, b"next")]


def test_the_digest_is_that_of_hashlib(program):
    rng = random.Random(7)
    for n in [*range(0, 130), 1000, 4096, 100_001]:
        data = rng.randbytes(n)
        assert run(program, "sha256", data).decode().strip() == hashlib.sha256(data).hexdigest(), n
