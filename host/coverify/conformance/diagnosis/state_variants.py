"""What may be wrong with the state of an operator: its reset, its order, its update, its place in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array, Run
from coverify.conformance.diagnosis.lstm_variants import lstm_variants
from coverify.conformance.diagnosis.successive import Successive
from tflm_int8 import TflmError
from tflm_int8.fixedpoint import Rounding
from tflm_int8.kernels.circular_buffer import CircularBuffer
from tflm_int8.kernels.lstm import Lstm
from tflm_int8.kernels.memory import Memory, Remembering
from tflm_int8.kernels.requantize import to_output
from tflm_int8.kernels.svdf import Svdf
from tflm_int8.program.primitives import Requantize

_SVDF_ACTIVATION = 1
_SVDF_OPTIONS = 6


def state_variants(whole: Successive, tensors: Mapping[int, Array], output: int = 0) -> Iterator[Candidate]:
    """Variants of an operator that keeps state, of one of its outputs.

    tensors: [N, shape], what the device had in each tensor.
    """
    yield from _any(whole, output)
    match whole.kernel:
        case Svdf():
            yield from _svdf(whole, whole.kernel)
        case Lstm():
            yield from lstm_variants(whole, whole.kernel)
        case CircularBuffer():
            yield _changed(
                whole,
                "state-shifted-backwards",
                "the newest input stands at the front, the oldest at the end",
                _Flipped(whole.node),
            )
    yield from _overwritten(whole, tensors, output)


def _any(whole: Successive, output: int) -> Iterator[Candidate]:
    yield Candidate(
        "state-not-reset",
        "a sequence goes on from the state that the one before it has left (the first one is not judged)",
        lambda inputs: whole.walk(inputs, resets=False)[output],
        skips=whole.length,
    )
    yield Candidate(
        "state-lost",
        "every invocation starts from the reset state",
        lambda inputs: whole.kernel.run(list(inputs))[output],
    )
    yield Candidate(
        "state-updated-twice",
        "an invocation takes its input into the state twice",
        lambda inputs: whole.walk(inputs, steps=2)[output],
    )
    zeros = {key: np.zeros_like(value) for key, value in whole.kernel.initial().items()}
    if any(np.any(value) for value in whole.kernel.initial().values()):
        yield Candidate(
            "state-starts-at-code-0",
            "a reset writes zero bytes, not the zero point",
            lambda inputs: whole.walk(inputs, initial=zeros)[output],
        )


def _overwritten(whole: Successive, tensors: Mapping[int, Array], output: int) -> Iterator[Candidate]:
    """The state shares memory with a tensor, whose bytes stand at its beginning when the operator runs.

    A tensor that is written before the operator leaves those of this invocation, else of the one before.
    """
    model, at = whole.node.model, whole.node.op.index
    writer = {o: op.index for op in model.operators for o in op.outputs}
    own = (*whole.node.op.inputs, *whole.node.op.outputs)
    for state in whole.kernel.variables():
        for tensor, values in tensors.items():
            if tensor in own or writer.get(tensor) == at:
                continue
            late = writer.get(tensor, -1) > at
            yield Candidate(
                f"state-overwritten-by-tensor-{tensor}",
                f"the state's memory is also that of tensor {tensor}",
                partial(_overwriting, whole, output, state.index, values, late),
            )


def _overwriting(
    whole: Successive, output: int, state: int, values: Array, late: bool, inputs: Sequence[Array]
) -> Array:
    def disturb(i: int, memory: Memory) -> None:
        if late and i % whole.length == 0:
            return  # the reset came after it
        raw = np.array(memory[state])
        written = np.frombuffer(values[i - late].tobytes(), np.uint8)
        flat = raw.reshape(-1).view(np.uint8)
        n = min(len(flat), len(written))
        flat[:n] = written[:n]
        memory[state] = raw

    return whole.walk(inputs, disturb=disturb)[output]


def _changed(whole: Successive, name: str, says: str, kernel: Remembering) -> Candidate:
    return Candidate(name, says, _first(replace(whole, kernel=kernel)))


def _first(whole: Successive) -> Run:
    return lambda inputs: whole.run(list(inputs))[0]


@dataclass(frozen=True)
class _Flipped(CircularBuffer):
    """The slots in the other order."""

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        return [values[:, :, ::-1] for values in super().step(inputs, memory)]


@dataclass(frozen=True)
class _ReadRaw(Svdf):
    """The state's zero point is not subtracted."""

    def _total(self, state: I64Array) -> I64Array:
        return super()._total(state + self.state_zero_point)


