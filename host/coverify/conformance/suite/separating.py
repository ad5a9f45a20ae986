"""A model of one operator, and an input, on which two kernel profiles write different bytes.

Layers: scales are drawn until the two requantizations differ at some accumulator, which their stair edges
tell; a bias puts it there. Functions of one element and sums or products of two: every code (every pair), at
drawn scales and at scales that put a result on a half step, where the last bit of a multiplier shows. All
others: the cases of the kernel suite. What is found was run under both profiles; not to find proves nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.suite.case import rng_of
from coverify.conformance.suite.flatbuffer import Scalar
from coverify.conformance.suite.grids import GRIDS
from coverify.conformance.suite.model_file import OneOp, TensorSpec, float32
from coverify.conformance.suite.other_grid import FUNCTIONS
from tflm_int8 import Model, Reference, TflmError, sample_shape
from tflm_int8.profiles import profile_named
from tflm_int8.variant import Form

LAYERS: Final = {"FULLY_CONNECTED": 8, "CONV_2D": 1, "DEPTHWISE_CONV_2D": 2}
"""Operator → number of its options in the schema's union."""
_ARITHMETIC: Final = {"ADD": 11, "MUL": 21, "SUB": 28}
_OF_ONE: Final = {**FUNCTIONS, "RSQRT": 0}
OPERATORS: Final = tuple(sorted({*LAYERS, *_ARITHMETIC, *_OF_ONE, *GRIDS}))
"""What is tried."""
_TRIES: Final = 4000
_ONLY_REFUSES: Final = (Form.BIASED, Form.BIASED_GROUPS, Form.SAME_SHAPE)
"""Forms that compute as TFLM's kernel and refuse more."""


@dataclass(frozen=True, eq=False)
class Separator:
    """x: int8, one sample of the model's input; first, second: the outputs there."""

    model: Model
    x: NDArray[np.int8]
    first: NDArray[np.int8]
    second: NDArray[np.int8]


Accumulators = Callable[[Model], list[int]]
"""Accumulators of a layer's only channel at which its two requantizations differ, nearest to 0 first."""


def one_variant(op: str, first: str, second: str) -> bool:
    """Do both profiles run the same variant of the kernel (on whatever neither refuses)?"""
    variants = [profile_named(name).of(op) for name in (first, second)]
    forms = [Form.FIXED_POINT if v.form in _ONLY_REFUSES else v.form for v in variants]
    a, b = (replace(v, form=f, types=None) for v, f in zip(variants, forms, strict=True))
    return a == b


def separator(
    op: str, profiles: tuple[str, str], seed: int, accumulators: Accumulators, tick: Callable[[], bool]
) -> Separator | None:
    """The first one that is found; None when the tries are over or `tick` says to stop."""
    for one, x in _tries(op, seed, accumulators):
        if not tick():
            return None
        found = _separated(one, x, profiles)
        if found is not None:
            return found
    return None


def separators(
    op: str, profiles: tuple[str, str], seed: int, accumulators: Accumulators, tries: int
) -> Iterator[Separator]:
    """The first one of at most `tries` drawn models, if any; the suite's own cases are not among them."""
    made = itertools.islice(_drawn(op, seed, accumulators), tries)
    yield from itertools.islice(filter(None, (_separated(one, x, profiles) for one, x in made)), 1)


def _tries(
    op: str, seed: int, accumulators: Accumulators
) -> Iterator[tuple[OneOp | Model, NDArray[np.int8]]]:
    """Models with inputs int8 [N, sample shape]."""
    yield from _drawn(op, seed, accumulators)
    if op in GRIDS:
        yield from ((case.model, case.x) for case in GRIDS[op](op, seed))


def _drawn(op: str, seed: int, accumulators: Accumulators) -> Iterator[tuple[OneOp, NDArray[np.int8]]]:
    if op in LAYERS:
        return _layers(op, seed, accumulators)
    if op in _OF_ONE:
        return _functions(op, seed)
    return _pairs(op, seed) if op in _ARITHMETIC else iter(())


def outputs(model: Model, x: NDArray[np.int8], profiles: tuple[str, str]) -> list[NDArray[np.int8]]:
    """What each profile writes: int8 [N, output's sample shape].  Raises TflmError."""
    return [Reference(model, profile).run(x, from_reset=True) for profile in profiles]


def _separated(one: OneOp | Model, x: NDArray[np.int8], profiles: tuple[str, str]) -> Separator | None:
    try:
        model = one if isinstance(one, Model) else _model(one)
        first, second = outputs(model, x, profiles)
    except TflmError:  # these scales are beyond one of the kernels
        return None
    differs = np.flatnonzero((first != second).reshape(len(x), -1).any(axis=1))
    if not len(differs):
        return None
    i = int(differs[0])
    if isinstance(one, OneOp) and one.name in (*_OF_ONE, *_ARITHMETIC):
        return _smallest(one, x[i], (first[i], second[i]), profiles)
    return Separator(model, x[i], first[i], second[i])


def _smallest(
    one: OneOp, x: NDArray[np.int8], found: tuple[NDArray[np.int8], ...], profiles: tuple[str, str]
) -> Separator | None:
    """The same operator on the one element (or pair) that differs."""
    place = int(np.flatnonzero((found[0] != found[1]).reshape(-1))[0])
    shape = (1, 1)
    inputs = [replace(one.inputs[0], shape=shape)]
    for constant in one.inputs[1:]:
        assert constant.data is not None
        inputs.append(replace(constant, shape=shape, data=constant.data.reshape(-1)[place].reshape(shape)))
    small = _model(replace(one, inputs=inputs, output=replace(one.output, shape=shape)))
    value = x.reshape(-1)[place].reshape(1)
    first, second = outputs(small, value[None], profiles)
    return Separator(small, value, first[0], second[0]) if np.any(first != second) else None


