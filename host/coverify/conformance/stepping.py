"""Run a network on a device operator by operator and take every tensor home, or a digest of every tensor.

A device may lie: the counts, tensor indices and sizes that it names are held against the model before a byte
is believed, and the digest that it reports against the file's. A network that keeps state is run from the
reset state, or `before` names the invocation that it continues (StateLost: the device has run another since).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.batch import Array, Batch, Sample, data_of, sample_of
from coverify.conformance.batch import Given as GivenSamples
from coverify.errors import BadAnswer, DeviceReset
from coverify.link.checks import Checked, CheckInput, Given, GoOn, SentInput, fits, groups, inputs_digest
from coverify.link.client import Client, Progress
from coverify.link.requests import Features
from tflm_int8 import Model

MAX_RESETS = 3
"""How often a device may restart while it is loaded."""
Tensors = Mapping[int, NDArray[Any]]
"""Tensor index → values in the tensor's shape and type."""


@dataclass(frozen=True)
class Digests:
    """One sample on the device: a digest per tensor, cycles per operator (0: not counted)."""

    tensors: Mapping[int, bytes]
    cycles: tuple[int, ...]


def successive(x: GivenSamples) -> Iterator[tuple[Sample, bytes | None]]:
    """Each of successive samples, and the inputs digest of the invocation that it follows (None: a reset)."""
    before: bytes | None = None
    for one in Batch.of(x):
        yield one, before
        before = inputs_digest(data_of(one), before)


class Runner(Protocol):
    """What a comparison needs of a device; `tensors` are those that it can show, None for all."""

    tensors: tuple[int, ...] | None

    def trace(self, x: Sample | Array) -> Tensors:
        """One sample → its tensors."""

    def run(self, x: Sample | Array, *, head: int = 0) -> NDArray[Any]:
        """One sample → the first output, or that output."""

    def resume(self) -> None:
        """Begin again after DeviceReset."""


