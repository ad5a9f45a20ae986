"""Cases of STRIDED_SLICE with masks: a masked begin or end that says otherwise, an axis that is shrunk away.

A begin that counts although it is masked, or a mask read for another axis, mostly leads to another shape,
which a kernel notices; strides of three on three elements keep the shape, so that it shows in the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from coverify.conformance.suite.case import Case, case
from coverify.conformance.suite.model_file import OneOp, TensorSpec

_IMAGE = (1, 3, 3, 3)


def masked_slices(op: str, seed: int) -> Iterator[Case]:
    """Begins masked on one axis, on all; ends masked; axes shrunk."""
    for axis, stride in product((1, 2, 3), (3, -3)):
        begin, strides = [0, 1, 1, 1], [1, *(stride if i == axis else 3 for i in (1, 2, 3))]
        yield _case(op, f"begin-{axis}-{stride}", (begin, _ends(strides), strides), (1 << axis, 0, 0), seed)
    for stride in (3, -3, 1, -1):
        strides = [1, stride, stride, stride]
        begin = [0, *(0 if stride < 0 else 2 for _ in range(3))]
        yield _case(op, f"begins-{stride}", (begin, _ends(strides), strides), (15, 0, 0), seed)
        yield _case(op, f"ends-{stride}", (begin, [0, 1, 1, 1], strides), (15, 15, 0), seed)
    for axis in (1, 2, 3):
        begin, end = [0, 1, 2, 1], [1, 3, 3, 3]
        yield _case(op, f"shrunk-{axis}", (begin, end, [1, 1, 1, 1]), (0, 0, 1 << axis), seed)


def _ends(strides: list[int]) -> list[int]:
    return [n if stride > 0 else -n - 1 for n, stride in zip(_IMAGE, strides, strict=True)]


def _case(
    op: str, name: str, where: tuple[list[int], list[int], list[int]], masks: tuple[int, int, int], seed: int
) -> Case:
    """where: begin, end and strides of the four axes; masks: of begins, of ends, of shrunk axes."""
    spans: list[slice | int] = []
    for i, (begin, end, stride) in enumerate(zip(*where, strict=True)):
        last = None if masks[1] >> i & 1 or (stride < 0 and end == -_IMAGE[i] - 1) else end
        whole = slice(None if masks[0] >> i & 1 else begin, last, stride)
        spans.append(begin if masks[2] >> i & 1 else whole)
    shape = np.empty(_IMAGE, np.int8)[tuple(spans)].shape
    x, y = (TensorSpec(s, "int8", (0.05,), -3) for s in (_IMAGE, shape))
    numbers = [TensorSpec((4,), "int32", data=np.array(values, np.int32)) for values in where]
    options = {0: ("i", masks[0]), 1: ("i", masks[1]), 4: ("i", masks[2])}
    return case(OneOp(op, [x, *numbers], y, 32, options), "masks", name, seed)
