"""CMSIS-NN's functions, called as TFLM calls them, from a shared library that the tester has built from them.

The library is `build/oracles/libcmsisnn-double.so` (`-single.so`: with CMSIS_NN_USE_SINGLE_ROUNDING), made of
CMSIS-NN's int8 sources for the host; nothing of CMSIS-NN is part of this project. Each function here takes a
prepared kernel and int8 inputs of one sample, and returns the bytes that CMSIS-NN writes.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from oracle import ROOT
from tflm_int8.fixedpoint import quantize_multiplier
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.choice import Extreme
from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.kernels.fully_connected import FullyConnected
from tflm_int8.kernels.multiply import Multiply
from tflm_int8.kernels.pooling import MaxPool, Pool
from tflm_int8.kernels.softmax import Softmax

_SCRATCH = 1 << 22


def library(rounding: str = "double") -> ctypes.CDLL:
    """CMSIS-NN; skips the test where it was not built."""
    path = ROOT / "build" / "oracles" / f"libcmsisnn-{rounding}.so"
    if not path.exists():
        pytest.skip(f"{path.name} is not in build/oracles (CMSIS-NN built for the host)")
    return ctypes.CDLL(str(path))


def _ints(*values: int) -> ctypes.Array:
    """A struct of int32 members."""
    return (ctypes.c_int32 * len(values))(*(int(v) for v in values))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.int8)


def _pointer(values: np.ndarray | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(0 if values is None else values.ctypes.data)


class _Context(ctypes.Structure):
    _fields_ = (("buf", ctypes.c_void_p), ("size", ctypes.c_int32))


class _Quant(ctypes.Structure):
    _fields_ = (
        ("multiplier", ctypes.c_void_p), ("shift", ctypes.c_void_p), ("per_channel", ctypes.c_int32),
    )  # fmt: skip


def run(lib: ctypes.CDLL, kernel, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 inputs [shape] of one sample (constants too) → int8 [output shape]."""
    x, out = [_bytes(i) for i in inputs], np.zeros(kernel.node.output.shape, np.int8)
    match kernel:
        case Convolution2D():
            status = _convolution(lib, kernel, x[0], x[1], out)
        case FullyConnected():
            status = _fully_connected(lib, kernel, x[0], x[1], out)
        case Pool():
            status = _pool(lib, kernel, x[0], out)
        case Softmax():
            status = _softmax(lib, kernel, x[0], out)
        case Add():
            status = _add(lib, kernel, x[0], x[1], out)
        case Multiply():
            status = _multiply(lib, kernel, x[0], x[1], out)
        case Extreme():
            status = _extreme(lib, kernel, x[0], x[1], out)
        case _:
            raise TypeError(f"{kernel.node.op.name} has no CMSIS-NN function here")
    assert status == 0, f"CMSIS-NN answers {status}"
    return out


def _scratch() -> tuple[_Context, np.ndarray]:
    memory = np.zeros(_SCRATCH, np.int8)
    return _Context(memory.ctypes.data, _SCRATCH), memory


def _bias(kernel) -> np.ndarray | None:
    tensor = kernel.node.optional_input(2)
    return None if tensor is None else np.ascontiguousarray(kernel.bias, np.int32)