class Stepper:
    """A device with one model loaded."""

    def __init__(self, client: Client, model: Model, progress: Progress | None = None) -> None:
        """Upload the model unless the device has it, and check what the device says of it.

        Raises LinkError, DeviceFault, DeviceRefused (an operator that the device lacks, …).
        """
        self.client, self.model = client, model
        self.tensors: tuple[int, ...] | None = None
        self._load(progress)

    def resume(self) -> None:
        """Begin again after DeviceReset: the device has lost its model.  Raises what the link raises."""
        for _ in range(MAX_RESETS):
            try:
                self.client.hello()
                return self._load(None)
            except DeviceReset:
                continue
        self.client.hello()
        self._load(None)

    def _load(self, progress: Progress | None) -> None:
        client, model = self.client, self.model
        self.plan = client.ensure_model(model.content, progress)
        hello = client.hello()
        self.max_payload = hello.max_payload
        self._checks = Features.CHECK in hello.features
        if hello.model_sha256.hex() != model.sha256:
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

    @property
    def has_digests(self) -> bool:
        """Can the device answer with digests, and do those of every operator fit into an answer?"""
        return self._checks and all(fits(len(op.outputs), self.max_payload) for op in self.model.operators)

    def digests(
        self, given: Iterable[tuple[Given, Sample | Array]], *, successive: bool = False
    ) -> Iterator[Digests]:
        """For each sample (as it is given, and its values) the digests of every tensor.

        Several are under way at once, so they must not be SentInput: `digests_of` is for those. successive:
        the first one from the reset state, each other one after the one before it.
        """
        runs = groups([len(op.outputs) for op in self.model.operators], self.max_payload)
        waiting: deque[bytes] = deque()  # digests of the inputs whose answers are to come

        def asked() -> Iterator[tuple[CheckInput, int, tuple[int, ...]]]:
            before: bytes | None = None
            for one, x in given:
                waiting.append(inputs_digest(data_of(sample_of(x)), before))
                yield from self._parts(replace(one, before=before), runs)
                before = waiting[-1] if successive else None

        answers = self.client.check(asked())
        for first in answers:
            rest = [next(answers) for _ in runs[1:]]
            yield self._digests([first, *rest], waiting.popleft())

    def _parts(
        self, one: Given, runs: list[tuple[int, tuple[int, ...]]]
    ) -> Iterator[tuple[CheckInput, int, tuple[int, ...]]]:
        """The CHECKs of one invocation: each runs it anew, but where there is state the others go on."""
        for first, n in runs:
            yield GoOn() if first > 0 and self.model.stateful else one, first, n

    def digests_of(self, x: Sample | Array, before: bytes | None = None) -> Digests:
        """The digests of every tensor for a sample that has to be sent by itself."""
        runs = groups([len(op.outputs) for op in self.model.operators], self.max_payload)
        answers: list[Checked] = []
        for part in self._parts(SentInput(before), runs):
            if isinstance(part[0], SentInput):
                self._send(x)
            answers += self.client.check([part])
        return self._digests(answers, inputs_digest(data_of(sample_of(x)), before))

    def _send(self, x: Sample | Array) -> None:
        """All bytes of all inputs."""
        for ordinal, data in enumerate(data_of(sample_of(x))):
            self.client.set_input(ordinal, data)

    def _digests(self, answers: list[Checked], inputs: bytes) -> Digests:
        tensors: dict[int, bytes] = {}
        values = frozenset(self.model.written)
        for answer in answers:
            self._require(answer, inputs)
            for op, digests in zip(self.model.operators[answer.first :], answer.digests, strict=False):
                pairs = zip(op.outputs, digests, strict=True)
                tensors.update((o, digest) for o, digest in pairs if o in values)
        return Digests(tensors, tuple(c for answer in answers for c in answer.cycles))

    def _require(self, answer: Checked, inputs: bytes) -> None:
        if answer.inputs != inputs:
            raise BadAnswer("the device ran on another input than the one that it was given")

    def trace_from(self, op: int, given: Given, x: Sample | Array) -> Tensors:
        """One sample: every tensor that operator `op` and those after it write."""
        if isinstance(given, SentInput):
            self._send(x)
        (answer,) = self.client.check([(given, op, (len(self.model.operators[op].outputs),))])
        self._require(answer, inputs_digest(data_of(sample_of(x))))
        return self._steps(op)

    def trace(self, x: Sample | Array, before: bytes | None = None) -> Tensors:
        """One sample, each input of its type and size → every tensor that an operator wrote, in its shape."""
        self._send(x)
        self.client.invoke(stepped=True, before=before)
        return self._steps(0)

    def traces(self, x: GivenSamples) -> Iterator[Tensors]:
        """As `trace`, of successive invocations on N samples, the first one after a reset."""
        for one, before in successive(x):
            yield self.trace(one, before)

    def _steps(self, first: int) -> Tensors:
        """What operators from `first` on write; it may be the one that was just run."""
        tensors: dict[int, NDArray[Any]] = {}
        for op in self.model.operators[first:]:
            run = self.client.step(op.index)
            if tuple(o.tensor for o in run.outputs) != op.outputs:
                raise BadAnswer(f"operator {op.index} wrote tensors {[o.tensor for o in run.outputs]}")
            for output in run.outputs:
                if self.model.tensors[output.tensor].dtype == "resource":
                    continue  # the handle of a variable, which has no value
                tensors[output.tensor] = self._array(output.tensor, output.data)
        return tensors

    def runs(self, x: GivenSamples) -> Iterator[NDArray[Any]]:
        """As `run`, of successive invocations on N samples, the first one after a reset."""
        for one, before in successive(x):
            yield self.run(one, before)

    def outputs(self, x: GivenSamples) -> Iterator[Tensors]:
        """All outputs of successive invocations on N samples, the first one after a reset; each at once."""
        for one, before in successive(x):
            self._send(one)
            self.client.invoke(before=before)
            yield {output.tensor: self._array(output.tensor, output.data) for output in self.client.outputs()}

    def run(self, x: Sample | Array, before: bytes | None = None, *, head: int = 0) -> NDArray[Any]:
        """One sample through the whole network at once → the first output, or that one, in its shape."""
        self._send(x)
        self.client.invoke(before=before)
        output = self.model.outputs[head]
        tensor = self.model.tensors[output]
        return self._array(output, self.client.read(output, tensor.n_bytes))

    def _array(self, index: int, data: bytes) -> NDArray[Any]:
        tensor = self.model.tensors[index]
        dtype = np.dtype(tensor.dtype).newbyteorder("<")
        if len(data) != tensor.size * dtype.itemsize:
            raise BadAnswer(f"tensor {index} came with {len(data)} bytes")
        return np.frombuffer(data, dtype).reshape(tensor.shape)
