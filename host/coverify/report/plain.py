"""How is a string from a network or a device shown without harm? Names in a .tflite file are anybody's text.

`plain` makes control characters (terminal escapes, XML-illegal ones) and bidirectional overrides visible as
escapes. HTML and markup are escaped by those who write them (Jinja's autoescape, the XML writer, rich's
Text).
"""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff\ufff9-\ufffb]"
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def plain(text: object, limit: int = 2000) -> str:
    """`str(text)` on one line, unsafe characters as escapes, no longer than `limit` characters."""
    shown = _UNSAFE.sub(_escape, str(text)[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def digest(sha256: str) -> str:
    """The first 12 digits of a SHA-256: enough to tell files apart by eye."""
    return sha256[:12]


def grouped(number: int) -> str:
    """1234567 → 1 234 567, with narrow no-break spaces."""
    return f"{number:,}".replace(",", "\u202f")


def plural(number: int, noun: str, many: str = "") -> str:
    """`1 query`, `2 queries`."""
    return f"{grouped(number)} {noun if number == 1 else many or noun + 's'}"


def seconds(time_s: float) -> str:
    """A duration with three significant digits and a fitting unit."""
    if time_s >= 100:
        return f"{time_s:.0f} s"
    if time_s >= 0.9995:
        return f"{time_s:.3g} s"
    return f"{time_s * 1e3:.3g} ms" if time_s >= 0.9995e-3 else f"{time_s * 1e6:.3g} µs"
