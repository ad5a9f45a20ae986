"""Which operators are wrong on their own inputs, where, and which variants give exactly the device's bytes?

An operator is judged on the inputs that the *device* gave it: the reference's kernel runs on them, so that an
operator behind a wrong one is not blamed for it; one that keeps state, on those of the whole sequence since a
reset. A variant explains an operator only if it gives the device's byte for every element of every sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from coverify.conformance.batch import Batch, Given
from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array
from coverify.conformance.diagnosis.candidates import candidates
from coverify.conformance.diagnosis.errors import along_axes, histogram, left_over, patterns, unwritten
from coverify.conformance.diagnosis.recalled import Recalled, recalled
from coverify.conformance.diagnosis.steps import steps
from coverify.conformance.diagnosis.successive import Successive
from coverify.report import Diagnosis, ErrorMap, Explanation
from coverify.report.rows import MAX_PICTURE
from tflm_int8 import Model, Reference, TflmError
from tflm_int8.kernels.memory import Remembering
from tflm_int8.kernels.resource_variables import Variable
from tflm_int8.operators import Kernel

MAX_NEAREST = 3
MAX_OPERATORS = 8
_JUDGED = ("bool", "int8", "int16", "int32", "uint8", "uint32", "uint64")


@dataclass(frozen=True, eq=False)
class Local:
    """One operator on the device's own inputs: what it should have written and what it wrote, [N, shape].

    output: which of its outputs that is; tensors: what the device had in every tensor, [N, shape].
    """

    kernel: Kernel
    inputs: tuple[Array, ...]
    expected: I64Array
    got: I64Array
    output: int = 0
    tensors: Mapping[int, Array] = field(default_factory=dict)

    @property
    def differs(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """[N, output shape]"""
        unequal: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = self.expected != self.got
        return unequal


def inputs_of(kernel: Kernel, known: Mapping[int, Array], n: int) -> list[Array]:
    """An operator's inputs, [n, shape] each: what is known of a tensor, else what the file has."""
    found = []
    for i in (i for i in kernel.node.op.inputs if i >= 0):
        tensor = kernel.node.model.tensors[i]
        if tensor.dtype == "resource":  # the handle of a variable has no value
            found.append(np.zeros((n, *tensor.shape), np.int8))
        elif i in known or tensor.initial is None:
            found.append(known[i])
        else:
            found.append(np.broadcast_to(tensor.initial, (n, *tensor.shape)))
    return found


def inputs_by_tensor(model: Model, x: Batch) -> dict[int, Array]:
    """The values of the model's inputs, [N, shape] each."""
    pairs = zip(model.inputs, x.arrays, strict=True)
    return {i: values.reshape(-1, *model.tensors[i].shape) for i, values in pairs}


def wrong_operators(
    reference: Reference, x: Given, traces: Sequence[Mapping[int, Array]], length: int | None = None
) -> Iterator[Local]:
    """Every operator with an output of integers that differs on its own inputs, in order: the first one.

    x: N samples; traces: per sample, what the device wrote; length: where the network keeps
    state, of the sequences from a reset on that the samples are (None: each is the first after a reset).
    """
    model = reference.model
    written = {t: np.stack([trace[t] for trace in traces]) for t in traces[0]}
    known = {**inputs_by_tensor(model, Batch.of(x)), **written}
    for one in reference.kernels:
        kernel = _over_samples(one, known, len(x), length or 1)
        inputs = inputs_of(kernel, known, len(x))
        try:
            expected = kernel.run(inputs)
        except TflmError:
            continue  # on inputs that only a wrong device gives, the reference need not be defined
        for number, (t, values) in enumerate(zip(kernel.node.op.outputs, expected, strict=True)):
            if model.tensors[t].dtype in _JUDGED and not np.array_equal(values, known[t]):
                right, got = values.astype(np.int64), known[t].astype(np.int64)
                yield Local(kernel, tuple(inputs), right, got, number, known)
                break


def _over_samples(one: Kernel, known: Mapping[int, Array], n: int, length: int) -> Kernel:
    """A kernel as a function of all samples, in sequences of `length` where it keeps state."""
    if isinstance(one, Variable) and one.node.op.outputs:
        return recalled(one, known, n, length)
    return Successive(one, length) if isinstance(one, Remembering) else one


