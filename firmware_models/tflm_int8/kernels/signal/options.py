"""What every operator of the signal library is checked for: options by position, types, dimensions."""

from __future__ import annotations

from typing import Final

from tflm_int8.flatbuffer import Damaged
from tflm_int8.flexbuffer import Options
from tflm_int8.model import Tensor
from tflm_int8.node import Node

_INT16: Final = 7
"""The option T of operators on int16: its TensorType."""


def options(node: Node) -> Options:
    """The operator's options; refuses bytes that are none."""
    try:
        return Options(node.op.custom_options)
    except Damaged as error:
        node.refuse(f"its options: {error}")


def integer(node: Node, i: int, name: str, allowed: range) -> int:
    """The i-th option, called `name`; refuses one that is absent or not allowed."""
    try:
        value = options(node).integer(i)
    except Damaged as error:
        node.refuse(f"its option {name}: {error}")
    if value not in allowed:
        node.refuse(f"{name} is {value}, outside {allowed.start}..{allowed.stop - 1}")
    return value


def boolean(node: Node, i: int, name: str) -> bool:
    """The i-th option, called `name`, as a truth value; refuses one that is absent."""
    try:
        return options(node).boolean(i)
    except Damaged as error:
        node.refuse(f"its option {name}: {error}")


def check_int16_option(node: Node, second: str) -> None:
    """Refuse other options than T, which must say int16, and `second`: TFLM looks T up by its key."""
    try:
        keys = options(node).keys()
    except Damaged as error:
        node.refuse(f"its options: {error}")
    if keys != [b"T", second.encode()]:
        node.refuse(f"its options are not T and {second}")
    kind = integer(node, 0, "T", range(1 << 31))
    if kind != _INT16:
        node.refuse(f"its option T is {kind}; int16 ({_INT16}) is supported")


def check_type(node: Node, tensor: Tensor, dtype: str, rank: int | None = None) -> None:
    """Refuse a tensor of another type or number of dimensions, and an empty one."""
    if tensor.dtype != dtype:
        node.refuse(f"tensor {tensor.index} is {tensor.dtype}, {dtype} is needed")
    if tensor.size == 0 or (rank is not None and len(tensor.shape) != rank):
        node.refuse(f"tensor {tensor.index} has the shape {list(tensor.shape)}")


def check_same_shape(node: Node, *tensors: Tensor) -> None:
    """Refuse tensors of different shapes."""
    if len({t.shape for t in tensors}) > 1:
        node.refuse(f"shapes {', '.join(str(list(t.shape)) for t in tensors)} are not the same")
