"""What went over the line, and when? A file with one line per frame, both ways, damaged blocks included.

`.jsonl` gives one JSON object per line: t_s (seconds since the log was opened), dir ("host" or "device" sent
it), type, seq, n, payload (hex). Any other suffix gives the same as text to read. A line is on disk as soon
as it is logged, so the log survives a crash of either end.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Literal

from coverify.errors import BadInput
from coverify.link.frames import Frame
from coverify.link.requests import ANSWER, FAULT, NAMES

Sender = Literal["host", "device"]


class WireLog:
    """Writes frames to a file; use as a context manager or close it."""

    def __init__(self, path: Path) -> None:
        """Creates or overwrites `path`; BadInput when it cannot be written."""
        self._json = path.suffix == ".jsonl"
        self._start_s = time.monotonic()
        try:
            self._file = path.open("w", encoding="ascii", buffering=1)
        except OSError as err:
            raise BadInput(f"cannot write the wire log {path}: {err.strerror}") from err

    def frame(self, sender: Sender, frame: Frame) -> None:
        """Log a whole frame."""
        self._line(sender, type_name(frame.type), frame.seq, frame.payload)

    def damaged(self, block: bytes) -> None:
        """Log a block from the device that was no frame."""
        self._line("device", "DAMAGED", None, block)

    def _line(self, sender: Sender, kind: str, seq: int | None, payload: bytes) -> None:
        t_s, n, digits = round(time.monotonic() - self._start_s, 6), len(payload), payload.hex()
        if self._json:
            record = {"t_s": t_s, "dir": sender, "type": kind, "seq": seq, "n": n, "payload": digits}
            self._file.write(json.dumps(record) + "\n")
        else:
            arrow = "->" if sender == "host" else "<-"
            number = "" if seq is None else str(seq)
            self._file.write(f"{t_s:12.6f} {arrow} {kind:<14} {number:>5} {n:>5}  {digits}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> WireLog:
        """The log itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()


def type_name(kind: int) -> str:
    """A frame type's name: READ for a request, READ= for its answer."""
    if kind == FAULT:
        return NAMES[FAULT]
    name = NAMES.get(kind & ~ANSWER, f"{kind:#04x}")
    return name + "=" if kind & ANSWER else name
