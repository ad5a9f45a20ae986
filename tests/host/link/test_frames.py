"""Frames: what is whole comes out once and in order, what is damaged never does."""

from __future__ import annotations

import random
import struct
import tracemalloc

import pytest
from scripted_device import cobs, crc32, wire

from coverify.link.frames import MAX_PAYLOAD, Decoder, Frame, encode

PAYLOAD = bytes([0, 1, 0, 0, 255, 7]) + bytes(range(40))
FRAME = wire(0x81, 0x1234, PAYLOAD)
NEXT = wire(0x82, 0x1235, b"next")
WHOLE = Frame(0x81, 0x1234, PAYLOAD)
WHOLE_NEXT = Frame(0x82, 0x1235, b"next")


def payloads() -> list[bytes]:
    rng = random.Random(20261121)
    sizes = [0, 1, 2, 241, 242, 243, 252, 253, 254, 255, 256, 507, 508, 509, 4095, MAX_PAYLOAD]
    return [
        bytes(rng.choice(pool) for _ in range(n)) for n in sizes for pool in ([0], [0, 1], range(256), [9])
    ]


@pytest.mark.parametrize("payload", payloads(), ids=lambda p: f"{len(p)}-{p[:2].hex()}")
def test_a_frame_is_on_the_wire_as_the_protocol_says(payload: bytes) -> None:
    assert encode(Frame(0x05, 0xBEEF, payload)) == wire(0x05, 0xBEEF, payload)


@pytest.mark.parametrize("payload", payloads(), ids=lambda p: f"{len(p)}-{p[:2].hex()}")
def test_a_frame_is_read_back_from_single_bytes(payload: bytes) -> None:
    decoder = Decoder()
    frames = [frame for byte in wire(0x05, 0xBEEF, payload) for frame in decoder.feed(bytes([byte]))]
    assert frames == [Frame(0x05, 0xBEEF, payload)]
    assert decoder.damaged == 0


def test_a_frame_worked_by_hand_is_read() -> None:
    # type 8, seq 1, n 0; the CRC-32 is that of `printf '\\x08\\0\\x01\\0\\0\\0\\0\\0' | gzip -c | tail -c8`
    on_the_wire = bytes.fromhex("00 02 08 02 01 01 01 01 01 05 79 17 9b 7d 00")
    assert encode(Frame(8, 1, b"")) == on_the_wire
    assert Decoder().feed(on_the_wire) == [Frame(8, 1, b"")]


@pytest.mark.parametrize("cut", range(2, len(FRAME)))
def test_a_cut_frame_is_dropped_and_the_next_one_is_read(cut: int) -> None:
    decoder = Decoder()
    whole = [WHOLE] if cut == len(FRAME) - 1 else []  # only its closing delimiter is missing
    assert decoder.feed(FRAME[:cut] + NEXT) == [*whole, WHOLE_NEXT]
    assert decoder.damaged == 1 - len(whole)


@pytest.mark.parametrize("start", range(2, len(FRAME) - 1))
def test_a_frame_without_its_beginning_is_dropped(start: int) -> None:
    assert Decoder().feed(FRAME[start:] + NEXT) == [WHOLE_NEXT]


def test_no_single_bit_flip_gets_a_frame_through_and_the_one_after_the_next_is_always_read() -> None:
    for bit in range(8 * len(FRAME)):
        flipped = bytearray(FRAME)
        flipped[bit // 8] ^= 1 << bit % 8
        frames = Decoder().feed(bytes(flipped) + NEXT + NEXT)
        assert all(frame == WHOLE_NEXT for frame in frames), f"bit {bit}"
        assert frames, f"bit {bit}"


def test_every_byte_replaced_by_every_value_gives_the_frame_or_nothing() -> None:
    short = wire(0x84, 7, b"\0ab\0")
    for at in range(len(short)):
        for value in range(256):
            changed = short[:at] + bytes([value]) + short[at + 1 :]
            frames = Decoder().feed(changed + NEXT + NEXT)
            assert set(frames) <= {Frame(0x84, 7, b"\0ab\0"), WHOLE_NEXT}, (at, value)


@pytest.mark.parametrize("n", [1, 2, 100, 255, 5000, 100_000])
def test_garbage_before_a_frame_does_not_hide_it(n: int) -> None:
    rng = random.Random(n)
    assert Decoder().feed(rng.randbytes(n) + FRAME)[-1:] == [WHOLE]


def test_empty_frames_are_ignored() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\0" * 1000 + FRAME + b"\0\0") == [WHOLE]
    assert decoder.damaged == 0


def test_a_length_that_does_not_match_is_dropped_though_the_crc_is_good() -> None:
    for claimed in (0, 3, 5, 0xFFFFFFFF):
        raw = struct.pack("<BBHI", 1, 0, 1, claimed) + b"four"
        assert Decoder().feed(b"\0" + cobs(raw + struct.pack("<I", crc32(raw))) + b"\0") == []


def test_a_payload_above_the_limit_is_dropped_and_refused() -> None:
    too_long = bytes(range(1, 256)) * 17
    assert Decoder().feed(wire(1, 1, too_long[: MAX_PAYLOAD + 1]) + FRAME) == [WHOLE]
    with pytest.raises(ValueError, match="4097"):
        encode(Frame(1, 1, too_long[: MAX_PAYLOAD + 1]))


def test_an_endless_block_takes_no_memory() -> None:
    decoder, piece = Decoder(), b"\x55" * 65536
    tracemalloc.start()
    for _ in range(200):
        assert decoder.feed(piece) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert decoder.feed(FRAME) == [WHOLE]
    assert decoder.damaged == 1


def test_damaged_blocks_are_reported() -> None:
    seen: list[bytes] = []
    Decoder(on_damage=seen.append).feed(b"\0junk\0" + FRAME)
    assert seen == [b"junk"]
