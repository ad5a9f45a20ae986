"""Which dense layers is a float32 .tflite file? A chain of operators; anything else is a BadFloatNetwork.

FULLY_CONNECTED, CONV_2D and DEPTHWISE_CONV_2D (unrolled, see unrolled_window.py), ReLU after every one but
the last; AVERAGE_POOL_2D, MEAN and PAD before them, made part of the next layer where that is exact; RESHAPE,
whose shape may be computed by SHAPE, STRIDED_SLICE and PACK, as converters write it, EXPAND_DIMS and SQUEEZE.
A SOFTMAX at the end is left out, because it keeps the order of the classes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coverify.study.errors import BadFloatNetwork
from coverify.study.unrolled_window import IntArray, Window, averages, means, padded, unrolled
from coverify.verify.query import F64Array
from tflm_int8 import Model
from tflm_int8.flatbuffer import Damaged
from tflm_int8.model import Operator, Tensor

Pair = tuple[F64Array, F64Array]
"""Weights [n_out, n_in] and bias [n_out]."""
_NONE, _RELU = 0, 1
_LAYERS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
_MOVES = ("AVERAGE_POOL_2D", "MEAN", "PAD")
_RESHAPES = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")
_OF_SHAPES = ("SHAPE", "STRIDED_SLICE", "PACK")


def dense_layers(model: Model, max_cells: int) -> list[Pair]:
    """The layers in order, none of more than max_cells weights.  Raises BadFloatNetwork."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise BadFloatNetwork(model.name, "one input and one output are needed")
    return _Chain(model, max_cells).layers()


