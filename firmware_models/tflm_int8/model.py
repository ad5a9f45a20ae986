"""A .tflite model as plain data: tensors, operators, constants, quantization.

`Model.read` takes the first subgraph (only control flow, which is refused, leads to others) and checks
everything that later code relies on: indices, shapes, sizes, scales, the order of execution. It promises that
nothing in a file makes it crash, hang or allocate more than a small multiple of the file. Whether an operator
is *supported* is not asked here.

Source of the layout: TFLite schema v3 (tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tflm_int8.builtin_names import BUILTIN_NAMES
from tflm_int8.errors import MalformedModel, UnsupportedModel, UnsupportedOp
from tflm_int8.flatbuffer import Buffer, Damaged, Table

MAX_FILE_BYTES = 64 << 20
MAX_TENSOR_ELEMENTS = 1 << 26
MAX_DIMENSIONS = 6
"""Of a tensor: what RuntimeShape holds; TFLM writes past it, and computes anything."""
MAX_OPERATORS = 1 << 14
MAX_SUBGRAPHS = 16
_ZIP = b"PK\x03\x04"
"""How a zip archive begins."""
_FIXED_POINT = "a fixed-point network (.npz) is for verify, distinguish, check and study alone"
_IDENTIFIER = b"TFL3"
"""What stands in a .tflite file from byte 4 on; TFLM does not ask for it."""
_HEEDED: dict[str, str] = {
    "OfflineMemoryAllocation": "a plan under which tensors may share memory",
    "COMPRESSION_METADATA": "constants that are packed",
}
"""Metadata that TFLM heeds, and what it says."""

_TYPES: dict[int, str] = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8",
    10: "float64", 12: "uint64", 13: "resource", 15: "uint32", 16: "uint16", 17: "int4",
}  # fmt: skip
STATEFUL_OPERATORS = frozenset(
    {
        "ASSIGN_VARIABLE",
        "CUSTOM:CIRCULAR_BUFFER",
        "CUSTOM:SignalDelay",
        "CUSTOM:SignalFilterBankSpectralSubtraction",
        "CUSTOM:SignalFramer",
        "CUSTOM:SignalOverlapAdd",
        "CUSTOM:SignalStacker",
    }
)
"""Operators that remember by themselves; the others do so in variable tensors."""


@dataclass(frozen=True)
class Quantization:
    """Affine quantization: real = scale * (q − zero_point); scales: float32 [1] or one per channel of `axis`.

    Whether their number fits the tensor is asked where they are used: TFLM asks no more, and real files have
    biases that name an axis which they do not have.
    """

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int

    @property
    def scale(self) -> np.float32:
        """The (first) scale."""
        return np.float32(self.scales[0])

    @property
    def zero_point(self) -> int:
        """The (first) zero point."""
        return int(self.zero_points[0])


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph; `data` is the constant it holds, or None.

    variable: it keeps its value from one invocation to the next. A dtype of "int4" is that of constants only,
    whose data is int8.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    data: NDArray[np.generic] | None
    variable: bool = False

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """The number of bytes in the device's memory; two int4 share one, a handle has none."""
        if self.dtype == "resource":
            return 0
        return (self.size + 1) // 2 if self.dtype == "int4" else self.size * np.dtype(self.dtype).itemsize

    @property
    def initial(self) -> NDArray[np.generic] | None:
        """What it holds before any operator ran: the constant; of a variable, its zero; else None.

        Source: ResetTensorData, micro_interpreter_graph.cc (the zero point when it is int8, zero bytes else).
        """
        if not self.variable:
            return self.data
        zero = self.quantization.zero_point if self.quantization and self.dtype == "int8" else 0
        return np.full(self.shape, zero, self.dtype)


