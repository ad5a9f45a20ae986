"""What may be wrong in any operator: stale or untouched memory, order, neighbours, another profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, Run
from coverify.conformance.diagnosis.recalled import Recalled
from coverify.conformance.diagnosis.successive import Successive
from tflm_int8 import TflmError
from tflm_int8.fixedpoint import Rounding
from tflm_int8.kernels.lookup import Lookup
from tflm_int8.kernels.memory import Remembering
from tflm_int8.kernels.movement import Movement
from tflm_int8.kernels.reshape import Reshape
from tflm_int8.kernels.softmax import Softmax
from tflm_int8.model import Tensor
from tflm_int8.node import Node
from tflm_int8.operators import Kernel, prepare
from tflm_int8.profiles import PROFILES


def any_variants(kernel: Kernel, output: int = 0) -> Iterator[Candidate]:
    """Variants that make sense for one output of every operator."""
    yield from _orders(kernel, output)
    yield from _memories(kernel, output)
    custom = kernel.node.op.name.startswith("CUSTOM:")  # no runtime of the profiles has another kernel
    if not custom and not isinstance(kernel, Movement | Recalled | Reshape):
        yield from _profiles(kernel, output)


def _of(kernel: Kernel, output: int, change: Callable[[Array], Array]) -> Run:
    """What `change` makes of the right output."""

    def run(inputs: Sequence[Array]) -> Array:
        return change(kernel.run(list(inputs))[output])

    return run


def _written(kernel: Kernel, output: int) -> Tensor:
    return kernel.node.model.tensors[kernel.node.op.outputs[output]]


def _orders(kernel: Kernel, output: int) -> Iterator[Candidate]:
    shape = _written(kernel, output).shape
    if len(shape) > 1 and shape[-1] > 1:
        for by in (1, -1):
            yield Candidate(
                f"output-channel-off-by-{'plus' if by > 0 else 'minus'}-1",
                "every channel stands where its neighbour belongs",
                _of(kernel, output, partial(np.roll, shift=by, axis=-1)),
            )
    if len(shape) == 4 and shape[3] > 1 and shape[1] * shape[2] > 1:
        yield Candidate(
            "output-nchw",
            "the output is written channel by channel (NCHW)",
            _of(kernel, output, lambda y: np.moveaxis(y, -1, -3).reshape(y.shape)),
        )
    if len(shape) == 4 and shape[1] > 1 and shape[2] > 1:
        yield Candidate(
            "output-transposed",
            "height and width of the output are exchanged",
            _of(kernel, output, lambda y: np.swapaxes(y, -3, -2).reshape(y.shape)),
        )
    least, most = _limits(_written(kernel, output))
    says = "uint8 (128 more)" if least < 0 else "int8 (128 less)"
    yield Candidate(
        "output-unsigned" if least < 0 else "output-signed",
        f"the output's codes are those of {says}",
        _of(kernel, output, lambda y: ((y.astype(np.int64) - least) ^ 0x80) + least),
    )
    for by, word in ((1, "plus"), (-1, "minus")):
        yield Candidate(
            f"output-off-by-{word}-1",
            f"every element is one {'more' if by > 0 else 'less'}",
            _of(kernel, output, partial(_plus, by=by, least=least, most=most)),
        )


def _plus(y: Array, by: int, least: int, most: int) -> Array:
    return np.clip(y.astype(np.int64) + by, least, most)


def _limits(out: Tensor) -> tuple[int, int]:
    """Least and greatest code of a tensor of one byte per element."""
    return (0, 255) if out.dtype == "uint8" else (-128, 127)


def _memories(kernel: Kernel, output: int) -> Iterator[Candidate]:
    out = _written(kernel, output)
    yield Candidate(
        "output-of-previous-sample",
        "the output of the sample before: the operator did not run, or the answer is stale",
        lambda inputs: np.roll(kernel.run(list(inputs))[output], 1, axis=0),
        skips=1,
    )
    if out.shape and 1 < out.shape[0] < out.size:
        yield Candidate(
            "first-of-batch-everywhere",
            "the first of the batch is computed for all of it: the input does not move on",
            _of(kernel, output, lambda y: np.broadcast_to(y[:, :1], y.shape)),
        )
    for name, value in (("zero", 0), ("least", -128))[: 1 if out.dtype == "uint8" else 2]:
        yield Candidate(
            f"output-all-{name}",
            f"the code {value} everywhere: the output was not written",
            partial(_filled, out.shape, value),
        )
    given = [i for i, index in enumerate(kernel.node.op.inputs) if index >= 0]
    for at, i in enumerate(given):
        if isinstance(kernel, Reshape):
            continue
        tensor = kernel.node.model.tensors[kernel.node.op.inputs[i]]
        if tensor.dtype == out.dtype and tensor.size == out.size:
            yield Candidate(
                f"copy-of-input-{i}",
                f"the bytes of input {i}, unchanged",
                partial(_copied, out.shape, at),
            )


def _profiles(kernel: Kernel, output: int) -> Iterator[Candidate]:
    """The reference's own kernel under every other profile, and with the other rounding."""
    node = kernel.node
    variants = {
        "single-rounding": (
            "one rounding, ties up, instead of two (TFLITE_SINGLE_ROUNDING)",
            replace(node.variant, rounding=Rounding.SINGLE),
        )
    }
    if not isinstance(kernel, Lookup | Softmax):
        variants = {}  # the others' roundings have variants of their own, or none
    for profile in PROFILES.values():
        if not profile.refusal(node.op.name, set()):
            says = f"the kernel of the profile {profile.name}"
            variants[f"profile-{profile.name}"] = (says, profile.of(node.op.name))
    for name, (says, variant) in variants.items():
        if replace(variant, types=node.variant.types) == node.variant:
            continue
        try:
            other = prepare(Node(node.model, node.op, variant))
        except TflmError:
            continue
        if isinstance(kernel, Successive) and isinstance(other, Remembering):
            other = replace(kernel, kernel=other)
        yield Candidate(name, says, partial(_output, other, output))


def _output(kernel: Kernel, output: int, inputs: Sequence[Array]) -> Array:
    return kernel.run(list(inputs))[output]


def _filled(shape: tuple[int, ...], value: int, inputs: Sequence[Array]) -> Array:
    return np.full((len(inputs[0]), *shape), value, np.int64)


def _copied(shape: tuple[int, ...], number: int, inputs: Sequence[Array]) -> Array:
    return inputs[number].reshape(len(inputs[number]), *shape)
