"""What did the attack change? A sample, the change and the changed sample as small PNG images in data: URLs.

Values -128…127 are black…white; the change is drawn on a diverging scale (blue: lower, white: equal,
orange: higher) that ends at the largest change. A last dimension of 3 is colour; a vector whose length is a
square (a flattened image) is drawn as one; other shapes are drawn as rows, signals as lines (signal.py).
Pixels are enlarged by repetition, so that they stay crisp on screen and on paper.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from coverify.report.rows import Picture

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

WIDTH: Final = 224
"""Least width or height of the longer side, in pixels."""
LOWER: Final = (0, 90, 181)
EQUAL: Final = (247, 247, 247)
HIGHER: Final = (220, 80, 0)


@dataclass(frozen=True)
class Panels:
    """Three data: URLs and what the change amounts to."""

    original: str
    change: str
    adversarial: str
    largest: int
    n_changed: int
    n_values: int
    width: int
    height: int


def panels(picture: Picture) -> Panels:
    """Draw a picture."""
    shape = grid(picture.shape)
    original = np.array(picture.original, np.int32).reshape(shape)
    adversarial = np.array(picture.adversarial, np.int32).reshape(shape)
    change = adversarial - original
    return Panels(
        original=data_url(grey(original)),
        change=data_url(diverging(change)),
        adversarial=data_url(grey(adversarial)),
        largest=int(np.abs(change).max()),
        n_changed=int(np.count_nonzero(change)),
        n_values=change.size,
        width=shape[1],
        height=shape[0],
    )


def grid(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Rows, columns and channels (1 or 3) in which a tensor of this shape is drawn."""
    sides = tuple(side for side in shape if side != 1)
    if len(sides) == 3 and sides[2] == 3:
        return sides[0], sides[1], 3
    if not sides:
        return 1, 1, 1
    if len(sides) == 1 and math.isqrt(sides[0]) ** 2 == sides[0]:
        return math.isqrt(sides[0]), math.isqrt(sides[0]), 1
    return math.prod(sides[:-1]), sides[-1], 1


def grey(values: I32) -> U8:
    """Rows × columns × (1 or 3) int8 values as RGB."""
    shades = (values + 128).astype(np.uint8)
    return np.repeat(shades, 3, axis=2) if shades.shape[2] == 1 else shades


def diverging(change: I32) -> U8:
    """Differences as RGB; of three channels the one that changed most is drawn."""
    strongest = np.abs(change).argmax(axis=2, keepdims=True)
    signed = np.take_along_axis(change, strongest, axis=2).astype(np.float64)
    part = np.abs(signed) / max(1, int(np.abs(change).max()))
    # a change of one step of many must still be seen
    part = np.where(signed == 0, 0.0, 0.25 + 0.75 * part)
    end = np.where(signed < 0, np.array(LOWER, np.float64), np.array(HIGHER, np.float64))
    mixed: U8 = np.rint(np.array(EQUAL, np.float64) * (1 - part) + end * part).astype(np.uint8)
    return mixed


def data_url(rgb: U8) -> str:
    """Rows × columns × 3 as the data: URL of an enlarged PNG."""
    times = max(1, math.ceil(WIDTH / max(rgb.shape[:2])))
    large = rgb.repeat(times, axis=0).repeat(times, axis=1)
    return "data:image/png;base64," + base64.b64encode(png(large)).decode("ascii")


def png(rgb: U8) -> bytes:
    """Rows × columns × 3 as a PNG file (8-bit RGB, no filter)."""
    height, width, _ = rgb.shape
    lines = b"".join(b"\0" + row.tobytes() for row in rgb)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