class _Chain:
    """One file being read. `current`: the tensor that the next operator must read; `moved`: what that is, of
    the values of the layer before it, where means or padding lie between; `rectified`: are these a ReLU's?
    """

    def __init__(self, model: Model, max_cells: int) -> None:
        self._model, self._max_cells = model, max_cells
        self._found: list[Pair] = []
        self._current, self._rectified = model.inputs[0], True
        self._moved: F64Array | None = None

    def layers(self) -> list[Pair]:
        for op in self._model.operators:
            if not self._of_a_shape(op):
                self._follow(op)
        if self._current != self._model.outputs[0] or self._rectified or self._moved is not None:
            raise self._bad("its output must be that of a layer without ReLU (or a softmax)")
        return self._found

    def _of_a_shape(self, op: Operator) -> bool:
        """Does it only work out a shape? Nothing else of a chain reads int32."""
        outputs = [self._model.tensors[t] for t in op.outputs]
        return op.name in _OF_SHAPES and all(tensor.dtype == "int32" for tensor in outputs)

    def _follow(self, op: Operator) -> None:
        if not op.inputs or op.inputs[0] != self._current or len(op.outputs) != 1:
            raise self._bad(f"op {op.index} {op.name} is not the next of a chain")
        if op.name in (*_LAYERS, *_MOVES) and not self._rectified:
            raise self._bad(f"there is no ReLU before op {op.index} {op.name}")
        try:
            if op.name in _LAYERS:
                self._layer(op)
            elif op.name in _MOVES:
                self._move(op)
            elif op.name in _RESHAPES:
                self._reshape(op)
            elif op.name == "RELU" and self._found and not self._rectified:
                self._rectified = True
            elif op.name != "SOFTMAX" or op.index < len(self._model.operators) - 1:
                raise self._bad(f"op {op.index} {op.name} is not read here")
            elif not self._keeps_order(op):
                raise ValueError("it must be of one row, its beta > 0")
        except (Damaged, ValueError) as err:
            raise self._bad(f"op {op.index} {op.name}: {err}") from err
        self._current = op.outputs[0]

    def _bad(self, why: str) -> BadFloatNetwork:
        return BadFloatNetwork(self._model.name, why)

    def _shapes(self, op: Operator) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of what an operator reads and writes."""
        tensors = self._model.tensors
        return tensors[op.inputs[0]].shape, tensors[op.outputs[0]].shape

    def _keeps_order(self, op: Operator) -> bool:
        """Does a softmax keep the order of its inputs?"""
        shape, _ = self._shapes(op)
        beta = op.options.float32(0) if op.options is not None else 0.0
        return bool(shape) and math.prod(shape) == shape[-1] and beta > 0

    def _reshape(self, op: Operator) -> None:
        """The same values: is the shape that the file gives them the one that they get?

        Raises ValueError, Damaged.
        """
        x, y = self._shapes(op)
        expected, n = y, len(x)
        if op.name == "SQUEEZE":
            given = op.options.array(0, "<i4") if op.options is not None else ()
            dims = np.asarray(given).astype(np.int64)
            if not np.all((-n <= dims) & (dims < n)) or any(x[k] != 1 for k in dims):
                raise ValueError(f"a dimension of {list(x)} that is not 1")
            gone = {k % n for k in dims.tolist()} or {k for k in range(n) if x[k] == 1}
            expected = tuple(x[k] for k in range(n) if k not in gone)
        elif op.name == "EXPAND_DIMS":
            axes = self._numbers(op).reshape(-1)
            if len(axes) != 1 or not -n - 1 <= axes[0] <= n:
                raise ValueError(f"its axis is none of {n + 1}")
            at = int(axes[0]) % (n + 1)
            expected = (*x[:at], 1, *x[at:])
        if math.prod(x) != math.prod(y) or expected != y:
            raise ValueError(f"{list(x)} does not become {list(y)}")

    def _move(self, op: Operator) -> None:
        """Raises ValueError, Damaged."""
        shapes, limit = self._shapes(op), self._max_cells
        if op.name == "AVERAGE_POOL_2D":
            if op.options is None:
                raise ValueError("its options are missing")
            window = Window.of_pool(op.options)
            if window.activation != _NONE:
                raise ValueError(f"fused activation {window.activation}")
            matrix = averages(window, *shapes, limit)
        else:
            matrix = (means if op.name == "MEAN" else padded)(self._numbers(op), *shapes, limit)
        if self._moved is not None:
            if len(matrix) * self._moved.shape[1] > limit:
                raise ValueError(f"with what lies before it it has more than {limit} weights")
            matrix = matrix @ self._moved  # of zeros and powers of two, one product for each: exact
        self._moved = matrix

    def _numbers(self, op: Operator) -> IntArray:
        """Axes or paddings.  Raises ValueError."""
        given = self._model.tensors[op.inputs[1]].data if len(op.inputs) == 2 else None
        if given is None or not np.issubdtype(given.dtype, np.integer):
            raise ValueError("its axes or paddings are no constant")
        return given.astype(np.int64)

    def _layer(self, op: Operator) -> None:
        """A dense layer, or a convolution as one.  Raises ValueError, Damaged."""
        tensors = [self._model.tensors[t] if t >= 0 else None for t in (*op.inputs, -1, -1)[:3]]
        weights, bias = tensors[1], tensors[2]
        if weights is None or weights.data is None or weights.dtype != "float32" or op.options is None:
            raise ValueError("it lacks float32 weights or options")
        matrix = _finite(weights.data)
        x_shape, y_shape = self._shapes(op)
        if op.name == "FULLY_CONNECTED":
            rows = math.prod(y_shape) // max(len(matrix), 1)
            if matrix.ndim != 2 or rows != 1 or math.prod(x_shape) != matrix.shape[-1]:
                raise ValueError("more than one row is not read")
            activation, channels = op.options.integer(0, "<b"), len(matrix)
        else:
            depthwise = op.name == "DEPTHWISE_CONV_2D"
            window = Window.of_depthwise(op.options) if depthwise else Window.of_convolution(op.options)
            if matrix.ndim == 4 and depthwise:
                matrix = matrix.transpose(3, 1, 2, 0)
            activation, channels = window.activation, len(matrix)
            matrix = unrolled(matrix, window, x_shape, y_shape, self._max_cells)
        if activation not in (_NONE, _RELU):
            raise ValueError(f"fused activation {activation}")
        values = np.tile(_bias(bias, channels), len(matrix) // channels)
        if self._moved is not None:
            matrix = matrix @ self._moved  # one product for each weight: exact
        self._moved, self._rectified = None, activation == _RELU
        self._found.append((matrix, values))


def _bias(tensor: Tensor | None, channels: int) -> F64Array:
    """float64 [channels].  Raises ValueError."""
    if tensor is None:
        return np.zeros(channels)
    if tensor.data is None or tensor.dtype != "float32" or tensor.data.shape != (channels,):
        raise ValueError("its bias is no float32 constant of one number for each channel")
    return _finite(tensor.data)


def _finite(data: NDArray[np.generic]) -> F64Array:
    """Raises ValueError."""
    if not np.all(np.isfinite(data.astype(np.float32, copy=False))):
        raise ValueError("its weights or biases are not all finite")
    return data.astype(np.float64)
