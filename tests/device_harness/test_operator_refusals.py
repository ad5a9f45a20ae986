"""What the reference refuses of an operator, the firmware refuses too, with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.errors import DeviceRefused
from model_builder import Builder
from tflm_int8 import Model, Reference, TflmError


def one(name, shape, out, operands=(), union=0, dtype="int8", out_dtype=None, out_scale=0.5, **options):
    """A model of one operator on an input of the given shape; operands: int32 constants behind it."""
    b = Builder()
    x = b.input(shape, 0.5, 3 if dtype == "int8" else 0, dtype)
    out_dtype = out_dtype or dtype
    y = b.tensor(out, out_dtype, [out_scale], [3 if out_dtype == "int8" else 0])
    return b.finish(b.op(name, [x, *(b.integers(v) for v in operands)], y, union, **options))


def mirrored(paddings, out, dtype="int32", mode=0):
    b = Builder()
    x = b.input((1, 4), 0.5, 3)
    table = b.tensor(np.shape(paddings), dtype, data=np.array(paddings, dtype))
    return b.finish(b.op("MIRROR_PAD", [x, table], b.like(x, out), 77, Mode=mode))


REFUSED = {
    "paddings that TFLM does not set": (
        one("SPACE_TO_BATCH_ND", (1, 3, 4, 1), (4, 2, 2, 1), [[2, 2], [[0, 1], [0, 0]]]),
        "paddings, whose value TFLM does not set",
    ),
    "parts of a batch that was left open": (
        one("SPACE_TO_BATCH_ND", (1, 4, 2), (1, 2, 2), [[2], [[0, 0]]]),
        "the block does not lead to the output's shape",
    ),
    "a batch that was left open, of which parts are joined": (
        one("BATCH_TO_SPACE_ND", (1, 2, 2), (1, 4, 2), [[2], [[0, 0]]]),
        "the block does not lead to the output's shape",
    ),
    "a block of no rows": (one("SPACE_TO_BATCH_ND", (1, 4, 2), (1, 4, 2), [[0], [[0, 0]]]), "block 0"),
    "a block that leaves rows": (
        one("SPACE_TO_BATCH_ND", (1, 5, 2), (2, 2, 2), [[2], [[0, 0]]]),
        "block and borders do not lead",
    ),
    "a border cut off that is more than there is": (
        one("BATCH_TO_SPACE_ND", (2, 2, 2), (1, 5, 2), [[2], [[-2, 1]]]),
        "block and borders do not lead",
    ),
    "a border cut off that is almost an int32": (
        one("BATCH_TO_SPACE_ND", (2, 2, 2), (1, 5, 2), [[2], [[(1 << 31) - 1, 1]]]),
        "block and borders do not lead",
    ),
    "a block for one side of two": (
        one("BATCH_TO_SPACE_ND", (2, 2, 2, 1), (1, 4, 2, 1), [[2], [[0, 0]]]),
        "the number of its elements",
    ),
    "an image without a batch": (
        one("BATCH_TO_SPACE_ND", (2, 2), (4, 1), [[2], [[0, 0]]]),
        "not 3 or 4 dimensions",
    ),
    "blocks of int16": (
        one("SPACE_TO_DEPTH", (1, 2, 2, 1), (1, 1, 1, 4), (), 19, "int16", BlockSize=2),
        "tensor 0: INT16",
    ),
    "a block that does not divide": (
        one("SPACE_TO_DEPTH", (1, 3, 4, 1), (1, 1, 2, 4), (), 19, BlockSize=2),
        "the block does not lead to the output's shape",
    ),
    "a block of no pixel": (
        one("DEPTH_TO_SPACE", (1, 2, 2, 4), (1, 2, 2, 4), (), 94, BlockSize=0),
        "DEPTH_TO_SPACE: block 0",
    ),
    "a block without options": (one("DEPTH_TO_SPACE", (1, 2, 2, 4), (1, 4, 4, 1)), "no options"),
    "depth of three dimensions": (
        one("DEPTH_TO_SPACE", (2, 2, 4), (4, 4, 1), (), 94, BlockSize=2),
        "not four dimensions",
    ),
    "a mirror wider than the image": (mirrored([[0, 0], [4, 0]], (1, 8)), "wider than what it mirrors"),
    "a mirror of its edge wider than the image": (
        mirrored([[0, 0], [0, 5]], (1, 9), mode=1),
        "wider than what it mirrors",
    ),
    "a mirror of less than nothing": (mirrored([[0, 0], [-1, 1]], (1, 4)), "paddings do not lead"),
    "a mirror by a list": (mirrored([0, 0, 1, 0], (1, 5)), "two widths for each dimension"),
    "a mirror by what no int32 holds": (
        mirrored([[0, 0], [1 << 32, 0]], (1, 4), "int64"),
        "beyond int32",
    ),
    "a shape that is not the output's": (
        one("BROADCAST_TO", (1, 4), (3, 4), [[2, 4]]),
        "the shape is not the output's",
    ),
    "a row repeated into another length": (
        one("BROADCAST_TO", (1, 4), (3, 8), [[3, 8]]),
        "does not go together",
    ),
    "a shape that is no list": (one("BROADCAST_TO", (1, 4), (3, 4), [[[3, 4]]]), "no list"),
    "a magnitude that leaves int32": (one("ABS", (4,), (4,), (), 0, out_scale=1e-9), "leaves int32"),
    "magnitudes of another shape": (one("ABS", (4,), (5,)), "differ in shape"),
    "magnitudes of int32": (one("ABS", (4,), (4,), (), 0, "int32"), "only INT8 is supported here"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_reference_refuses_the_firmware_refuses_with_the_reason(client, case):
    content, why = REFUSED[case]
    with pytest.raises(TflmError):
        Reference(Model.from_bytes(content))
    with pytest.raises(DeviceRefused, match=why):
        client.ensure_model(content)