def diagnose(
    reference: Reference,
    x: Given,
    traces: Sequence[Mapping[int, Array]],
    length: int | None = None,
) -> tuple[Diagnosis, ...]:
    """One diagnosis per wrong operator, at most MAX_OPERATORS; () when every operator is right.

    length: as of `wrong_operators`.
    """
    found: list[Diagnosis] = []
    for local in wrong_operators(reference, x, traces, length):
        if len(found) == MAX_OPERATORS:
            break
        found.append(explained(local))
    return _likeliest_first(found)


def _likeliest_first(found: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """Of the variants that explain an operator, first those that explain most others of its kind, too."""
    times = Counter((row.op, variant.name) for row in found for variant in row.explained_by)
    return tuple(
        row.model_copy(
            update={"explained_by": tuple(sorted(row.explained_by, key=lambda v: -times[row.op, v.name]))}
        )
        for row in found
    )


def explained(local: Local) -> Diagnosis:
    """What there is to say about one wrong operator."""
    differs = local.differs
    first = tuple(int(i) for i in np.argwhere(differs)[0])
    sample, where = first[0], first[1:]
    exact, nearest = _matches(local)
    axes = along_axes(differs)
    node = local.kernel.node
    return Diagnosis(
        op_index=node.op.index,
        op=node.op.name,
        tensor=node.op.outputs[local.output],
        samples=len(differs),
        differing_samples=int(differs.reshape(len(differs), -1).any(axis=1).sum()),
        elements=differs.size,
        differing_elements=int(differs.sum()),
        sample=sample,
        element=where,
        expected=int(local.expected[first]),
        got=int(local.got[first]),
        steps=steps(local.kernel, [i[sample : sample + 1] for i in local.inputs], where),
        explained_by=exact,
        nearest=nearest,
        patterns=(*patterns(axes), *left_over(differs), *(() if exact else unwritten(local.got, differs))),
        histogram=histogram(local.got - local.expected),
        axes=axes,
        map=_map(differs),
    )


def _map(differs: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> ErrorMap | None:
    """Differing elements by row and column (of four axes); else by first and last axis."""
    if differs.ndim != 5:
        return None
    counts = differs.sum(axis=(0, 1, 4))
    if counts.size > MAX_PICTURE:
        return None
    return ErrorMap(
        shape=(counts.shape[0], counts.shape[1]), counts=tuple(int(c) for c in counts.reshape(-1))
    )


def _matches(local: Local) -> tuple[tuple[Explanation, ...], tuple[Explanation, ...]]:
    """Variants that give exactly the device's bytes, and those that leave fewest elements unexplained."""
    worst_first = np.argsort(-local.differs.reshape(len(local.got), -1).sum(axis=1), kind="stable")[:1]
    exact, near = [], []
    n_differing = int(local.differs.sum())
    for candidate in candidates(local.kernel, local.output, local.tensors):
        if _remaining(candidate, local, worst_first) * 2 > max(1, int(local.differs[worst_first].sum())):
            continue  # it does not even explain half of the sample that differs most
        left = _remaining(candidate, local, np.arange(len(local.got)))
        row = Explanation(name=candidate.name, says=candidate.says, remaining=left)
        if left == 0:
            exact.append(row)
        elif left * 2 < n_differing:
            near.append(row)
    near.sort(key=lambda row: row.remaining)
    return tuple(exact), () if exact else tuple(near[:MAX_NEAREST])


def _remaining(candidate: Candidate, local: Local, samples: I64Array) -> int:
    """Elements of these samples that the variant does not give."""
    in_order = candidate.skips > 0 or isinstance(local.kernel, Recalled | Successive)
    chosen = np.arange(len(local.got)) if in_order else samples
    try:
        values = candidate.run([x[chosen] for x in local.inputs]).reshape(local.got[chosen].shape)
    except TflmError:
        return local.got[samples].size
    unlike = values != local.got[chosen]
    if not in_order:
        return int(unlike.sum())
    if not local.differs[candidate.skips :].any():
        return local.got.size  # what it does not speak of is all that differs
    return int(unlike[samples[samples >= candidate.skips]].sum())
