"""Where does a frame begin and end, and is it whole?

`encode` puts a frame on the wire: 0x00, COBS(header, payload, CRC-32), 0x00. `Decoder` takes the bytes of the
line in pieces of any size and returns the undamaged frames, in order. A damaged frame is dropped and counted,
never repaired; memory stays below one frame whatever comes in. Layout: device_harness/agent/protocol.h.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from cobs import cobs

MAX_PAYLOAD = 4096
_HEADER = struct.Struct("<BBHI")
_CRC = struct.Struct("<I")
_OVERHEAD = _HEADER.size + _CRC.size
# COBS adds one byte per 254 begun
_MAX_ENCODED = MAX_PAYLOAD + _OVERHEAD + (MAX_PAYLOAD + _OVERHEAD) // 254 + 1


@dataclass(frozen=True)
class Frame:
    """One message: `type` 0..255, `seq` 0..65535, at most MAX_PAYLOAD bytes of payload."""

    type: int
    seq: int
    payload: bytes


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` on the wire, with both delimiters."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"payload of {len(frame.payload)} bytes, at most {MAX_PAYLOAD}")
    head = _HEADER.pack(frame.type, 0, frame.seq, len(frame.payload)) + frame.payload
    return b"\0" + bytes(cobs.encode(head + _CRC.pack(zlib.crc32(head)))) + b"\0"


def _parse(encoded: bytes) -> Frame | None:
    """The frame in one COBS block (without delimiters); None when it is damaged."""
    try:
        raw = bytes(cobs.decode(encoded))
    except cobs.DecodeError:
        return None
    if not _OVERHEAD <= len(raw) <= MAX_PAYLOAD + _OVERHEAD:
        return None
    body = raw[: -_CRC.size]
    kind, zero, seq, n = _HEADER.unpack_from(body)
    if zlib.crc32(body) != _CRC.unpack(raw[-_CRC.size :])[0] or zero != 0 or n != len(body) - _HEADER.size:
        return None
    return Frame(kind, seq, body[_HEADER.size :])


class Decoder:
    """Cuts a stream of bytes into frames. `damaged` counts the non-empty blocks that were dropped."""

    def __init__(self, on_damage: Callable[[bytes], None] | None = None) -> None:
        """`on_damage` is given what is left of each dropped block (for the wire log)."""
        self.damaged = 0
        self._block = bytearray()
        self._oversized = False
        self._on_damage = on_damage

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order."""
        frames: list[Frame] = []
        *ended, rest = data.split(b"\0")
        for piece in ended:
            self._append(piece)
            frame = self._end_block()
            if frame is not None:
                frames.append(frame)
        self._append(rest)
        return frames

    def _append(self, piece: bytes) -> None:
        room = _MAX_ENCODED - len(self._block)
        self._oversized |= len(piece) > room
        self._block += piece[:room]

    def _end_block(self) -> Frame | None:
        block, oversized = bytes(self._block), self._oversized
        self._block.clear()
        self._oversized = False
        if not block:
            return None
        frame = None if oversized else _parse(block)
        if frame is None:
            self.damaged += 1
            if self._on_damage is not None:
                self._on_damage(block)
        return frame
