"""Build small .tflite files for tests with the schema's own generated code.

    b = Builder()
    x = b.input((1, 4), scale=0.5, zero_point=-3)
    y = b.fully_connected(x, weights, bias, w_scale=0.1, out_scale=0.4, out_zero_point=5, activation=1)
    content = b.finish(y)

The files are what a converter would write: one subgraph, schema version 3, int8 weights, int32 biases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

_TYPES = {
    "bool": tflite.TensorType.BOOL,
    "float32": tflite.TensorType.FLOAT32,
    "int4": tflite.TensorType.INT4,
    "int8": tflite.TensorType.INT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "resource": tflite.TensorType.RESOURCE,
    "uint8": tflite.TensorType.UINT8,
    "uint32": tflite.TensorType.UINT32,
    "uint64": tflite.TensorType.UINT64,
}


@dataclass
class TensorSpec:
    shape: tuple[int, ...]
    dtype: str
    scales: list[float]
    zero_points: list[int]
    axis: int = 0
    data: np.ndarray | None = None
    variable: bool = False


@dataclass
class OpSpec:
    name: str
    inputs: list[int]
    outputs: list[int]
    union: int
    options: list[tuple[str, Any]] = field(default_factory=list)
    custom: bytes | None = None
    intermediates: list[int] = field(default_factory=list)


def same_out(size: int, stride: int) -> int:
    return -(-size // stride)


def valid_out(size: int, kernel: int, stride: int, dilation: int) -> int:
    return (size - ((kernel - 1) * dilation + 1)) // stride + 1


def packed(values: np.ndarray) -> np.ndarray:
    """int4 values, two in a byte, the first in the low half."""
    flat = np.append(values.reshape(-1), 0)[: values.size + values.size % 2].astype(np.uint8) & 15
    return flat[::2] | flat[1::2] << 4


class Builder:
    def __init__(self) -> None:
        self.tensors: list[TensorSpec] = []
        self.ops: list[OpSpec] = []
        self.inputs: list[int] = []
        self.subgraphs: list[Builder] = []
        self.first_buffer: np.ndarray | None = None
        self.metadata: list[tuple[str, np.ndarray]] = []

    def tensor(self, shape, dtype="int8", scales=(), zero_points=(), axis=0, data=None) -> int:
        self.tensors.append(TensorSpec(tuple(shape), dtype, list(scales), list(zero_points), axis, data))
        return len(self.tensors) - 1

    def activation(self, shape, scale: float, zero_point: int, dtype="int8") -> int:
        return self.tensor(shape, dtype, [scale], [zero_point])

    def input(self, shape, scale=1.0, zero_point=0, dtype="int8") -> int:
        self.inputs.append(self.activation(shape, scale, zero_point, dtype))
        return self.inputs[-1]

    def constant(self, data: np.ndarray, scale: float, zero_point: int) -> int:
        return self.tensor(data.shape, "int8", [scale], [zero_point], data=data.astype(np.int8))

    def variable(self, shape, scale: float, zero_point: int, dtype="int8") -> int:
        """A tensor that keeps its value from one invocation to the next."""
        t = self.activation(shape, scale, zero_point, dtype)
        self.tensors[t].variable = True
        return t

    def integers(self, values, dtype="int32") -> int:
        """A constant without quantization: axes, sizes, indices."""
        data = np.array(values, dtype)
        return self.tensor(data.shape, dtype, data=data)

    def like(self, x: int, shape) -> int:
        """A tensor of x's type and quantization."""
        spec = self.tensors[x]
        return self.tensor(shape, spec.dtype, spec.scales, spec.zero_points)

    def _scale(self, tensor: int) -> float:
        return self.tensors[tensor].scales[0]

    def layer_inputs(self, x: int, weights, bias, w_scale, axis: int, w_zero_point=0) -> list[int]:
        """The input, the weights, and the bias if there is one; axis: along which the weights' scales go."""
        scales = [float(s) for s in np.atleast_1d(w_scale)]
        zero_points = [w_zero_point] * len(scales)
        w = self.tensor(weights.shape, "int8", scales, zero_points, axis, weights.astype(np.int8))
        if bias is None:
            return [x, w]
        products = [float(np.float32(self._scale(x)) * np.float32(s)) for s in scales]
        b = self.tensor(bias.shape, "int32", products, [0] * len(scales), 0, bias.astype(np.int32))
        return [x, w, b]

    def op(self, name, inputs, output, union=0, custom=None, **options) -> int:
        """One operator; `output` may be a list, whose first tensor is returned; a list option is a vector.

        A custom operator's name is "CUSTOM:" and its own, its options are the bytes `custom`.
        """
        outputs = output if isinstance(output, list) else [output]
        self.ops.append(OpSpec(name, list(inputs), outputs, union, list(options.items()), custom))
        return outputs[0] if outputs else -1

    def fully_connected(
        self, x, weights, bias, w_scale, out_scale, out_zero_point, activation=0, w_zero_point=0
    ) -> int:
        shape = self.tensors[x].shape
        batch = int(np.prod(shape)) // weights.shape[1]
        y = self.activation((batch, weights.shape[0]), out_scale, out_zero_point)
        inputs = self.layer_inputs(x, weights, bias, w_scale, 0, w_zero_point)
        return self.op("FULLY_CONNECTED", inputs, y, 8, FusedActivationFunction=activation)

    def _out_hw(self, x, kernel, stride, dilation, padding) -> tuple[int, ...]:
        size = self.tensors[x].shape[1:3]
        if padding == 0:
            return tuple(same_out(size[i], stride[i]) for i in range(2))
        return tuple(valid_out(size[i], kernel[i], stride[i], dilation[i]) for i in range(2))

    def conv(
        self, x, weights, bias, w_scale, out_scale, out_zero_point,
        stride=(1, 1), dilation=(1, 1), padding=0, activation=0,
    ) -> int:  # fmt: skip
        hw = self._out_hw(x, weights.shape[1:3], stride, dilation, padding)
        y = self.activation((self.tensors[x].shape[0], *hw, weights.shape[0]), out_scale, out_zero_point)
        inputs = self.layer_inputs(x, weights, bias, w_scale, 0)
        return self.op(
            "CONV_2D", inputs, y, 1, Padding=padding, StrideH=stride[0], StrideW=stride[1],
            DilationHFactor=dilation[0], DilationWFactor=dilation[1], FusedActivationFunction=activation,
        )  # fmt: skip

    def depthwise(
        self, x, weights, bias, w_scale, out_scale, out_zero_point,
        stride=(1, 1), dilation=(1, 1), padding=0, activation=0,
    ) -> int:  # fmt: skip
        hw = self._out_hw(x, weights.shape[1:3], stride, dilation, padding)
        shape = self.tensors[x].shape
        y = self.activation((shape[0], *hw, weights.shape[3]), out_scale, out_zero_point)
        inputs = self.layer_inputs(x, weights, bias, w_scale, 3)
        return self.op(
            "DEPTHWISE_CONV_2D", inputs, y, 2, Padding=padding, StrideH=stride[0], StrideW=stride[1],
            DilationHFactor=dilation[0], DilationWFactor=dilation[1], FusedActivationFunction=activation,
            DepthMultiplier=weights.shape[3] // shape[3],
        )  # fmt: skip

    def pool(self, x, kind: str, kernel, stride=(1, 1), padding=0, activation=0) -> int:
        spec = self.tensors[x]
        hw = self._out_hw(x, kernel, stride, (1, 1), padding)
        y = self.activation((spec.shape[0], *hw, spec.shape[3]), spec.scales[0], spec.zero_points[0])
        return self.op(
            f"{kind}_POOL_2D", [x], y, 5, Padding=padding, StrideH=stride[0], StrideW=stride[1],
            FilterHeight=kernel[0], FilterWidth=kernel[1], FusedActivationFunction=activation,
        )  # fmt: skip

    def add(self, a, b, out_scale, out_zero_point, activation=0) -> int:
        shape = np.broadcast_shapes(self.tensors[a].shape, self.tensors[b].shape)
        y = self.activation(shape, out_scale, out_zero_point)
        return self.op("ADD", [a, b], y, 11, FusedActivationFunction=activation)

    def reshape(self, x, shape) -> int:
        spec = self.tensors[x]
        y = self.activation(shape, spec.scales[0], spec.zero_points[0])
        new = np.array(shape, np.int32)
        s = self.tensor(new.shape, "int32", data=new)
        return self.op("RESHAPE", [x, s], y, 17)

    def softmax(self, x, beta=1.0) -> int:
        y = self.activation(self.tensors[x].shape, 1 / 256, -128)
        return self.op("SOFTMAX", [x], y, 9, Beta=beta)

    def finish(self, *outputs: int) -> bytes:
        """The bytes of the .tflite file."""
        f = flatbuffers.Builder(1024)
        buffers = [self._buffer(f, self.first_buffer)]
        names = sorted({op.name for graph in (self, *self.subgraphs) for op in graph.ops})
        codes = [self._code(f, name) for name in names]
        graphs = [
            graph._written(f, names, buffers, list(outputs) if graph is self else [])
            for graph in (self, *self.subgraphs)
        ]
        metadata = [self._metadata(f, buffers, *named) for named in self.metadata]
        parts = [self._tables(f, t) for t in (codes, graphs, buffers, metadata)]
        tflite.ModelStart(f)
        tflite.ModelAddVersion(f, 3)
        tflite.ModelAddOperatorCodes(f, parts[0])
        tflite.ModelAddSubgraphs(f, parts[1])
        tflite.ModelAddBuffers(f, parts[2])
        if metadata:
            tflite.ModelAddMetadata(f, parts[3])
        f.Finish(tflite.ModelEnd(f), b"TFL3")
        return bytes(f.Output())

    def _written(self, f, names: list[str], buffers: list[int], outputs: list[int]) -> int:
        """This graph; `buffers` grows by its constants."""
        tensors = []
        for spec in self.tensors:
            number = 0
            if spec.data is not None:
                number = len(buffers)
                buffers.append(self._buffer(f, packed(spec.data) if spec.dtype == "int4" else spec.data))
            tensors.append(self._tensor(f, spec, number))
        operators = [self._operator(f, op, names.index(op.name)) for op in self.ops]
        return self._graph(f, tensors, operators, outputs)

    @staticmethod
    def _tables(f, offsets: list[int]) -> int:
        f.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            f.PrependUOffsetTRelative(offset)
        return f.EndVector()

    @staticmethod
    def _ints(f, values) -> int:
        return f.CreateNumpyVector(np.array(values, np.int32))

    @staticmethod
    def _buffer(f, data) -> int:
        offset = None
        if data is not None:
            raw = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            f.StartVector(1, len(raw), 16)
            f.head = f.head - len(raw)
            f.Bytes[f.head : f.head + len(raw)] = raw.tobytes()
            offset = f.EndVector()
        tflite.BufferStart(f)
        if offset is not None:
            tflite.BufferAddData(f, offset)
        return tflite.BufferEnd(f)

    @classmethod
    def _metadata(cls, f, buffers: list[int], name: str, data: np.ndarray) -> int:
        """`buffers` grows by the data."""
        buffers.append(cls._buffer(f, data))
        text = f.CreateString(name)
        tflite.MetadataStart(f)
        tflite.MetadataAddName(f, text)
        tflite.MetadataAddBuffer(f, len(buffers) - 1)
        return tflite.MetadataEnd(f)

    def _tensor(self, f, spec: TensorSpec, buffer: int) -> int:
        name = f.CreateString(f"t{len(spec.shape)}_{buffer}")
        shape = self._ints(f, spec.shape)
        quantization = None
        if spec.scales:
            scales = f.CreateNumpyVector(np.array(spec.scales, np.float32))
            zero_points = f.CreateNumpyVector(np.array(spec.zero_points, np.int64))
            tflite.QuantizationParametersStart(f)
            tflite.QuantizationParametersAddScale(f, scales)
            tflite.QuantizationParametersAddZeroPoint(f, zero_points)
            tflite.QuantizationParametersAddQuantizedDimension(f, spec.axis)
            quantization = tflite.QuantizationParametersEnd(f)
        tflite.TensorStart(f)
        tflite.TensorAddShape(f, shape)
        tflite.TensorAddType(f, _TYPES[spec.dtype])
        tflite.TensorAddBuffer(f, buffer)
        tflite.TensorAddName(f, name)
        tflite.TensorAddIsVariable(f, spec.variable)
        if quantization is not None:
            tflite.TensorAddQuantization(f, quantization)
        return tflite.TensorEnd(f)

    @staticmethod
    def _code(f, name: str) -> int:
        kind, _, custom = name.partition(":")
        number = getattr(tflite.BuiltinOperator, kind)
        text = f.CreateString(custom) if custom else None
        tflite.OperatorCodeStart(f)
        if text is not None:
            tflite.OperatorCodeAddCustomCode(f, text)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(f, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(f, number)
        tflite.OperatorCodeAddVersion(f, 1)
        return tflite.OperatorCodeEnd(f)

    def _operator(self, f, op: OpSpec, code: int) -> int:
        inputs, outputs = self._ints(f, op.inputs), self._ints(f, op.outputs)
        options = self._options(f, op) if op.union else None
        custom = None if op.custom is None else f.CreateByteVector(op.custom)
        intermediates = self._ints(f, op.intermediates) if op.intermediates else None
        tflite.OperatorStart(f)
        if intermediates is not None:
            tflite.OperatorAddIntermediates(f, intermediates)
        if custom is not None:
            tflite.OperatorAddCustomOptions(f, custom)
        tflite.OperatorAddOpcodeIndex(f, code)
        tflite.OperatorAddInputs(f, inputs)
        tflite.OperatorAddOutputs(f, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptionsType(f, op.union)
            tflite.OperatorAddBuiltinOptions(f, options)
        return tflite.OperatorEnd(f)

    @staticmethod
    def _options(f, op: OpSpec) -> int:
        names = {v: k for k, v in vars(tflite.BuiltinOptions).items() if not k.startswith("_")}
        table = names[op.union]
        made = {list: lambda v: Builder._ints(f, v), str: f.CreateString}
        values = [(key, made.get(type(v), lambda v: v)(v)) for key, v in op.options]
        getattr(tflite, f"{table}Start")(f)
        for key, value in values:
            getattr(tflite, f"{table}Add{key}")(f, value)
        return getattr(tflite, f"{table}End")(f)

    def _graph(self, f, tensors: list[int], operators: list[int], outputs: list[int]) -> int:
        t, o = self._tables(f, tensors), self._tables(f, operators)
        inputs, outs = self._ints(f, self.inputs), self._ints(f, outputs)
        tflite.SubGraphStart(f)
        tflite.SubGraphAddTensors(f, t)
        tflite.SubGraphAddInputs(f, inputs)
        tflite.SubGraphAddOutputs(f, outs)
        tflite.SubGraphAddOperators(f, o)
        return tflite.SubGraphEnd(f)