@dataclass(frozen=True)
class Operator:
    """One operator: its builtin name, tensor indices (−1 = optional input left out) and raw options.

    custom_options: those of a custom operator, at most 4096 bytes.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int
    options: Table | None
    custom_options: bytes = b""


@dataclass(frozen=True)
class Model:
    """A whole model, in execution order."""

    name: str
    content: bytes
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @cached_property
    def stateful(self) -> bool:
        """Whether an invocation depends on those before it."""
        remembers = any(op.name in STATEFUL_OPERATORS for op in self.operators)
        return remembers or any(t.variable for t in self.tensors)

    @cached_property
    def written(self) -> tuple[int, ...]:
        """The tensors that operators write, in order; handles of variables have no value and are left out."""
        outputs = (o for op in self.operators for o in op.outputs)
        return tuple(o for o in outputs if self.tensors[o].dtype != "resource")

    @cached_property
    def variables(self) -> dict[int, bytes]:
        """The names of resource variables by the tensors that are their handles.  Raises MalformedModel."""
        try:
            return {
                o: op.options.c_string(1)
                for op in self.operators
                if op.name == "VAR_HANDLE" and op.options is not None
                for o in op.outputs
            }
        except Damaged as error:
            raise MalformedModel(self.name, str(error)) from error

    @cached_property
    def assigned(self) -> dict[bytes, Tensor]:
        """By the name of a resource variable, the tensor that is assigned to it first."""
        first: dict[bytes, Tensor] = {}
        for op in self.operators:
            if op.name == "ASSIGN_VARIABLE" and len(op.inputs) == 2 and min(op.inputs) >= 0:
                first.setdefault(self.variables.get(op.inputs[0], b""), self.tensors[op.inputs[1]])
        return first

    def subgraph(self, i: int) -> Model:
        """Another graph of the same file.  Raises MalformedModel, UnsupportedModel."""
        try:
            return _Reader(f"{self.name}, subgraph {i}", self.content).model(i)
        except Damaged as error:
            raise MalformedModel(self.name, str(error)) from error

    @cached_property
    def n_subgraphs(self) -> int:
        """How many graphs the file has, this one among them."""
        return len(Buffer(self.content).root().tables(2))

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @staticmethod
    def read(path: Path | str) -> Model:
        """Read a file.  Raises MalformedModel, UnsupportedModel, OSError."""
        path = Path(path)
        name = (path.name or str(path)).encode("utf-8", "replace").decode()
        size = path.stat().st_size
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            raise MalformedModel(name, f"this is {what}")
        if size > MAX_FILE_BYTES:
            raise UnsupportedModel(name, f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
        return Model.from_bytes(path.read_bytes(), name)

    @staticmethod
    def from_bytes(content: bytes, name: str = "model.tflite") -> Model:
        """The model in `content`; `name` is used in messages.  Raises MalformedModel, UnsupportedModel."""
        if len(content) > MAX_FILE_BYTES:
            raise UnsupportedModel(name, f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
        if not content:
            raise MalformedModel(name, "the file is empty")
        if content.startswith(_ZIP):
            raise MalformedModel(name, f"this is a zip archive; {_FIXED_POINT}")
        try:
            return _Reader(name, content).model()
        except Damaged as error:
            hint = "" if content[4:8] == _IDENTIFIER else " (no TFL3 at byte 4: is this a .tflite file?)"
            raise MalformedModel(name, f"{error}{hint}") from error


class _Reader:
    """The walk over one file; every check that fails raises Damaged or UnsupportedModel."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content
        self.root = Buffer(content).root()

    def model(self, number: int = 0) -> Model:
        """The graph of this number; only the first one needs inputs and outputs."""
        version = self.root.integer(0, "<I")
        if version != 3:
            raise Damaged(f"schema version {version}, expected 3")
        graphs = self.root.tables(2)
        if not 0 <= number < len(graphs):
            raise Damaged(f"it has no subgraph {number}")
        if len(graphs) > MAX_SUBGRAPHS:
            raise UnsupportedModel(self.name, f"more than {MAX_SUBGRAPHS} subgraphs")
        graph = graphs[number]
        if not graph.has(0):  # TFLM follows a null pointer
            raise Damaged(f"subgraph {number} has no list of tensors")
        if len(graph.tables(3)) > MAX_OPERATORS:
            raise UnsupportedModel(self.name, f"more than {MAX_OPERATORS} operators")
        codes = [self._operator_name(code) for code in self.root.tables(1)]
        buffers = [self._buffer(b) for b in self.root.tables(4)]
        self._check_memory(buffers)
        tensors = tuple(self._tensor(i, t, buffers) for i, t in enumerate(graph.tables(0)))
        operators = tuple(self._operator(i, o, codes, tensors) for i, o in enumerate(graph.tables(3)))
        inputs = _indices(graph.array(1, "<i4"), len(tensors), optional=False)
        outputs = _indices(graph.array(2, "<i4"), len(tensors), optional=False)
        model = Model(self.name, self.content, tensors, operators, inputs, outputs)
        _check_order(model)
        if number == 0 and (not model.inputs or not model.outputs):
            raise Damaged("the model lacks an input or output")
        return model

    @staticmethod
    def _operator_name(code: Table) -> str:
        number = max(code.integer(0, "<b"), code.integer(3, "<i"))
        if number == 32:
            return f"CUSTOM:{code.c_string(1)[:200].decode('utf-8', 'replace')}"
        return BUILTIN_NAMES.get(number, f"BUILTIN_{number}")

    def _buffer(self, table: Table) -> NDArray[np.generic]:
        if table.integer(1, "<Q") > 1:
            raise UnsupportedModel(self.name, "constants outside the flatbuffer are not supported")
        return table.array(0, "<u1")

    def _check_memory(self, buffers: list[NDArray[np.generic]]) -> None:
        """Refuse memory of tensors that are no constants, and metadata under which tensors are others.

        Source: GetFlatbufferTensorBuffer, micro_allocator.cc; GetOfflinePlannedOffsets,
        micro_allocation_info.cc; kCompressionMetadataString, micro_compression.h.
        """
        if buffers and len(buffers[0]):
            raise UnsupportedModel(self.name, "buffer 0 is not empty: TFLM takes it as a tensor's memory")
        for metadata in self.root.tables(6):
            why = _HEEDED.get(name := metadata.string(0))
            if why is not None:
                raise UnsupportedModel(self.name, f"the metadata {name}: {why}")

    def _tensor(self, index: int, table: Table, buffers: list[NDArray[np.generic]]) -> Tensor:
        type_code = table.integer(1, "<b")
        dtype = _TYPES.get(type_code)
        if dtype is None:
            raise UnsupportedModel(self.name, f"tensor {index} has the element type {type_code}")
        variable = bool(table.integer(5, "<B"))
        if table.has(6):
            raise UnsupportedModel(self.name, f"tensor {index} is stored sparse")
        dims = table.array(0, "<i4")
        if len(dims) > MAX_DIMENSIONS:
            room = f"TFLM's kernels have room for {MAX_DIMENSIONS}"
            raise UnsupportedModel(self.name, f"tensor {index} has {len(dims)} dimensions; {room}")
        shape = _shape(index, dims)
        quantization = self._quantization(index, table.table(4))
        data = self._constant(index, table.integer(2, "<I"), buffers, shape, dtype)
        if data is None and dtype == "int4":
            raise UnsupportedModel(self.name, f"tensor {index} is int4 and not a constant")
        if variable and (data is not None or math.prod(shape) == 0 or dtype == "resource"):
            raise UnsupportedModel(self.name, f"tensor {index} is a variable that is empty or a constant")
        if variable and quantization is not None and not -128 <= quantization.zero_point <= 127:
            raise UnsupportedModel(self.name, f"tensor {index} is a variable whose zero is no int8")
        return Tensor(index, table.string(3), shape, dtype, quantization, data, variable)

    @staticmethod
    def _constant(
        index: int, buffer: int, buffers: list[NDArray[np.generic]], shape: tuple[int, ...], dtype: str
    ) -> NDArray[np.generic] | None:
        if buffer >= len(buffers):
            raise Damaged(f"tensor {index} refers to buffer {buffer} of {len(buffers)}")
        raw = buffers[buffer]
        if len(raw) == 0 or dtype == "resource":
            return None
        n = math.prod(shape)
        needed = (n + 1) // 2 if dtype == "int4" else n * np.dtype(dtype).itemsize
        if len(raw) != needed:
            raise Damaged(f"tensor {index} needs {needed} bytes, its buffer has {len(raw)}")
        if dtype == "bool" and np.any(raw.view(np.uint8) > 1):  # C++ leaves open what such a bool is
            raise Damaged(f"tensor {index} is bool with bytes that are neither 0 nor 1")
        if dtype == "int4":
            return _unpacked(raw)[:n].reshape(shape)
        return raw.view(np.dtype(dtype).newbyteorder("<")).reshape(shape)

    def _quantization(self, index: int, table: Table | None) -> Quantization | None:
        if table is None or not table.has(2):
            return None
        if table.integer(4, "<B"):
            raise UnsupportedModel(self.name, f"tensor {index} has custom quantization")
        scales, zero_points = table.array(2, "<f4"), table.array(3, "<i8")
        if len(scales) == 0 or len(zero_points) == 0:  # TFLM needs both
            return None
        axis = table.integer(6, "<i")
        if not np.all(np.isfinite(scales)) or not np.all(np.asarray(scales, np.float32) > 0):
            raise Damaged(f"tensor {index} has a scale that is not a positive number")
        if len(zero_points) != len(scales):  # TFLM takes the first for all
            zero_points = np.repeat(zero_points[:1], len(scales))
        if np.any(np.abs(np.asarray(zero_points, np.float64)) > 2**31):
            raise Damaged(f"tensor {index} has a zero point beyond 32 bits")
        return Quantization(scales.astype(np.float32), zero_points.astype(np.int64), axis)

    def _operator(self, index: int, table: Table, codes: list[str], tensors: tuple[Tensor, ...]) -> Operator:
        """Refuses what TFLM does of every kind; intermediates: ValidateSubgraph, micro_allocation_info.cc."""
        code = table.integer(0, "<I")
        if code >= len(codes):
            raise Damaged(f"operator {index} refers to operator code {code} of {len(codes)}")
        if table.has(5) and not codes[code].startswith("CUSTOM:"):
            raise UnsupportedOp(codes[code], index, self.name, "a builtin operator has no custom options")
        if any(tensors[i].size for i in _indices(table.array(8, "<i4"), len(tensors), optional=False)):
            raise UnsupportedOp(codes[code], index, self.name, "an intermediate tensor of it is not empty")
        return Operator(
            index,
            codes[code],
            _indices(table.array(1, "<i4"), len(tensors), optional=True),
            _indices(table.array(2, "<i4"), len(tensors), optional=False),
            table.integer(3, "<B"),
            table.table(4),
            table.array(5, "<u1")[:4096].tobytes(),
        )


