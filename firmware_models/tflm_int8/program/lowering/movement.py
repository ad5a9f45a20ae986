"""Operators that only move elements."""

from __future__ import annotations

from tflm_int8.kernels.reshape import Reshape
from tflm_int8.program.lowering.builder import Builder


def reshape(b: Builder, k: Reshape) -> None:
    """Another name for the same wire."""
    b.wires[k.node.output.index] = b.source(k, 0)