def _model(one: OneOp) -> Model:
    return Model.from_bytes(one.content(), f"{one.name.lower()}.tflite")


@dataclass(frozen=True)
class Scales:
    """Of the input, the weights and the output, each a float32; the accumulator's bias."""

    s_in: float
    s_w: float
    s_out: float
    bias: int = 0


def layer(op: str, scales: Scales) -> OneOp:
    """One element in, one out, the weight 1 and the zero points 0: the accumulator is x + bias."""
    x = TensorSpec((1, 1) if op == "FULLY_CONNECTED" else (1, 1, 1, 1), "int8", (scales.s_in,))
    w = replace(x, scales=(scales.s_w,), data=np.ones(x.shape, np.int8), axis=3 if "DEPTH" in op else 0)
    scale = float32(scales.s_in * scales.s_w)
    b = TensorSpec((1,), "int32", (scale,), 0, 0, np.array([scales.bias], np.int32))
    options: dict[int, Scalar] = {0: ("b", 0)}
    if op != "FULLY_CONNECTED":
        options = {0: ("b", 1), 1: ("i", 1), 2: ("i", 1)}
        options |= {3: ("i", 1)} if op == "DEPTHWISE_CONV_2D" else {}
    return OneOp(op, [x, w, b], replace(x, scales=(scales.s_out,)), LAYERS[op], options)


def _layers(op: str, seed: int, accumulators: Accumulators) -> Iterator[tuple[OneOp, NDArray[np.int8]]]:
    rng = rng_of(seed, op, "separating")
    for _ in range(_TRIES):
        s_in, s_w, s_out = (float32(v) for v in 2.0 ** rng.uniform((-6, -9, -4), (-2, -3, 0)))
        scales = Scales(s_in, s_w, s_out)
        try:
            found = accumulators(_model(layer(op, scales)))
        except TflmError:
            continue
        for acc in found[:1]:
            yield layer(op, replace(scales, bias=acc - 1)), np.ones(_sample(op), np.int8)[None]


def _sample(op: str) -> tuple[int, ...]:
    return (1,) if op == "FULLY_CONNECTED" else (1, 1, 1)


def layer_at(op: str, multiplier: int, shift: int, acc: int) -> tuple[Model, NDArray[np.int8]]:
    """The model of a layer with exactly this multiplier, and the input at which it has this accumulator.

    Needs a multiplier whose low 7 bits are 0: its scale is a float32 then.
    """
    scales = Scales(multiplier * 2.0 ** (shift - 31), 1.0, 1.0, acc - 1)
    return _model(layer(op, scales)), np.ones(_sample(op), np.int8)


def _functions(op: str, seed: int) -> Iterator[tuple[OneOp, NDArray[np.int8]]]:
    """Every code at once."""
    rng = rng_of(seed, op, "separating")
    every = np.arange(-128, 128, dtype=np.int8)
    for s_in, s_out in _scales(rng):
        zero = int(rng.integers(-128, 128)) if op != "RSQRT" else -128
        quantization = s_out, int(rng.integers(-128, 128))
        if op in ("LOGISTIC", "TANH"):
            quantization = (1 / 256, -128) if op == "LOGISTIC" else (1 / 128, 0)
        x = TensorSpec((1, 256), "int8", (s_in,), zero)
        y = TensorSpec((1, 256), "int8", quantization[:1], quantization[1])
        options: dict[int, Scalar] = {0: ("f", float32(rng.uniform(0.01, 0.9)))} if op == "LEAKY_RELU" else {}
        yield (
            OneOp(op, [x], y, _OF_ONE[op], options),
            np.maximum(every, zero if op == "RSQRT" else -128)[None],
        )


def _scales(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """(input, output): drawn, and in turn such that some code comes to lie next to a half step."""
    for number in range(_TRIES):
        s_out = float32(2.0 ** rng.uniform(-8, 0))
        ratio = 2.0 ** rng.uniform(-3, 2)
        if number % 2:
            ratio = (int(rng.integers(0, 120)) + 0.5) / int(rng.integers(1, 256))
        s_in = np.float32(ratio * s_out)
        for _ in range(int(rng.integers(0, 4))):
            s_in = np.nextafter(s_in, np.float32(rng.choice([0.0, 1e9])))
        yield float(s_in), s_out


def _pairs(op: str, seed: int) -> Iterator[tuple[OneOp, NDArray[np.int8]]]:
    """Every pair of codes at once."""
    rng = rng_of(seed, op, "separating")
    second, first = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    for s_a, s_y in _scales(rng):
        s_b = float32(s_a * 2.0 ** rng.uniform(-1, 1)) if op != "MUL" else 1.0 + float(rng.integers(3)) / 8
        zeros = rng.integers(-128, 128, 3).tolist()
        a = TensorSpec((1, 256, 256), "int8", (s_a,), zeros[0])
        b = TensorSpec((1, 256, 256), "int8", (s_b,), zeros[1], 0, second[None])
        y = TensorSpec((1, 256, 256), "int8", (s_y,), zeros[2])
        yield OneOp(op, [a, b], y, _ARITHMETIC[op], {0: ("b", 0)}), first[None].astype(np.int8)


def fitted(separator: Separator) -> NDArray[np.int8]:
    """The input as an .npz of samples holds it: [1, sample shape]."""
    shape = sample_shape(separator.model.tensors[separator.model.inputs[0]])
    return separator.x.reshape(1, *shape)