def _unpacked(raw: NDArray[np.generic]) -> NDArray[np.int8]:
    """Two int8 per byte, the low half first.  Source: UnpackDenseInt4IntoInt8, portable_tensor_utils.cc."""
    pairs = raw.view(np.int8)
    halves: NDArray[np.int8] = np.stack([pairs << 4 >> 4, pairs >> 4], axis=1)
    return halves.reshape(-1)


def _shape(index: int, dims: NDArray[np.generic]) -> tuple[int, ...]:
    shape = tuple(int(d) for d in dims)
    if any(d < 0 for d in shape) or math.prod(shape) > MAX_TENSOR_ELEMENTS:
        raise Damaged(f"tensor {index} has the shape {list(shape)}")
    return shape


def _indices(values: NDArray[np.generic], n: int, *, optional: bool) -> tuple[int, ...]:
    if len(values) > n + 16:
        raise Damaged(f"a list of {len(values)} tensor indices in a graph of {n} tensors")
    indices = tuple(int(v) for v in values)
    least = -1 if optional else 0
    if any(not least <= i < n for i in indices):
        raise Damaged(f"a tensor index outside 0..{n - 1}: {list(indices[:8])}")
    return indices


def _check_order(model: Model) -> None:
    """Every operator reads constants, inputs, variables or what an earlier one wrote; none is written twice.

    A variable may have a writer too, an operator that remembers in its own output.
    """
    variables = {t.index for t in model.tensors if t.variable}
    known = {t.index for t in model.tensors if t.data is not None}
    if (known | variables) & set(model.inputs):
        raise Damaged("an input of the model is a constant or a variable")
    known |= set(model.inputs)
    for op in model.operators:
        for i in op.inputs:
            if i >= 0 and i not in known and i not in variables:
                raise UnsupportedOp(
                    op.name, op.index, model.name, f"it reads tensor {i} before it is written"
                )
        for o in op.outputs:
            if o in known:
                raise Damaged(f"operator {op.index} {op.name} writes tensor {o}, which is already known")
            known.add(o)
    if not set(model.outputs) <= known:
        raise Damaged("an output of the model is never written")
