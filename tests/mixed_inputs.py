"""Networks whose inputs are of several types, for tests of what brings them to a device."""

from __future__ import annotations

import numpy as np

from model_builder import Builder


def content() -> bytes:
    """int8, int16, uint8 and float32 quantized to one int8 vector; int32 passed on; a bool unread."""
    b = Builder()
    same = (0.5, -3)
    plain = b.input((1, 5), *same)
    wide = b.input((1, 3), 0.002, 7, "int16")
    numbers = b.tensor((1, 2, 2), "int32")
    unsigned = b.input((1, 6), 0.25, 130, "uint8")
    real = b.tensor((1, 4), "float32")
    unread = b.tensor((1, 3), "bool")
    b.inputs += [numbers, real, unread]
    b.inputs = [plain, wide, numbers, unsigned, real, unread]
    parts = [plain]
    for x in (wide, unsigned, real):
        parts.append(b.op("QUANTIZE", [x], b.activation(b.tensors[x].shape, *same)))
    joined = b.op("CONCATENATION", parts, b.activation((1, 18), *same), 10, Axis=1)
    passed = b.op("RESHAPE", [numbers, b.integers([1, 4])], b.tensor((1, 4), "int32"))
    return b.finish(joined, passed)


def added(dtype: str, scales=(0.5, 0.3, 0.6)) -> bytes:
    """x0 + x1, [1, 4] and [1, 1, 4]; int32 stands for itself."""
    b = Builder()
    quantized = dtype != "int32"
    tensors = []
    for shape, s in zip(((1, 4), (1, 1, 4), (1, 1, 4)), scales, strict=True):
        tensors.append(b.activation(shape, s, 0, dtype) if quantized else b.tensor(shape, dtype))
    b.inputs = tensors[:2]
    return b.finish(b.op("ADD", tensors[:2], tensors[2], 11, FusedActivationFunction=0))


def gathered(rows: int) -> bytes:
    """Rows of a constant table, by positions that are an input."""
    b = Builder()
    at = b.tensor((1, 3), "int32")
    b.inputs = [at]
    table = b.constant(np.arange(rows * 2).reshape(rows, 2), 0.5, 0)
    return b.finish(b.op("GATHER", [table, at], b.like(table, (1, 3, 2)), 23, Axis=0))