@dataclass(frozen=True)
class _Late(Svdf):
    """The output is that of the state before the newest features came."""

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        old = memory[self.node.input(4).index].astype(np.int64)
        rows = old.reshape(len(inputs[0]), -1, *self.times.shape)
        outputs = [to_output(self.node, self._total(rows), self.output_stage)]
        super().step(inputs, memory)
        return outputs

    def scan(self, inputs: list[Array], memory: Memory) -> list[Array]:
        return Remembering.scan(self, inputs, memory)


def _svdf(whole: Successive, kernel: Svdf) -> Iterator[Candidate]:
    """An SVDF with one thing changed."""
    as_it_is = {f: getattr(kernel, f) for f in _SVDF_FIELDS}
    n_filters, rank = len(kernel.features), kernel.rank
    order = np.arange(n_filters).reshape(rank, -1).T.reshape(-1)
    can_be: list[tuple[str, str, Svdf]] = [
        (
            "state-shifted-backwards",
            "the newest feature stands at the front of its row, the oldest at the end",
            replace(kernel, times=kernel.times[:, ::-1]),
        ),
        ("state-updated-late", "the output is that of the state before this input", _Late(**as_it_is)),
        (
            "state-zero-point-missing",
            "the state's zero point is not subtracted where it is weighted",
            _ReadRaw(**as_it_is),
        ),
        ("bias-missing", "no bias is added", replace(kernel, bias=0 * kernel.bias)),
        (
            "input-zero-point-missing",
            "the input's zero point is not subtracted",
            replace(kernel, input_zero_point=0),
        ),
        (
            "filters-interleaved",
            "filter f belongs to unit f modulo the units, not to unit f / rank",
            replace(kernel, features=kernel.features[order], times=kernel.times[order]),
        ),
    ]
    for stage, words in (("feature_stage", "features"), ("output_stage", "output")):
        single = replace(getattr(kernel, stage), rounding=Rounding.SINGLE)
        can_be.append(
            (
                f"{words}-single-rounding",
                f"the {words}: one rounding, ties up, instead of two",
                replace(kernel, **{stage: single}),
            )
        )
    same = {
        "state-shifted-backwards": kernel.reach == 1,
        "state-zero-point-missing": kernel.state_zero_point == 0,
        "bias-missing": not np.any(kernel.bias),
        "input-zero-point-missing": kernel.input_zero_point == 0,
        "filters-interleaved": kernel.rank == 1 or kernel.rank == len(kernel.features),
    }
    for name, says, changed in (*can_be, *_activated(kernel)):
        if not same.get(name, False):
            yield _changed(whole, name, says, changed)


_SVDF_FIELDS = tuple(field.name for field in fields(Svdf))


def _activated(kernel: Svdf) -> Iterator[tuple[str, str, Svdf]]:
    """TFLM's integer kernel ignores the activation."""
    try:
        lo, hi = kernel.node.activation_range(kernel.node.option(_SVDF_OPTIONS, _SVDF_ACTIVATION, "<b"))
    except TflmError:
        return
    stage: Requantize = replace(kernel.output_stage, lo=lo, hi=hi)
    if (lo, hi) != (kernel.output_stage.lo, kernel.output_stage.hi):
        limited = replace(kernel, output_stage=stage)
        yield "activation-applied", "the output is limited by the activation", limited
