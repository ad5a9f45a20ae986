"""ELU, int8 → int8: a table that TFLM fills in float32 with the C library's expf (see float_table.py).

Source: TFLM micro/kernels/elu.cc.
"""

from __future__ import annotations

import numpy as np

from tflm_int8.kernels.float_table import F32Array, expf, filled
from tflm_int8.kernels.lookup import Lookup, lookup
from tflm_int8.node import Node


def prepare(node: Node) -> Lookup:
    """Check an ELU and fill its table."""
    return lookup(node, filled(node, _elu))


def _elu(x: F32Array, slack: float) -> F32Array:
    return np.where(x < 0, expf(x, slack) - np.float32(1), x)
