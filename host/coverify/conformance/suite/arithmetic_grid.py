"""The grid of ADD, SUB, MUL: sizes, broadcasts, ratios of scales, pairs that tell variants apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.diagnosis.arithmetic_variants import arithmetic_of, arithmetic_variants
from coverify.conformance.diagnosis.candidate import I64Array, Run
from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.model_file import OneOp, TensorSpec
from tflm_int8 import Model, Reference
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.multiply import Multiply

_SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33)
_UNIONS = {"ADD": 11, "MUL": 21, "SUB": 28}
_PER_VARIANT = 4
_TRIES = 60


@dataclass(frozen=True)
class Operands:
    """The shapes (without batch) of the computed and the constant operand; ratio: of their scales."""

    shape_class: str
    first: tuple[int, ...]
    second: tuple[int, ...]
    activation: int = 0
    ratio: float = 1.0


def arithmetic_cases(op: str, seed: int) -> Iterator[Case]:
    """ADD, SUB or MUL of a computed operand and a constant one."""
    for number, operands in enumerate(_operands()):
        yield _case(op, operands, number, seed)
    if op != "MUL":
        yield from _narrow_shift_case(op, seed)


def _operands() -> Iterator[Operands]:
    for n in _SIZES:
        yield Operands("sizes 1…33", (n,), (n,))
    for other in ((4,), (3, 1), (1, 3, 1), (2, 1, 4), (1,), (1, 3, 4), (1, 1, 4)):
        yield Operands("broadcast", (2, 3, 4), other)
    for activation in (1, 2, 3):
        yield Operands("activations", (4, 16), (4, 16), activation)
    for ratio in (0.01, 0.2, 1.0, 3.0, 50.0):
        yield Operands("ratios of scales", (8, 64), (8, 64), 0, ratio)
    yield Operands("all pairs", (256, 256), (256, 256), 0, 0.7)


@dataclass(frozen=True)
class _Numbers:
    scales: tuple[float, float, float]
    zeros: tuple[int, int, int]


def _case(op: str, operands: Operands, number: int, seed: int) -> Case:
    rng = rng_of(seed, op, number)
    s_a = float(np.float32(rng.uniform(0.02, 0.1)))
    s_b = float(np.float32(s_a * operands.ratio * rng.uniform(0.8, 1.2)))
    s_y = float(np.float32(60 * s_a * s_b if op == "MUL" else 2 * max(s_a, s_b)))
    a, b, y = (int(z) for z in rng.integers(-100, 100, 3))
    numbers = _Numbers((s_a, s_b, s_y), (a, b, y))
    values: I64Array = rng.integers(-128, 128, operands.second)
    x: I64Array | None = None
    if operands.shape_class == "all pairs":
        values, x = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    elif operands.first == operands.second:
        values, x = _telling(_one_op(op, operands, numbers, values), values, rng)
    directed = None if x is None else x.astype(np.int8)[None]
    return case(_one_op(op, operands, numbers, values), operands.shape_class, str(number), seed, directed)


def _narrow_shift_case(op: str, seed: int) -> Iterator[Case]:
    """Scales at which a left shift of 18 bits, not 20, shows at some pair: about one draw in six has one."""
    operands = Operands("left shift", (16, 16), (16, 16))
    for number in range(_TRIES):
        rng = rng_of(seed, op, operands.shape_class, number)
        s_a = float(np.float32(rng.uniform(0.02, 0.1)))
        s_b, s_y = (float(np.float32(s_a * r)) for r in rng.uniform((0.3, 2.0), (2.0, 4.0)))
        a, b, y = (int(z) for z in rng.integers(-100, 100, 3))
        numbers, values = _Numbers((s_a, s_b, s_y), (a, b, y)), rng.integers(-128, 128, operands.second)
        one = _one_op(op, operands, numbers, values)
        kernel = Reference(Model.from_bytes(one.content())).kernels[0]
        plain = arithmetic_of(kernel) if isinstance(kernel, Add) else None
        if plain is None or not isinstance(kernel, Add):
            return
        narrow = next(c for c in arithmetic_variants(kernel) if c.name == "left-shift-18-throughout")
        if np.any(_on_all_pairs(narrow.run, kernel) != _on_all_pairs(plain.run, kernel)):
            values, x = _telling(one, values, rng)
            directed = x.astype(np.int8)[None]
            yield case(
                _one_op(op, operands, numbers, values), operands.shape_class, "left-shift-18", seed, directed
            )
            return


def _one_op(op: str, operands: Operands, n: _Numbers, values: I64Array) -> OneOp:
    first, second = (1, *operands.first), (1, *operands.second)
    a = TensorSpec(first, "int8", n.scales[:1], n.zeros[0])
    b = TensorSpec(second, "int8", n.scales[1:2], n.zeros[1], 0, values.reshape(second))
    y = TensorSpec(np.broadcast_shapes(first, second), "int8", n.scales[2:], n.zeros[2])
    return OneOp(op, [a, b], y, _UNIONS[op], {0: ("b", operands.activation)})


def _telling(one: OneOp, values: I64Array, rng: np.random.Generator) -> tuple[I64Array, I64Array]:
    """(constant, input) of the shape of `values` with pairs that a variant turns into another byte."""
    x: I64Array = rng.integers(-128, 128, values.shape)
    kernel = Reference(Model.from_bytes(one.content())).kernels[0]
    if not isinstance(kernel, Add | Multiply):
        return values, x
    plain = arithmetic_of(kernel)
    if plain is None:
        return values, x
    right = _on_all_pairs(plain.run, kernel)
    pairs: list[int] = []
    for candidate in arithmetic_variants(kernel):
        differs = np.flatnonzero(_on_all_pairs(candidate.run, kernel) != right)
        pairs += rng.permutation(differs)[:_PER_VARIANT].tolist()
    chosen = rng.permutation(np.array(pairs, np.int64))[: values.size]
    a, b = x.reshape(-1).copy(), values.reshape(-1).copy()
    a[: len(chosen)], b[: len(chosen)] = chosen // 256 - 128, chosen % 256 - 128
    return b.reshape(values.shape), a.reshape(values.shape)


def _on_all_pairs(run: Run, kernel: Add | Multiply) -> NDArray[np.int64]:
    """The outputs of all 65536 pairs (first operand major), laid out over as many samples as they need."""
    shape, size = kernel.node.output.shape, kernel.node.output.size
    n = -(-(1 << 16) // size)
    pair = np.arange(1 << 16)
    a, b = (np.resize(v, n * size).reshape(n, *shape) for v in (pair // 256 - 128, pair % 256 - 128))
    outputs: NDArray[np.int64] = np.asarray(run([a, b])).reshape(-1)[: 1 << 16]
    return outputs
