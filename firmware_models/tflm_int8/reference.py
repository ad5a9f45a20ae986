"""Run a model as TFLM would: every intermediate tensor of every sample, byte for byte.

A `Reference` checks the whole model when it is made (exact or refused) and then runs batches in memory that
does not grow with the batch. Where a model keeps state between invocations (`stateful`), the samples of a
batch are successive invocations, the first one after a reset; `from_reset` runs each after its own reset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import BadTensor, UnsupportedModel
from tflm_int8.kernels.memory import Memory, Remembering, fresh
from tflm_int8.model import Model, Tensor
from tflm_int8.node import Node
from tflm_int8.operators import Kernel, prepare
from tflm_int8.profiles import profile_named

Array = NDArray[Any]

MAX_ACTIVATIONS: Final = 1 << 27
_BATCH_BYTES: Final = 64 << 20


def sample_shape(tensor: Tensor) -> tuple[int, ...]:
    """A tensor's shape without its batch dimension of 1."""
    return tensor.shape[1:] if tensor.shape and tensor.shape[0] == 1 else tensor.shape


class Reference:
    """The exact model of a network under a kernel profile."""

    def __init__(self, model: Model, profile: str = "tflm") -> None:
        """Check and prepare every operator.

        Raises UnsupportedOp, UnsupportedModel, MalformedModel, UnknownProfile.
        """
        variants = profile_named(profile)
        self.model, self.profile = model, profile
        n_values = sum(t.size for t in model.tensors if t.data is None)
        if n_values > MAX_ACTIVATIONS:
            raise UnsupportedModel(model.name, f"{n_values} activations; at most {MAX_ACTIVATIONS} are run")
        self.kernels: tuple[Kernel, ...] = tuple(
            prepare(Node(model, op, variants.of(op.name))) for op in model.operators
        )
        _check_variables(self.kernels)
        self._step = max(1, _BATCH_BYTES // (16 * n_values))

    @property
    def input(self) -> Tensor:
        """The model's first input."""
        return self.model.tensors[self.model.inputs[0]]

    @property
    def output(self) -> Tensor:
        """The model's first output."""
        return self.model.tensors[self.model.outputs[0]]

    @property
    def stateful(self) -> bool:
        """Whether an invocation depends on those before it, so that the order of the samples matters."""
        return self.model.stateful

    def run(self, *inputs: Array) -> Array:
        """The first output: [N, sample shape] per input, in its tensor's type → [N, output's sample shape].

        The samples of a stateful model are successive invocations; every call starts from the reset state.
        Raises BadTensor for another shape or type.
        """
        return self._first_output(self._runs(inputs, self.stateful))

    def from_reset(self, *inputs: Array) -> Array:
        """As `run`, but every sample is the first invocation after a reset, in every model."""
        return self._first_output(self._runs(inputs, False))

    def _first_output(self, runs: Iterator[dict[int, Array]]) -> Array:
        first, last = self.model.inputs[0], self.model.outputs[0]
        parts = [self._value(last, values, len(values[first])) for values in runs]
        shape = sample_shape(self.output)
        return (
            np.concatenate(parts).reshape(-1, *shape) if parts else np.zeros((0, *shape), self.output.dtype)
        )

    def trace(self, *inputs: Array) -> dict[int, Array]:
        """Every tensor that an operator wrote: tensor index → [N, tensor shape]; the samples as in `run`."""
        written = [o for op in self.model.operators for o in op.outputs]
        parts = list(self._runs(inputs, self.stateful))
        return {
            o: np.concatenate([values[o] for values in parts])
            if parts
            else np.zeros((0, *self.model.tensors[o].shape), self.model.tensors[o].dtype)
            for o in written
        }

    def _runs(self, inputs: Sequence[Array], successive: bool) -> Iterator[dict[int, Array]]:
        """The values of all tensors, some samples at a time; `successive`: each remembers those before it."""
        arrays = self._checked(inputs)
        step = 1 if successive else self._step
        memory = self._fresh(1)
        for start in range(0, len(arrays[0]), step):
            some = [a[start : start + step] for a in arrays]
            yield self._run(some, memory if successive else self._fresh(len(some[0])))

    def _fresh(self, n: int) -> Memory:
        return fresh((t for t in self.model.tensors if t.variable), n)

    def _run(self, inputs: list[Array], memory: Memory) -> dict[int, Array]:
        """One invocation of as many independent runs as there are samples; their memory is updated."""
        values = dict(zip(self.model.inputs, inputs, strict=True))
        for kernel in self.kernels:
            op = kernel.node.op
            read = [self._value(i, values, len(inputs[0])) for i in op.inputs if i >= 0]
            written = kernel.step(read, memory) if isinstance(kernel, Remembering) else kernel.run(read)
            values.update(zip(op.outputs, written, strict=True))
        return values

    def _value(self, i: int, values: dict[int, Array], n: int) -> Array:
        """A computed tensor, or a constant or an untouched variable repeated n times (a view)."""
        if i in values:
            return values[i]
        tensor = self.model.tensors[i]
        initial = tensor.initial
        assert initial is not None, "the model is read in order"
        repeated: Array = np.broadcast_to(initial, (n, *tensor.shape))
        return repeated

    def _checked(self, inputs: Sequence[Array]) -> list[Array]:
        tensors = [self.model.tensors[i] for i in self.model.inputs]
        if len(inputs) != len(tensors):
            raise BadTensor(f"the model has {len(tensors)} inputs, {len(inputs)} arrays were given")
        checked = []
        for array, tensor in zip(inputs, tensors, strict=True):
            shape = sample_shape(tensor)
            if array.dtype != np.dtype(tensor.dtype) or array.shape[1:] not in (shape, tensor.shape):
                raise BadTensor(
                    f"input tensor {tensor.index} needs {tensor.dtype} [N, {', '.join(map(str, shape))}], "
                    f"not {array.dtype} {list(array.shape)}"
                )
            checked.append(array.reshape(-1, *tensor.shape))
        if len({len(a) for a in checked}) > 1:
            raise BadTensor("the inputs have different numbers of samples")
        return checked


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
