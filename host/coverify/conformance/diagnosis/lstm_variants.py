"""What may be wrong in an LSTM: a state lost, gates exchanged, zero points, the clip, the cell's scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, Run
from coverify.conformance.diagnosis.successive import Successive
from tflm_int8 import TflmError
from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.lstm import Dense, Lstm, tanh_of_cell
from tflm_int8.kernels.memory import Memory
from tflm_int8.model import Tensor

_GATES: Final = ("input", "forget", "cell", "output")
_STATES: Final = ("hidden", "cell")


def lstm_variants(whole: Successive, kernel: Lstm) -> Iterator[Candidate]:
    """An LSTM with one thing changed; what may be wrong with any state is not among them."""
    for name, state in zip(_STATES, kernel.variables(), strict=True):
        yield Candidate(
            f"{name}-state-lost",
            f"every invocation begins with the {name} state of a reset, and goes on with the other",
            _starting_anew(whole, state),
        )
    for name, says, changed in (*_layers(kernel), *_cells(kernel), *_orders(kernel)):
        yield Candidate(name, says, partial(_run, replace(whole, kernel=changed)))


def _run(whole: Successive, inputs: list[Array]) -> Array:
    return whole.run(list(inputs))[0]


def _starting_anew(whole: Successive, state: Tensor) -> Run:
    initial = whole.kernel.initial()[state.index]

    def disturb(_: int, memory: Memory) -> None:
        memory[state.index] = initial[None]

    return lambda inputs: whole.walk(inputs, disturb=disturb)[0]


def _layers(kernel: Lstm) -> Iterator[tuple[str, str, Lstm]]:
    """The sums of products before the gates."""
    inputs, recurrent = kernel.inputs, kernel.recurrent
    for first, second in combinations(range(len(_GATES)), 2):
        order = list(range(len(_GATES)))
        order[first], order[second] = second, first
        yield (
            f"gates-exchanged-{_GATES[first]}-{_GATES[second]}",
            f"weights, biases and scales of the {_GATES[first]} and the {_GATES[second]} gate are exchanged",
            replace(kernel, inputs=_ordered(inputs, order), recurrent=_ordered(recurrent, order)),
        )
    if inputs.zero_point:
        yield (
            "input-zero-point-missing",
            "the input's zero point is not subtracted",
            replace(kernel, inputs=replace(inputs, zero_point=0)),
        )
    if recurrent.zero_point:
        yield (
            "hidden-zero-point-missing",
            "the hidden state's zero point is not subtracted where it is weighted",
            replace(kernel, recurrent=replace(recurrent, zero_point=0)),
        )
    yield (
        "hidden-state-not-weighted",
        "the hidden state adds nothing to the gates",
        replace(kernel, recurrent=replace(recurrent, weights=0 * recurrent.weights)),
    )
    if np.any(inputs.bias):
        yield (
            "bias-missing",
            "no bias is added",
            replace(kernel, inputs=replace(inputs, bias=0 * inputs.bias)),
        )


def _ordered(dense: Dense, order: list[int]) -> Dense:
    """The gates in another order."""
    rows = np.arange(len(dense.bias)).reshape(len(_GATES), -1)[order].reshape(-1)
    stage = replace(dense.stage, multiplier=dense.stage.multiplier[rows], shift=dense.stage.shift[rows])
    return replace(dense, weights=dense.weights[rows], bias=dense.bias[rows], stage=stage)


def _cells(kernel: Lstm) -> Iterator[tuple[str, str, Lstm]]:
    """Cell and hidden state after the gates."""
    if kernel.clip:
        yield "clip-missing", "the cell state is not clipped", replace(kernel, clip=0)
    if kernel.output.zero_point:
        yield (
            "output-zero-point-missing",
            "the hidden state's zero point is not added when it is written",
            replace(kernel, output=replace(kernel.output, zero_point=0)),
        )
    scale = kernel.variables()[1].quantization
    for by, word in ((1, "plus"), (-1, "minus")):
        try:
            table = tanh_of_cell(kernel.node, float(scale.scale) * 2.0**by if scale is not None else 0.0)
        except TflmError:
            continue
        says = f"tanh reads the cell state {'twice' if by > 0 else 'half'} as large"
        yield f"cell-shift-{word}-1", says, replace(kernel, cell_tanh=table)
    yield (
        "cell-wraps-int16",
        "the sum of the two products wraps in 16 bits instead of being clamped",
        _Wrapping(**_as_it_is(kernel)),
    )


def _orders(kernel: Lstm) -> Iterator[tuple[str, str, Lstm]]:
    """Time and batch."""
    batch, time = (kernel.node.input(0).shape[i] for i in ((1, 0) if kernel.time_major else (0, 1)))
    if time > 1:
        yield "time-backwards", "the last step of an invocation comes first", _Backwards(**_as_it_is(kernel))
    if batch == time > 1:
        yield (
            "time-and-batch-exchanged",
            "time is read where the batch stands and the batch where time stands",
            replace(kernel, time_major=not kernel.time_major),
        )


def _as_it_is(kernel: Lstm) -> dict[str, Any]:
    return {field.name: getattr(kernel, field.name) for field in fields(Lstm)}


@dataclass(frozen=True)
class _Backwards(Lstm):
    """The steps of an invocation in the other order."""

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        return [self._turned(y) for y in super().step([self._turned(inputs[0]), *inputs[1:]], memory)]

    def scan(self, inputs: list[Array], memory: Memory) -> list[Array]:
        return [self._turned(y) for y in super().scan([self._turned(inputs[0]), *inputs[1:]], memory)]

    def _turned(self, x: Array) -> Array:
        return np.flip(x, 1 if self.time_major else 2)


@dataclass(frozen=True)
class _Wrapping(Lstm):
    """The cell state is not clamped."""

    def _summed(self, kept: I64Array, added: I64Array) -> I64Array:
        return (kept + added + (1 << 15)) % (1 << 16) - (1 << 15)
