"""A device on a pseudo-terminal that does what a test tells it to, and a second reading of the wire format.

`wire` and `unwire` are written from device_harness/agent/protocol.h alone, bit by bit, so that they share
nothing with coverify.link.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import tty
from collections.abc import Callable

Script = Callable[[int, int, bytes], bytes]


def crc32(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs(data: bytes) -> bytes:
    out, block = bytearray(), bytearray()
    for byte in data + b"\0":
        if byte:
            block.append(byte)
            if len(block) < 254:
                continue
        out += bytes([len(block) + 1]) + block
        block.clear()
    return bytes(out)


def wire(kind: int, seq: int, payload: bytes, crc_xor: int = 0) -> bytes:
    raw = struct.pack("<BBHI", kind, 0, seq, len(payload)) + payload
    return b"\0" + cobs(raw + struct.pack("<I", crc32(raw) ^ crc_xor)) + b"\0"


def unwire(block: bytes) -> tuple[int, int, bytes] | None:
    """(type, seq, payload) of one whole COBS block, None when it is damaged."""
    out, at = bytearray(), 0
    while at < len(block):
        code = block[at]
        out += block[at + 1 : at + code]
        at += code
        if code < 255 and at < len(block):
            out.append(0)
    if at != len(block) or len(out) < 12:
        return None
    kind, _, seq, n = struct.unpack_from("<BBHI", out)
    good = crc32(bytes(out[:-4])) == struct.unpack("<I", out[-4:])[0]
    return (kind, seq, bytes(out[8:-4])) if good and n == len(out) - 12 else None


def preamble(boot: int, status: int = 0, state: int = 0, detail: int = 0xFFFFFFFF) -> bytes:
    return struct.pack("<BBHII", status, state, 0, boot, detail)


def hello_body(
    version: int = 4, window: int = 1, most: int = 4096, arena: int = 65536, board: bytes = b"scripted"
) -> bytes:
    texts = (board, b"none", b"script", b"none", b"none", b"0", b"")
    head = struct.pack("<HHIIIII", version, window, most, 1 << 20, arena, 3, 0) + bytes(32)
    return head + b"".join(bytes([len(t)]) + t for t in texts)


class ScriptedDevice:
    """The far end of a pty: sends what `script(type, seq, payload)` returns for each request."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._wake_r, self._wake_w = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        block = bytearray()
        while True:
            ready, _, _ = select.select([self.master, self._wake_r], [], [])
            if self._wake_r in ready:
                return
            for byte in os.read(self.master, 4096):
                if byte:
                    block.append(byte)
                    continue
                request = unwire(bytes(block)) if block else None
                block.clear()
                if request:
                    self._send(self.script(*request))

    def _send(self, data: bytes) -> None:
        while data:
            ready, _, _ = select.select([self._wake_r], [self.master], [])
            if ready:
                return
            data = data[os.write(self.master, data[:512]) :]

    def unplug(self) -> None:
        """Called by a script: both file descriptors of the pty go away."""
        os.close(self._slave)
        os.dup2(os.open(os.devnull, os.O_RDWR), self.master)

    def close(self) -> None:
        os.write(self._wake_w, b"x")
        self._thread.join()
