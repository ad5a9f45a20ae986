"""How are a custom operator's options written? A FlexBuffer's map of integers, four bytes each.

Source of the layout: flatbuffers' flexbuffers.h.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

_INT: Final = 1 << 2 | 2
_MAP: Final = 9 << 2 | 2
_WIDTH: Final = 4


def flexbuffer(options: Mapping[str, int]) -> bytes:
    """The bytes of the map; its keys in order, as every reader expects them."""
    keys = sorted(options)
    out = bytearray()
    places = []
    for key in keys:
        places.append(len(out))
        out += key.encode() + b"\0"
    out += bytes(-len(out) % _WIDTH)
    out += struct.pack("<I", len(keys))
    names = len(out)
    for place in places:
        out += struct.pack("<I", len(out) - place)
    out += struct.pack("<III", len(out) - names, _WIDTH, len(keys))
    values = len(out)
    for key in keys:
        out += struct.pack("<i", options[key])
    out += bytes([_INT] * len(keys))
    return bytes(out) + struct.pack("<H", len(out) - values) + bytes([_MAP, 2])
