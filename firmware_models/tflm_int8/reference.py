"""Run a model as TFLM would: every intermediate tensor of every sample, byte for byte.

A `Reference` checks the whole model when it is made (exact or refused) and then runs batches in memory that
does not grow with the batch. Where a model keeps state between invocations (`stateful`), the samples of a
batch are successive invocations, the first one after a reset, unless each is asked for `from_reset`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import BadTensor, NotInProfile, UnsupportedModel
from tflm_int8.kernels.blas import check_products
from tflm_int8.kernels.memory import Memory, Remembering, repeated
from tflm_int8.kernels.resource_variables import called_graph
from tflm_int8.model import Model, Operator, Tensor
from tflm_int8.node import Node
from tflm_int8.operators import Kernel, prepare
from tflm_int8.profiles import profile_named
from tflm_int8.unwritten import unwritten
from tflm_int8.variant import Profile

Array = NDArray[Any]

MAX_ACTIVATIONS: Final = 1 << 27
_BATCH_BYTES: Final = 64 << 20


def sample_shape(tensor: Tensor) -> tuple[int, ...]:
    """A tensor's shape without its batch dimension of 1."""
    return tensor.shape[1:] if tensor.shape and tensor.shape[0] == 1 else tensor.shape


def node_of(model: Model, op: Operator, profile: Profile, may_overflow: bool) -> Node:
    """The operator with its variant.  Raises NotInProfile."""
    types = frozenset(model.tensors[i].dtype for i in (*op.inputs, *op.outputs) if i >= 0)
    why = profile.refusal(op.name, types)
    if why:
        raise NotInProfile(op.name, op.index, model.name, profile.name, why)
    return Node(model, op, profile.of(op.name), may_overflow)