def _convolution(lib, k: Convolution2D, x: np.ndarray, w: np.ndarray, out: np.ndarray) -> int:
    rows, columns, stage = k.window.rows, k.window.columns, k.requantize
    depthwise = k.node.op.name == "DEPTHWISE_CONV_2D"
    params = [-k.input_zero_point, stage.zero_point]
    params += [len(k.filters) // x.shape[3]] if depthwise else []
    params += [columns.stride, rows.stride, columns.before, rows.before, columns.dilation, rows.dilation]
    params += [stage.lo, stage.hi]
    multiplier, shift = (np.ascontiguousarray(v, np.int32) for v in (stage.multiplier, stage.shift))
    function = lib.arm_depthwise_conv_wrapper_s8 if depthwise else lib.arm_convolve_wrapper_s8
    bias, (context, memory) = _bias(k), _scratch()
    status = function(
        ctypes.byref(context), _ints(*params),
        ctypes.byref(_Quant(multiplier.ctypes.data, shift.ctypes.data, 1)),
        _ints(*x.shape), _pointer(x), _ints(*w.shape), _pointer(w), _ints(1, 1, 1, len(k.filters)),
        _pointer(bias), _ints(*out.shape), _pointer(out),
    )  # fmt: skip
    del memory
    return status


def _fully_connected(lib, k: FullyConnected, x: np.ndarray, w: np.ndarray, out: np.ndarray) -> int:
    stage, (n_out, n_in) = k.requantize, w.shape
    multiplier, shift = (np.ascontiguousarray(v, np.int32) for v in (stage.multiplier, stage.shift))
    scales = k.node.input(1).quantization.scales
    filter_zero = 0 if len(scales) > 1 else k.node.input(1).quantization.zero_point
    bias, (context, memory) = _bias(k), _scratch()
    status = lib.arm_fully_connected_wrapper_s8(
        ctypes.byref(context), _ints(-k.input_zero_point, -filter_zero, stage.zero_point, stage.lo, stage.hi),
        ctypes.byref(_Quant(multiplier.ctypes.data, shift.ctypes.data, int(len(scales) > 1))),
        _ints(k.batches, 1, 1, n_in), _pointer(x), _ints(n_in, 1, 1, n_out), _pointer(w),
        _ints(1, 1, 1, n_out), _pointer(bias), _ints(k.batches, 1, 1, n_out), _pointer(out),
    )  # fmt: skip
    del memory
    return status


def _pool(lib, k: Pool, x: np.ndarray, out: np.ndarray) -> int:
    rows, columns = k.window.rows, k.window.columns
    function = lib.arm_max_pool_s8 if isinstance(k, MaxPool) else lib.arm_avgpool_s8
    context, memory = _scratch()
    status = function(
        ctypes.byref(context),
        _ints(columns.stride, rows.stride, columns.before, rows.before, k.lo, k.hi),
        _ints(*x.shape), _pointer(x), _ints(1, rows.kernel, columns.kernel, 1), _ints(*out.shape),
        _pointer(out),
    )  # fmt: skip
    del memory
    return status


def _softmax(lib, k: Softmax, x: np.ndarray, out: np.ndarray) -> int:
    m = k.function.multiplier
    lib.arm_softmax_s8.restype = None
    lib.arm_softmax_s8(
        _pointer(x), x.size // k.depth, k.depth, m.value, m.shift, -k.function.radius, _pointer(out)
    )
    return 0


def _offset(kernel, i: int) -> int:
    return -kernel.node.input(i).quantization.zero_point


def _add(lib, k: Add, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> int:
    scales = [float(k.node.input(i).quantization.scale) for i in (0, 1)]
    ma, mb = (quantize_multiplier(s / (2 * max(scales))) for s in scales)
    stage = k.requantize
    return lib.arm_elementwise_add_s8(
        _pointer(a), _pointer(b), _offset(k, 0), ma.value, ma.shift, _offset(k, 1), mb.value, mb.shift, 20,
        _pointer(out), stage.zero_point, int(stage.multiplier[0]), int(stage.shift[0]), stage.lo, stage.hi,
        out.size,
    )  # fmt: skip


def _multiply(lib, k: Multiply, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> int:
    stage = k.requantize
    return lib.arm_elementwise_mul_s8(
        _pointer(a), _pointer(b), _offset(k, 0), _offset(k, 1), _pointer(out), stage.zero_point,
        int(stage.multiplier[0]), int(stage.shift[0]), stage.lo, stage.hi, out.size,
    )  # fmt: skip


def _extreme(lib, k: Extreme, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> int:
    function = lib.arm_maximum_s8 if k.greatest else lib.arm_minimum_s8
    context, memory = _scratch()
    whole = [(1,) * (4 - v.ndim) + v.shape for v in (a, b, out)]
    status = function(
        ctypes.byref(context), _pointer(a), _ints(*whole[0]), _pointer(b), _ints(*whole[1]), _pointer(out),
        _ints(*whole[2]),
    )  # fmt: skip
    del memory
    return status
