"""Run a network on a device operator by operator and take every tensor home.

A device may lie: the counts, tensor indices and sizes that it names are held against the model before a byte
is believed, and the digest that it reports against the file's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.errors import BadAnswer
from coverify.link.client import Client, Progress
from tflm_int8 import Model, UnsupportedModel

Tensors = Mapping[int, NDArray[Any]]
"""Tensor index → values in the tensor's shape and type."""


class Stepper:
    """A device with one model loaded."""

    def __init__(self, client: Client, model: Model, progress: Progress | None = None) -> None:
        """Upload the model unless the device has it, and check what the device says of it.

        A stateful model is refused: a device that repeats an invocation would go on from another state.
        Raises UnsupportedModel, LinkError, DeviceFault, DeviceRefused (an operator that the device lacks, …).
        """
        if model.stateful:
            raise UnsupportedModel(model.name, "it keeps state between invocations: not run on a device")
        self.client, self.model = client, model
        self.plan = client.ensure_model(model.content, progress)
        if client.hello().model_sha256.hex() != model.sha256:
            raise BadAnswer("the device reports another model's digest than the one that it was given")
        self.plan = client.ensure_model(model.content)
        self._check_plan()

    def _check_plan(self) -> None:
        said = (
            self.plan.n_operators,
            [(t.index, t.n_bytes) for t in self.plan.inputs],
            [(t.index, t.n_bytes) for t in self.plan.outputs],
        )
        size = {t.index: t.n_bytes for t in self.model.tensors}
        ours = (
            len(self.model.operators),
            [(i, size[i]) for i in self.model.inputs],
            [(o, size[o]) for o in self.model.outputs],
        )
        if said != ours:
            raise BadAnswer(f"the device understands the model as {said}, it is {ours}")

    def trace(self, x: NDArray[np.int8]) -> Tensors:
        """One sample, int8 of the input's size → every tensor that an operator wrote, in its shape."""
        self.client.set_input(0, x.tobytes())
        self.client.invoke(stepped=True)
        tensors: dict[int, NDArray[Any]] = {}
        for op in self.model.operators:
            run = self.client.step(op.index)
            if tuple(o.tensor for o in run.outputs) != op.outputs:
                raise BadAnswer(f"operator {op.index} wrote tensors {[o.tensor for o in run.outputs]}")
            for output in run.outputs:
                tensors[output.tensor] = self._array(output.tensor, output.data)
        return tensors

    def run(self, x: NDArray[np.int8]) -> NDArray[Any]:
        """One sample through the whole network at once → the first output, in its shape."""
        self.client.set_input(0, x.tobytes())
        self.client.invoke()
        output = self.model.outputs[0]
        tensor = self.model.tensors[output]
        return self._array(output, self.client.read(output, tensor.n_bytes))

    def _array(self, index: int, data: bytes) -> NDArray[Any]:
        tensor = self.model.tensors[index]
        dtype = np.dtype(tensor.dtype).newbyteorder("<")
        if len(data) != tensor.size * dtype.itemsize:
            raise BadAnswer(f"tensor {index} came with {len(data)} bytes")
        return np.frombuffer(data, dtype).reshape(tensor.shape)
