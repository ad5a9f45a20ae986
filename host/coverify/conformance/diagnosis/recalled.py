"""A READ_VARIABLE as a function of all samples: what assignments left, by what the device had assigned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, first_output
from tflm_int8.kernels.resource_variables import Variable
from tflm_int8.node import Node


@dataclass(frozen=True)
class Recalled:
    """The variable before the operator runs, in sequences of `length` invocations from a reset on.

    earlier: what the last assignment before it in the same invocation gave, [N, shape] (None: there is none);
    last: what the last assignment of each invocation gave, [N, shape]; start: after a reset, [shape].
    """

    node: Node
    length: int
    earlier: Array | None
    last: Array
    start: Array
    resets: bool = True

    def run(self, _: list[Array]) -> list[Array]:
        """→ [[N, shape]], of all samples whatever is given."""
        if self.earlier is not None:
            return [self.earlier]
        values = np.roll(self.last, 1, axis=0)
        values[0 :: self.length if self.resets else len(values)] = self.start
        return [values]


def recalled(kernel: Variable, known: Mapping[int, Array], n: int, length: int) -> Recalled:
    """A READ_VARIABLE's function; known: tensor → [n, shape], what the device had."""
    node = kernel.node
    model, shape = node.model, (n, *node.output.shape)
    name = model.variables[node.op.inputs[0]]
    assigned: list[tuple[int, Array]] = []
    for op in model.operators:
        if op.name == "ASSIGN_VARIABLE" and model.variables[op.inputs[0]] == name:
            tensor = model.tensors[op.inputs[1]]
            values = known.get(tensor.index)
            if values is None and tensor.data is not None:
                values = np.broadcast_to(tensor.data, (n, *tensor.shape))
            assigned += [] if values is None else [(op.index, values.reshape(shape))]
    earlier = [value for index, value in assigned if index < node.op.index]
    start = kernel.start.reshape(node.output.shape)
    return Recalled(node, length, earlier[-1] if earlier else None, assigned[-1][1], start)


def recalled_variants(whole: Recalled) -> Iterator[Candidate]:
    """What may be wrong with the variable."""
    if whole.earlier is not None:
        yield Candidate(
            "assignment-late",
            "what this invocation has assigned is not read yet",
            first_output(replace(whole, earlier=None)),
        )
        return
    yield Candidate(
        "state-not-reset",
        "a sequence goes on from the variable that the one before it has left (the first one is not judged)",
        first_output(replace(whole, resets=False)),
        skips=whole.length,
    )
    yield Candidate(
        "state-lost",
        "every invocation starts from the reset state",
        first_output(replace(whole, length=1)),
    )
    if np.any(whole.start):
        yield Candidate(
            "state-starts-at-code-0",
            "a reset writes zero bytes, not the zero point",
            first_output(replace(whole, start=0 * whole.start)),
        )
