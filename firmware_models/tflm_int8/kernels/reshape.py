"""RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes under another shape.

Source: TFLM micro/kernels/reshape_common.cc (the output's declared shape rules; the shape input is not read),
squeeze.cc, expand_dims.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tflm_int8.node import Node

_RESHAPE_OPTIONS = 17
_SQUEEZE_OPTIONS = 30


@dataclass(frozen=True)
class Reshape:
    """The identity on bytes."""

    node: Node

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """[N, input shape] → [N, output shape], of the same type; other inputs are ignored."""
        return [inputs[0].reshape(len(inputs[0]), *self.node.output.shape)]


def prepare(node: Node) -> Reshape:
    """Check a RESHAPE; its new shape may be computed. That of its options TFLM reads without heeding it."""
    node.arity(range(1, 3))
    if node.op.options_type == _RESHAPE_OPTIONS and len(node.option_list(_RESHAPE_OPTIONS, 0)) > 8:
        node.refuse("a new shape of more than 8 dimensions")
    return _checked(node)


def prepare_squeeze(node: Node) -> Reshape:
    """Check a SQUEEZE of the given dimensions, or of all that are 1."""
    node.arity(range(1, 2))
    shape = node.input(0).shape
    dims = node.option_list(_SQUEEZE_OPTIONS, 0)
    if len(dims) > 8 or any(not -len(shape) <= d < len(shape) or shape[d] != 1 for d in dims):
        node.refuse(f"the dimensions {list(dims[:9])} of {list(shape)} cannot be squeezed")
    gone = {d % len(shape) for d in dims} or {i for i, size in enumerate(shape) if size == 1}
    return _checked(node, tuple(size for i, size in enumerate(shape) if i not in gone))


def prepare_expand_dims(node: Node) -> Reshape:
    """Check an EXPAND_DIMS: a dimension of 1 put in at a constant axis."""
    node.arity(range(2, 3))
    x, rank = node.input(0), len(node.input(0).shape)
    if x.dtype not in ("int8", "int16", "float32"):
        node.refuse(f"tensor {x.index} is {x.dtype}; int8, int16 or float32 is needed")
    axes = node.constant(node.input(1), "int32").reshape(-1)
    if len(axes) != 1 or len(node.input(1).shape) > 1 or not -rank - 1 <= axes[0] <= rank:
        node.refuse(f"axis {axes[:8].tolist()} {list(node.input(1).shape)} of {rank} dimensions")
    axis = int(axes[0]) % (rank + 1)
    return _checked(node, (*x.shape[:axis], 1, *x.shape[axis:]))


def _checked(node: Node, computed: tuple[int, ...] | None = None) -> Reshape:
    """Refuse another type, size or computed shape than the output's, and empty tensors."""
    x, out = node.input(0), node.output
    if x.dtype != out.dtype:
        node.refuse(f"tensor {x.index} is {x.dtype}, tensor {out.index} is {out.dtype}")
    if x.size != out.size or x.size == 0 or computed not in (None, out.shape):
        node.refuse(f"{list(x.shape)} cannot become {list(out.shape)}")
    return Reshape(node)