class Reference:
    """The exact model of a network under a kernel profile."""

    def __init__(self, model: Model, profile: str = "tflm", *, may_overflow: bool = False) -> None:
        """Check and prepare every operator; `may_overflow`: but for the reach of accumulators.

        Raises UnsupportedOp, UnsupportedModel, MalformedModel, UnknownProfile, WrongArithmetic.
        """
        check_products()
        table = profile_named(profile)
        self.model, self.profile = model, profile
        _check_ends(model)
        n_values = _n_values(model)
        self.kernels = _prepared(model, table, may_overflow)
        for i in (*model.inputs, *model.outputs):
            if model.tensors[i].size == 0:
                raise UnsupportedModel(model.name, f"its input or output, tensor {i}, is empty")
        _check_idle_graphs(self.kernels, model)
        self.unwritten = unwritten(self.kernels)
        remembering = [kernel for kernel in self.kernels if isinstance(kernel, Remembering)]
        self._memory: Memory = {key: v for kernel in remembering for key, v in kernel.initial().items()}
        self._shares = any(kernel.shared for kernel in remembering)
        n_kept = sum(value.size for value in self._memory.values())
        self._step = max(1, _BATCH_BYTES // (16 * (n_values + n_kept)))
        self._initial: dict[int, Array] = {
            t.index: np.broadcast_to(t.initial, (self._step, *t.shape))
            for t in model.tensors
            if t.initial is not None
        }

    @property
    def input(self) -> Tensor:
        """The model's first input."""
        return self.model.tensors[self.model.inputs[0]]

    @property
    def output(self) -> Tensor:
        """The model's first output."""
        return self.model.tensors[self.model.outputs[0]]

    @property
    def n_input(self) -> int:
        """How many values all inputs have."""
        return sum(self.model.tensors[i].size for i in self.model.inputs)

    def parted(self, x: Array) -> list[Array]:
        """N samples of all inputs' values, [N, …] in their order → what `run` and `trace` take."""
        tensors = [self.model.tensors[i] for i in self.model.inputs]
        ends = np.cumsum([t.size for t in tensors])[:-1].tolist()
        parts = np.split(x.reshape(len(x), -1), ends, axis=1)
        return [part.reshape(-1, *t.shape) for part, t in zip(parts, tensors, strict=True)]

    @property
    def stateful(self) -> bool:
        """Whether an invocation depends on those before it, so that the order of the samples matters."""
        return self.model.stateful

    def run(self, *inputs: Array, from_reset: bool = False) -> Array:
        """The first output: [N, sample shape] per input, in its tensor's type → [N, output's sample shape].

        The samples of a stateful model are successive invocations, and every call starts from the reset
        state; `from_reset`: each sample is the first invocation after a reset.
        Raises BadTensor for another shape or type.
        """
        first, last = self.model.inputs[0], self.model.outputs[0]
        runs = self._runs(inputs, self.stateful and not from_reset)
        parts = [self._value(last, values, len(values[first])) for values in runs]
        shape = sample_shape(self.output)
        return (
            np.concatenate(parts).reshape(-1, *shape) if parts else np.zeros((0, *shape), self.output.dtype)
        )

    def trace(self, *inputs: Array, from_reset: bool = False) -> dict[int, Array]:
        """Every tensor that an operator wrote: tensor index → [N, tensor shape]; the samples as in `run`."""
        n, tensors = len(self._checked(inputs)[0]), self.model.tensors
        written = {o: tensors[o] for o in self.model.written}
        traced = {o: np.empty((n, *t.shape), t.dtype) for o, t in written.items()}
        start = 0
        for values in self._runs(inputs, self.stateful and not from_reset):
            stop = start + len(values[self.model.inputs[0]])
            for o, array in traced.items():
                array[start:stop] = values[o]
            start = stop
        return traced

    def _runs(self, inputs: Sequence[Array], successive: bool) -> Iterator[dict[int, Array]]:
        """The values of all tensors, some samples at a time; `successive`: each remembers those before it."""
        arrays, memory = self._checked(inputs), repeated(self._memory, 1)
        step = 1 if successive and self._shares else self._step
        for start in range(0, len(arrays[0]), step):
            some = [a[start : start + step] for a in arrays]
            yield self._run(some, memory if successive else repeated(self._memory, len(some[0])), successive)

    def _run(self, inputs: list[Array], memory: Memory, successive: bool) -> dict[int, Array]:
        """One invocation of each of N runs, or N successive ones of a single run; the memory is updated."""
        values = dict(zip(self.model.inputs, inputs, strict=True))
        for kernel in self.kernels:
            op = kernel.node.op
            read = [self._value(i, values, len(inputs[0])) for i in op.inputs if i >= 0]
            if isinstance(kernel, Remembering):
                written = kernel.scan(read, memory) if successive else kernel.step(read, memory)
            else:
                written = kernel.run(read)
            values.update(zip(op.outputs, written, strict=True))
        return values

    def _value(self, i: int, values: dict[int, Array], n: int) -> Array:
        """A computed tensor, or a constant or an untouched variable repeated n times (a view)."""
        found = values.get(i)
        return self._initial[i][:n] if found is None else found

    def _checked(self, inputs: Sequence[Array]) -> list[Array]:
        tensors = [self.model.tensors[i] for i in self.model.inputs]
        if len(inputs) != len(tensors):
            raise BadTensor(f"the model has {len(tensors)} inputs, {len(inputs)} arrays were given")
        checked = []
        for array, tensor in zip(inputs, tensors, strict=True):
            shape = sample_shape(tensor)
            if not isinstance(array, np.ndarray):
                raise BadTensor(
                    f"input tensor {tensor.index} is a {type(array).__name__}; it must be a NumPy array: "
                    f"numpy.asarray(x, numpy.{np.dtype(tensor.dtype).name}), N samples in its first dimension"
                )
            if array.dtype != np.dtype(tensor.dtype) or array.shape[1:] not in (shape, tensor.shape):
                raise BadTensor(
                    f"input tensor {tensor.index} needs {tensor.dtype} [N, {', '.join(map(str, shape))}], "
                    f"not {array.dtype} {list(array.shape)}"
                )
            checked.append(array.reshape(-1, *tensor.shape))
        if len({len(a) for a in checked}) > 1:
            raise BadTensor("the inputs have different numbers of samples")
        return checked


def _n_values(model: Model) -> int:
    """The number of activations; refuses too many."""
    n = sum(t.size for t in model.tensors if t.data is None)
    if n > MAX_ACTIVATIONS:
        raise UnsupportedModel(model.name, f"{n} activations; at most {MAX_ACTIVATIONS} are run")
    return n


def _prepared(model: Model, table: Profile, may_overflow: bool) -> tuple[Kernel, ...]:
    """All operators of a graph, ready to run."""
    kernels = tuple(prepare(node_of(model, op, table, may_overflow)) for op in model.operators)
    _check_variables(kernels)
    return kernels


def _check_idle_graphs(kernels: Sequence[Kernel], model: Model) -> None:
    """Refuse graphs of operators that nothing calls: TFLM prepares them too, and crashes where one asks for
    scratch memory (MEAN, SVDF, CONV_2D of int4; with other kernels than the reference ones, others).
    """
    called = {called_graph(kernel.node) for kernel in kernels if kernel.node.op.name == "CALL_ONCE"}
    for i in range(1, model.n_subgraphs):
        if i in called:
            continue
        graph = model.subgraph(i)
        if graph.operators:
            raise UnsupportedModel(graph.name, "nothing calls it, and TFLM prepares its operators, too")
        _n_values(graph)


def _check_ends(model: Model) -> None:
    """Refuse inputs and outputs of the whole network that have no values, or that TFLM gives out packed."""
    for what, ends in (("input", model.inputs), ("output", model.outputs)):
        for ordinal, i in enumerate(ends):
            if model.tensors[i].dtype == "resource":
                raise UnsupportedModel(
                    model.name, f"its {what} {ordinal} is the handle of a variable, which has no value"
                )
            if model.tensors[i].dtype == "int4":
                raise UnsupportedModel(model.name, f"its {what} {ordinal} is an int4 constant")


def _check_variables(kernels: Sequence[Kernel]) -> None:
    """Refuse a variable that two operators own, or that another one than its owner reads or writes."""
    owners: dict[int, int] = {}
    written: set[int] = set()
    for kernel in kernels:
        node = kernel.node
        owned = {t.index for t in kernel.variables()} if isinstance(kernel, Remembering) else set()
        variables = {
            i for i in (*node.op.inputs, *node.op.outputs) if i >= 0 and node.model.tensors[i].variable
        }
        foreign = variables - owned - written
        if foreign or not owned.isdisjoint(owners):
            node.refuse(f"the variable {min(foreign or owned)} belongs to another operator, or to none")
        owners.update(dict.fromkeys(owned, node.op.index))
        written |= owned & set(node.op.outputs)
