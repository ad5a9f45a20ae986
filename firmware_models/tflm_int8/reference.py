"""Run a model as TFLM would: every intermediate tensor of every sample, byte for byte.

A `Reference` checks the whole model when it is made (exact or refused) and then runs batches in memory that
does not grow with the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import BadTensor, UnsupportedModel
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

    def __init__(self, model: Model, profile: str = "tflm", *, may_overflow: bool = False) -> None:
        """Check and prepare every operator; `may_overflow`: but for the reach of accumulators.

        Raises UnsupportedOp, UnsupportedModel, MalformedModel, UnknownProfile.
        """
        variants = profile_named(profile)
        self.model, self.profile = model, profile
        n_values = sum(t.size for t in model.tensors if t.data is None)
        if n_values > MAX_ACTIVATIONS:
            raise UnsupportedModel(model.name, f"{n_values} activations; at most {MAX_ACTIVATIONS} are run")
        self.kernels: tuple[Kernel, ...] = tuple(
            prepare(Node(model, op, variants.of(op.name), may_overflow)) for op in model.operators
        )
        self._step = max(1, _BATCH_BYTES // (16 * n_values))

    @property
    def input(self) -> Tensor:
        """The model's first input."""
        return self.model.tensors[self.model.inputs[0]]

    @property
    def output(self) -> Tensor:
        """The model's first output."""
        return self.model.tensors[self.model.outputs[0]]

    def run(self, *inputs: Array) -> Array:
        """The first output: [N, sample shape] per input, in its tensor's type → [N, output's sample shape].

        Raises BadTensor for another shape or type.
        """
        first, last = self.model.inputs[0], self.model.outputs[0]
        parts = [self._value(last, values, len(values[first])) for values in self._runs(inputs)]
        shape = sample_shape(self.output)
        return (
            np.concatenate(parts).reshape(-1, *shape) if parts else np.zeros((0, *shape), self.output.dtype)
        )

    def trace(self, *inputs: Array) -> dict[int, Array]:
        """Every tensor that an operator wrote: tensor index → [N, tensor shape]."""
        written = [o for op in self.model.operators for o in op.outputs]
        parts = list(self._runs(inputs))
        return {
            o: np.concatenate([values[o] for values in parts])
            if parts
            else np.zeros((0, *self.model.tensors[o].shape), self.model.tensors[o].dtype)
            for o in written
        }

    def _runs(self, inputs: Sequence[Array]) -> Iterator[dict[int, Array]]:
        arrays = self._checked(inputs)
        for start in range(0, len(arrays[0]), self._step):
            yield self._run([a[start : start + self._step] for a in arrays])

    def _run(self, inputs: list[Array]) -> dict[int, Array]:
        values = dict(zip(self.model.inputs, inputs, strict=True))
        for kernel in self.kernels:
            op = kernel.node.op
            read = [self._value(i, values, len(inputs[0])) for i in op.inputs if i >= 0]
            values.update(zip(op.outputs, kernel.run(read), strict=True))
        return values

    def _value(self, i: int, values: dict[int, Array], n: int) -> Array:
        """A computed tensor, or a constant repeated n times (a view)."""
        tensor = self.model.tensors[i]
        if tensor.data is None:
            return values[i]
        repeated: Array = np.broadcast_to(tensor.data, (n, *tensor.shape))
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
