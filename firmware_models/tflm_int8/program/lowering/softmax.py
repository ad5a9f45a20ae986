"""SOFTMAX and LOG_SOFTMAX as one step; see primitives.Softmax."""

from __future__ import annotations

from tflm_int8.kernels.log_softmax import LogSoftmax
from tflm_int8.kernels.softmax import SURE_DEPTH, Softmax
from tflm_int8.program import primitives as p
from tflm_int8.program.lowering.builder import Builder


def softmax(b: Builder, k: Softmax) -> None:
    """The rows through the kernel's function; to int16, the kernel itself."""
    if k.function.bits != 8:
        return b.exact(k)
    if k.depth > SURE_DEPTH:
        k.node.refuse(f"rows of more than {SURE_DEPTH} elements are not lowered")
    b.wires[k.node.output.index] = b.emit(p.Softmax(b.source(k, 0), k.depth, k.function))


def log_softmax(b: Builder, k: LogSoftmax) -> None:
    """The rows through the kernel's function, of the same sums as a softmax."""
    b.wires[k.node.output.index] = b.emit(p.Softmax(b.source(k, 0), k.depth, k.function))
