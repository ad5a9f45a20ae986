"""Cut a failing model down to the smallest one that still fails.

First to the one operator that fails, fed with what the reference computed for it on the one failing sample;
then smaller dimensions, plainer inputs and constants. Every candidate is judged by the same interpreter and
kept only when it fails in the same kind; so a shrunk case is a failure on its own, whatever it came from.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fuzz.interpreter import Interpreter
from fuzz.judge import Failure, judge
from model_builder import Builder
from tflm_int8 import Model, Reference

MAX_TRIALS = 600
MAX_SECONDS = 15.0


@dataclass
class Specimen:
    """A model as a builder, its output, and the inputs [N, whole shape] under which it fails."""

    builder: Builder
    output: int
    inputs: list[np.ndarray]

    @property
    def content(self) -> bytes:
        """The .tflite file."""
        return self.builder.finish(self.output)


class Shrinker:
    """Candidates against one interpreter, at most MAX_TRIALS of them."""

    def __init__(self, tflm: Interpreter, specimen: Specimen, failure: Failure) -> None:
        self._tflm, self.specimen, self.failure = tflm, specimen, failure
        self._trials, self._end_s = 0, time.monotonic() + MAX_SECONDS

    def shrink(self) -> Specimen:
        """The smallest specimen found."""
        self._one_sample()
        self._one_operator()
        while self._trials < MAX_TRIALS and self._sizes():
            pass
        self._values()
        return self.specimen

    def _try(self, candidate: Specimen) -> bool:
        """Take a candidate that fails in the same kind."""
        self._trials += 1
        if self._trials > MAX_TRIALS or time.monotonic() > self._end_s:
            return False
        try:
            content = candidate.content
        except (ValueError, IndexError):
            return False
        failure = judge(content, candidate.inputs, self._tflm).failure
        if failure is None or failure.kind != self.failure.kind:
            return False
        self.specimen, self.failure = candidate, failure
        return True

    def _one_sample(self) -> None:
        n = len(self.specimen.inputs[0])
        for i in sorted(range(n), key=lambda i: i != self.failure.sample):
            one = [x[i : i + 1] for x in self.specimen.inputs]
            if self._try(Specimen(self.specimen.builder, self.specimen.output, one)):
                return

    def _one_operator(self) -> None:
        """Each operator by itself, the failing one first; then what can be dropped from the end."""
        b = self.specimen.builder
        known = _known(self.specimen)
        for i in sorted(range(len(b.ops)), key=lambda i: i != self.failure.op):
            reads = [t for t in b.ops[i].inputs if t >= 0 and b.tensors[t].data is None]
            if all(t in known for t in reads) and self._try(extract(b, i, known)):
                return
        for n in range(1, len(b.ops)):
            shorter = copy.deepcopy(b)
            del shorter.ops[n:]
            if self._try(_pruned(shorter, shorter.ops[-1].outputs[0], self.specimen.inputs)):
                return

    def _sizes(self) -> bool:
        candidates = itertools.islice(_smaller(self.specimen), MAX_TRIALS + 1 - self._trials)
        return any(self._try(candidate) for candidate in candidates)

    def _values(self) -> None:
        """Inputs and constants at zero point or 1, whole and then half by half."""
        places: list[tuple[bool, int]] = [(True, i) for i in range(len(self.specimen.inputs))]
        places += [(False, t) for t, s in enumerate(self.specimen.builder.tensors) if _plain(s)]
        for is_input, i in places:
            for part in (1, 2, 4, 8):
                for k in range(part):
                    self._try(_zeroed(self.specimen, is_input, i, k, part))


def _known(specimen: Specimen) -> dict[int, np.ndarray]:
    """What the reference computes, up to the operator at which it raises: tensor → [N, whole shape]."""
    b = copy.copy(specimen.builder)
    known = dict(zip(b.inputs, specimen.inputs, strict=True))
    for n in range(1, len(specimen.builder.ops) + 1):
        b.ops = specimen.builder.ops[:n]
        try:
            reference = Reference(Model.from_bytes(b.finish(b.ops[-1].outputs[0])))
            known |= reference.trace(*specimen.inputs)
        except Exception:  # what is raised may be the failure that is shrunk
            break
    return known


def extract(b: Builder, index: int, known: dict[int, np.ndarray]) -> Specimen:
    """Operator `index` alone; the computed tensors that it reads become the model's inputs."""
    small, op, numbers = Builder(), copy.deepcopy(b.ops[index]), {-1: -1}
    inputs = []
    for t in [*op.inputs, *op.outputs]:
        if t not in numbers:
            small.tensors.append(copy.deepcopy(b.tensors[t]))
            numbers[t] = len(small.tensors) - 1
            if t not in op.outputs and b.tensors[t].data is None:
                small.inputs.append(numbers[t])
                inputs.append(known[t])
    op.inputs, op.outputs = [numbers[t] for t in op.inputs], [numbers[t] for t in op.outputs]
    small.ops.append(op)
    return Specimen(small, op.outputs[0], inputs)


def _pruned(b: Builder, output: int, inputs: list[np.ndarray]) -> Specimen:
    """Without the operators that the output does not need."""
    needed, kept = {output}, []
    for op in reversed(b.ops):
        if needed & set(op.outputs):
            kept.append(op)
            needed |= set(op.inputs)
    b.ops = kept[::-1]
    return Specimen(b, output, inputs)


def _smaller(specimen: Specimen) -> Iterator[Specimen]:
    """Each dimension that has a size > 1 made smaller: alone, with its namesakes, with an output's."""
    b = specimen.builder
    places = [(t, a) for t, s in enumerate(b.tensors) if _shaped(b, t) for a in range(len(s.shape))]
    sizes = sorted({b.tensors[t].shape[a] for t, a in places} - {0, 1}, reverse=True)
    for size in sizes:
        same = [(t, a) for t, a in places if b.tensors[t].shape[a] == size]
        for new in sorted({1, size // 2, size - 1} - {0}):
            for n in range(min(len(same), 5), 0, -1):
                for chosen in itertools.islice(itertools.combinations(same, n), 30):
                    for tail in (False, True):
                        yield resized(specimen, dict.fromkeys(chosen, new), tail)
    outputs = {t for op in b.ops for t in op.outputs}
    for (t, a), (u, c) in itertools.product(places, places):
        if t not in outputs and u in outputs and b.tensors[t].shape[a] > 1:
            for new in range(1, b.tensors[u].shape[c]):
                yield resized(specimen, {(t, a): b.tensors[t].shape[a] - 1, (u, c): new})


def _shaped(b: Builder, t: int) -> bool:
    spec = b.tensors[t]
    return spec.data is None or bool(spec.scales) or spec.dtype in ("bool", "float32")


def resized(specimen: Specimen, sizes: dict[tuple[int, int], int], tail: bool = False) -> Specimen:
    """Some dimensions (tensor, axis) cut at their end, or start; values, scales, shape operands follow."""
    b, inputs = copy.deepcopy(specimen.builder), list(specimen.inputs)
    for (t, axis), new in sizes.items():
        spec, old = b.tensors[t], b.tensors[t].shape
        spec.shape = (*old[:axis], new, *old[axis + 1 :])
        kept = slice(old[axis] - new, None) if tail else slice(0, new)
        if spec.data is not None:
            spec.data = spec.data[(slice(None),) * axis + (kept,)]
        if len(spec.scales) > 1 and spec.axis == axis:
            spec.scales, spec.zero_points = spec.scales[kept], spec.zero_points[kept]
        if t in b.inputs:
            i = b.inputs.index(t)
            inputs[i] = inputs[i][(slice(None),) * (axis + 1) + (kept,)]
        for operand in b.tensors:  # RESHAPE, TRANSPOSE_CONV and others carry the shape as data
            if (
                operand.data is not None
                and tuple(operand.data.reshape(-1)) == tuple(old)
                and not operand.scales
            ):
                operand.data = np.array(spec.shape, operand.dtype).reshape(operand.shape)
    return Specimen(b, specimen.output, inputs)


def _plain(spec) -> bool:
    return spec.data is not None and bool(spec.scales)


def _zeroed(specimen: Specimen, is_input: bool, i: int, k: int, part: int) -> Specimen:
    """The k-th of `part` stretches of an input or a constant set to its zero point."""
    b, inputs = copy.deepcopy(specimen.builder), list(specimen.inputs)
    spec = b.tensors[b.inputs[i] if is_input else i]
    values = (inputs[i] if is_input else spec.data).copy()
    point = spec.zero_points[0] if spec.zero_points else 0
    flat = values.reshape(-1)
    flat[k * len(flat) // part : (k + 1) * len(flat) // part] = point
    if is_input:
        inputs[i] = values
    else:
        spec.data = values
    return Specimen(b, specimen.output, inputs)
