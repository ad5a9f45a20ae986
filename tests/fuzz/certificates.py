#!/usr/bin/env python3
"""Mutates certificates and looks what the checker says of them.

A mutated certificate that is accepted must claim something true. The networks have one or two inputs (with
few changes up to four; two copies that differ in a fixed input, or two runs: three), so that the truth is
always known: every input of the claimed box is run through TFLM's reference model, or by the definition of
fixed-point networks, of which the checker uses nothing.

    python tests/fuzz/certificates.py --mutations 100000
"""

# ruff: noqa: E402  (the tests' own modules must be found before the imports)

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import itertools
import json
import math
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from unittest import mock

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

import fixed_point_networks
import random_elementwise
import random_graphs
from coverify.check import Rejected, check
from coverify.study.twin_file import claimed, gap_relation, twin_npz
from coverify.verify.certificate import Certificate, Relation
from coverify.verify.deadline import Deadline
from coverify.verify.dual.abreast import Abreast
from coverify.verify.dual.search import Counterexample
from coverify.verify.engines import solve
from coverify.verify.errors import CannotDecide
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.property.apart import apart
from coverify.verify.property.appended import appended
from coverify.verify.property.copies import raising
from coverify.verify.property.formula import AllOf, AnyOf, relation
from coverify.verify.property.question import Question
from coverify.verify.property.ranking import Ranking
from coverify.verify.query import Robustness, Verdict
from model_builder import Builder, OpSpec
from random_numbers import zero_point
from tflm_int8 import Model, Reference, TflmError, lower
from tflm_int8.flatbuffer import Table
from tflm_int8.program.concrete import run
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Term

ENGINES = ("interval", "dual", "bab", "enumerate")
PROFILES = ("tflm", "tflm-single-rounding")
JSON = "certificate.json"
TIME_S = 30.0
"""A check that takes longer is a finding."""
MAX_POINTS = 1 << 20


# ---- certificates to mutate: all engines, about small networks ----


def tflite_network(rng: np.random.Generator) -> bytes:
    """The file of a random network of int8."""
    b, y = tflite_graph(rng)
    return b.finish(y)


def tflite_graph(rng: np.random.Generator) -> tuple[Builder, int]:
    """One or two inputs; dense layers, or convolution, pooling, ADD, SUB, MUL and SQUARED_DIFFERENCE (of
    itself, constants), CONCATENATION, TRANSPOSE_CONV; tables, PRELU, MAXIMUM, PAD and moves between them; or
    of the output.
    """
    b = Builder()
    if rng.random() < 0.5:
        x = b.input((1, int(rng.integers(1, 3))), 0.05, zero_point(rng))
        for _ in range(int(rng.integers(1, 4))):
            x = random_graphs.fully_connected(rng, b, x)
            x = curve(rng, b, x)
    else:
        x = b.input((1, *((2, 1) if rng.random() < 0.5 else (1, 2)), 1), 0.05, zero_point(rng))
        for _ in range(int(rng.integers(1, 4))):
            pairs = ("SUB", "MUL", "SQUARED_DIFFERENCE")
            layer = rng.choice(["conv", "depthwise", "pool", "add", *pairs, "joined", "spread"])
            if rng.random() < 0.2:
                x = random_graphs.padded(rng, b, x)
            if layer in pairs:
                x = random_elementwise.binary(rng, b, x, layer)
            elif layer in ("joined", "spread"):
                x = {"joined": joined, "spread": spread}[layer](rng, b, x)
            else:
                x = getattr(random_graphs, layer)(rng, b, x)
        if rng.random() < 0.3:
            x = moved(rng, b, x)
        if rng.random() < 0.4:
            x = mean(rng, b, x)
        x = random_graphs.fully_connected(rng, b, random_graphs.reshape(rng, b, curve(rng, b, x)))
    if rng.random() < 0.1:
        return b, turned(b, x)
    if rng.random() < 0.4:
        if rng.random() < 0.4:
            b.tensors[x].scales[0] = float(np.float32(10 ** rng.uniform(-4, -2)))  # many ties
        x = random_graphs.softmax(rng, b, x)
    return b, x


def turned(b: Builder, x: int) -> int:
    """A row's elements in another order, where they are even in number: as a table of two rows, turned."""
    n = b.tensors[x].shape[-1]
    x = b.reshape(x, (2, n // 2) if n % 2 == 0 else (n, 1))
    return b.op("TRANSPOSE", [x, b.integers([1, 0])], b.like(x, b.tensors[x].shape[::-1]))


def between_conversions(rng: np.random.Generator, b: Builder, y: int) -> bytes:
    """The file of the same network, its input or output of floats or uint8 now and then."""
    x, (first, last) = b.inputs[0], rng.choice(["int8", "int8", "float32", "uint8"], 2).tolist()
    if first != "int8":
        b.inputs = [outer(b, x, first)]
        b.ops.insert(0, OpSpec("QUANTIZE", b.inputs, [x], 0))
    if last != "int8":
        y = b.op("DEQUANTIZE" if last == "float32" else "QUANTIZE", [y], outer(b, y, last))
    return b.finish(y)


def outer(b: Builder, x: int, dtype: str) -> int:
    """A tensor of floats or uint8 that stands for an int8 one."""
    t = b.tensors[x]
    quantized = ([], []) if dtype == "float32" else (t.scales, [z + 128 for z in t.zero_points])
    return b.tensor(t.shape, dtype, *quantized)


def moved(rng: np.random.Generator, b: Builder, x: int) -> int:
    """An image turned, one channel of it, the other way round, or of another size."""
    n, height, width, depth = b.tensors[x].shape
    if rng.random() < 0.5:
        return rearranged(rng, b, x)
    if rng.random() < 0.2:
        return b.op("SLICE", [x, b.integers([0, 0, 0, depth - 1]), b.integers([1, -1, -1, 1])],
                    b.like(x, (n, height, width, 1)))  # fmt: skip
    if rng.random() < 0.2:
        ends = b.integers([0, 0, 0, 0]), b.integers([0, 0, 0, 0]), b.integers([1, -1, -1, 1])
        return b.op(
            "STRIDED_SLICE", [x, *ends], b.like(x, (n, height, width, depth)), 32, BeginMask=15, EndMask=15
        )
    if rng.random() < 0.5:
        return b.op("TRANSPOSE", [x, b.integers([0, 2, 1, 3])], b.like(x, (n, width, height, depth)))
    size = rng.integers(1, 4, 2)
    options = {"AlignCorners": bool(rng.integers(2)), "HalfPixelCenters": bool(rng.integers(2))}
    y = b.like(x, (n, *size.tolist(), depth))
    if rng.random() < 0.5 and not all(options.values()):
        return b.op("RESIZE_BILINEAR", [x, b.integers(size)], y, 15, **options)
    return b.op("RESIZE_NEAREST_NEIGHBOR", [x, b.integers(size)], y, 74, **options)


def rearranged(rng: np.random.Generator, b: Builder, x: int) -> int:
    """An image of other elements of it, or of a constant's."""
    like, kind = b.tensors[x], int(rng.integers(7))
    n, height, width, depth = like.shape
    constant = b.constant(rng.integers(-128, 128, like.shape), like.scales[0], like.zero_points[0])
    if kind == 0:
        channels = rng.integers(0, depth, int(rng.integers(1, 4)))
        y = b.like(x, (n, height, width, len(channels)))
        return b.op("GATHER", [x, b.integers(channels)], y, 23, Axis=3)
    if kind == 1:
        return b.op(
            "REVERSE_V2", [x, b.integers([2, 1] if rng.random() < 0.5 else [-1])], b.like(x, like.shape)
        )
    if kind == 2:
        wide = rng.integers(0, 2, (4, 2)) * np.array([[0], [1], [1], [1]])
        y, border = b.like(x, (np.array(like.shape) + wide.sum(axis=1)).tolist()), rng.integers(-128, 128, 1)
        if rng.random() < 0.5:
            return b.op("MIRROR_PAD", [x, b.integers(wide)], y, 77, Mode=1)
        border = b.constant(border, like.scales[0], like.zero_points[0])
        return b.op("PADV2", [x, b.integers(wide), border], y)
    if kind == 3:
        y = b.op("PACK", [x, constant, x], b.like(x, (n, height, 3, width, depth)), 59, ValuesCount=3, Axis=2)
        return b.reshape(y, (n, height, 3 * width, depth))
    if kind == 4:
        block, size = [height, width], (n * height * width, 1, 1, depth)
        y = b.op("SPACE_TO_BATCH_ND", [x, b.integers(block), b.integers([[0, 0], [0, 0]])], b.like(x, size))
        crops = b.integers([[0, 0], [0, 0]])
        return b.op(
            "BATCH_TO_SPACE_ND", [y, b.integers(block[::-1]), crops], b.like(x, (n, width, height, depth))
        )
    if kind == 5:
        wide = b.op(
            "CONCATENATION", [x, constant, x, x], b.like(x, (n, height, width, 4 * depth)), 10, Axis=3
        )
        y = b.op("DEPTH_TO_SPACE", [wide], b.like(x, (n, 2 * height, 2 * width, depth)), 94, BlockSize=2)
        if rng.random() < 0.5:
            return y
        return b.op("SPACE_TO_DEPTH", [y], b.like(x, (n, height, width, 4 * depth)), 19, BlockSize=2)
    wide = b.op("BROADCAST_TO", [x, b.integers((n, 2, *like.shape[1:]))], b.like(x, (n, 2, *like.shape[1:])))
    parts = [b.like(x, (n, rows, *like.shape[1:])) for rows in (1, 1)]
    b.op("SPLIT_V", [wide, b.integers([1, 1]), b.integers([1])], parts, 79, NumSplits=2)
    return b.reshape(parts[1], like.shape)


def curve(rng: np.random.Generator, b: Builder, x: int) -> int:
    """An operator that is a table, or, as often, none."""
    tables = [
        "LOGISTIC",
        "TANH",
        "RELU",
        "RELU6",
        "LEAKY_RELU",
        "QUANTIZE",
        "HARD_SWISH",
        "PRELU",
        "ABS",
        "ELU",
    ]
    op = rng.choice([*tables, "MAXIMUM", "MINIMUM", *[None] * 8])
    if op == "PRELU":
        slopes = b.constant(rng.integers(-128, 128, b.tensors[x].shape[-1:]), 0.01, int(rng.integers(-9, 9)))
        return b.op(op, [x, slopes], random_elementwise.like(rng, b, x))
    if op in ("MAXIMUM", "MINIMUM"):
        return extreme(rng, b, x, op)
    if op == "QUANTIZE":
        return b.op(op, [x], random_elementwise.like(rng, b, x))
    return x if op is None else random_elementwise.unary(rng, b, x, op)


def spread(rng: np.random.Generator, b: Builder, x: int) -> int:
    """A TRANSPOSE_CONV, of images of few pixels."""
    n, height, width, depth = b.tensors[x].shape
    kernel, stride, n_out = rng.integers(1, 4, 2), rng.integers(1, 3, 2), int(rng.integers(1, 3))
    size = (np.array([height, width]) * stride).tolist()
    w, scale = rng.integers(-127, 128, (n_out, *kernel, depth)), b.tensors[x].scales[0]
    operands = b.layer_inputs(x, w, rng.integers(-900, 900, n_out), [0.01] * n_out, 0)
    y = b.activation(
        (n, *size, n_out), float(np.float32(scale * rng.uniform(0.5, 3))), int(rng.integers(-9, 9))
    )
    operands = [b.integers((n, *size, n_out)), operands[1], x, operands[2]]
    return b.op("TRANSPOSE_CONV", operands, y, 49, Padding=0, StrideH=int(stride[0]), StrideW=int(stride[1]))


def extreme(rng: np.random.Generator, b: Builder, x: int, op: str) -> int:
    """With a constant, which may be one for all, or with what a table makes of it."""
    shape = b.tensors[x].shape
    if rng.random() < 0.5:
        other = b.constant(rng.integers(-60, 60, shape if rng.random() < 0.5 else (1,)), 0.1, 0)
    else:
        other = b.op("QUANTIZE", [x], random_elementwise.like(rng, b, x))
    return b.op(op, [x, other] if rng.random() < 0.5 else [other, x], b.like(x, shape))


def joined(rng: np.random.Generator, b: Builder, x: int) -> int:
    """With itself, what two tables make of it, or a constant, on any axis."""
    shape, axis = b.tensors[x].shape, int(rng.integers(-3, 4)) or -1
    parts = [x, x]
    if rng.random() < 0.4:
        like = b.tensors[x]
        parts[1] = b.constant(rng.integers(-128, 128, shape), like.scales[0], like.zero_points[0])
    elif rng.random() < 0.6:
        parts = [b.op("QUANTIZE", [x], b.like(x, shape)), b.op("RELU", [x], b.like(x, shape))]
    whole = list(shape)
    whole[axis] *= 2
    return b.op(
        "CONCATENATION", parts if rng.random() < 0.5 else parts[::-1], b.like(x, whole), 10, Axis=axis
    )


def mean(rng: np.random.Generator, b: Builder, x: int) -> int:
    """Over height, width or both, which are kept; or the sum, the greatest or the least."""
    axes = [[1], [2], [1, 2], [-2, 1]][int(rng.integers(4))]
    shape = tuple(1 if k in (a % 4 for a in axes) else n for k, n in enumerate(b.tensors[x].shape))
    scale = float(np.float32(b.tensors[x].scales[0] * rng.uniform(0.3, 1.5)))
    if rng.random() < 0.3:
        op = ("REDUCE_MAX", "REDUCE_MIN")[int(rng.integers(2))]
        return b.op(op, [x, b.integers(axes)], b.like(x, shape), 27, KeepDims=True)
    y, op = b.activation(shape, scale, zero_point(rng)), ("MEAN", "SUM")[int(rng.integers(2))]
    return b.op(op, [x, b.integers(axes)], y, 27, KeepDims=True)


def fixed_point_network(rng: np.random.Generator, inputs: tuple[int, ...] = (1, 2)) -> bytes:
    while True:
        arrays = fixed_point_networks.random_network(rng)
        if arrays["w0"].shape[1] in inputs:
            return fixed_point_networks.content(arrays)


def network_of(
    rng: np.random.Generator, profile: str, inputs: tuple[int, ...] = (1, 2)
) -> tuple[bytes, Program | None]:
    """A network's file and program, of int8 codes; None where the reference refuses it. inputs: of a
    fixed-point one.
    """
    if profile == "fixed-point":
        content = fixed_point_network(rng, inputs)
        return content, FixedPointNetwork.from_bytes(content).program
    b, y = tflite_graph(rng)
    plain = b.finish(y)
    content = between_conversions(rng, b, y)
    try:
        return content, lower(Model.from_bytes(plain), profile)
    except TflmError:
        return content, None


def near_a_boundary(rng: np.random.Generator, program: Program) -> np.ndarray:
    """An input, by bisection close to one of another class where there is one."""
    x = rng.integers(program.input_lo, program.input_hi + 1, (60, program.n_input))
    labels = run(program, x)[program.output].argmax(axis=1)
    a, others = x[0], np.flatnonzero(labels != labels[0])
    if len(others):
        b = x[others[0]]
        for _ in range(int(rng.integers(2, 8))):
            middle = (a + b) // 2
            same = run(program, middle[None])[program.output][0].argmax() == labels[0]
            a, b = (middle, b) if same else (a, middle)
    return a


def widest(engine: str, program: Program, x: np.ndarray, label: int, most: int, changes: int | None = None):
    """The argument for the largest radius that the engine still proves, by bisection, and its query."""
    lo, hi, best = 0, most, None
    while lo <= hi:
        eps = (lo + hi) // 2
        query = Robustness.around(x, label, eps, None, program.input_lo, program.input_hi)
        query = replace(query, changes=changes)
        outcome = solve(engine, Problem(program, query), Deadline.in_s(3))
        if outcome.verdict is Verdict.HOLDS and outcome.argument is not None:
            best, lo = (query, outcome.argument), eps + 1
        else:
            hi = eps - 1
    return best


def related(rng: np.random.Generator, program: Program, x: np.ndarray) -> tuple[Program, Relation]:
    """A linear relation of the outputs that holds at x and thereabouts, and its program."""
    n = program.sizes()[program.output]
    c = rng.integers(-3, 4, (int(rng.integers(1, 4)), n))
    d = c @ run(program, x[None])[program.output][0] + rng.integers(0, 30, len(c))
    rows, bias = np.concatenate([np.zeros((1, n), np.int64), c]), np.concatenate([[0], -d])
    step = Affine((Term(program.output, Dense(rows), 0),), bias)
    return replace(program, steps=(*program.steps, step), output=len(program.steps) + 1), Relation(c, d)


def alternative(rng: np.random.Generator, program: Program, x: np.ndarray) -> tuple[Program, Relation]:
    """Of some linear relations each one that holds at x and thereabouts, and its program."""
    n, y = program.sizes()[program.output], run(program, x[None])[program.output][0]
    c = rng.integers(-3, 4, (int(rng.integers(2, 5)), n))
    d = c @ y + np.where(rng.random(len(c)) < 0.5, rng.integers(0, 30, len(c)), rng.integers(-30, 0, len(c)))
    d[0] = max(d[0], c[0] @ y)
    rows = [relation(dict(enumerate(row.tolist())), int(end)) for row, end in zip(c, d, strict=True)]
    wide, many = int(rng.integers(1, len(c))), range(int(rng.integers(1, 4)))
    some = [(rows[0], *(rows[k] for k in rng.integers(1, len(c), wide))) for _ in many]
    formula = AllOf(tuple(map(AnyOf, some)))
    ends = program.input_lo, program.input_hi
    claim = Question(program, Robustness.around(x.astype(np.int16), 0, 0, None, *ends), formula).relation()
    assert claim is not None
    return appended(program, formula), claim


def copies(rng: np.random.Generator) -> list[bytes]:
    """Certificates of the largest gap between two copies, whose protected input is another in each: of stairs
    two by two, and of an engine that knows no pairs.
    """
    inner, outer = rng.integers(-8, 9, (3, 2)), rng.integers(-8, 9, (2, 3))
    inner[:, 1] = rng.choice([-9, -5, 5, 9], 3)
    free, width, codes = int(rng.integers(0, 200)), int(rng.integers(4, 40)), rng.integers(0, 9, 2) + 40
    middle = np.array([free + width // 2, int(codes.mean())])
    biases = [rng.integers(0, 60, 3) - inner @ middle, rng.integers(-20, 20, 2)]
    arrays = fixed_point_networks.layers_of([inner, outer], biases, [2, 3], [(0, 15), (-9, 9)])
    both = FixedPointNetwork.from_bytes(
        twin_npz(FixedPointNetwork.from_bytes(fixed_point_networks.content(arrays)), (1,))
    )
    lo, hi = np.array([free, *codes]), np.array([free + width, *codes])
    sides = [[[x, code] for x in range(free, free + width + 1)] for code in codes]
    first, second = (fixed_point_networks.outputs(arrays, np.array(side)) for side in sides)
    score = np.array([[-1, 1], [0, 1]][int(rng.integers(2))])
    gap = gap_relation(score, int(np.abs((second - first) @ score).max()))
    query = Robustness(lo.astype(np.int16), 0, 255, lo, hi)
    problem, found = Problem(claimed(both.program, gap), query), []
    with contextlib.suppress(CannotDecide, Counterexample):
        found.append(("abreast", Abreast(problem, Deadline.in_s(2)).proved().argument))
    found.append(("bab", solve("bab", problem, Deadline.in_s(0.3)).argument))
    return [
        Certificate(both.content, "fixed-point", query, argument, engine, gap).to_bytes()
        for engine, argument in found
        if argument is not None
    ]


def few(rng: np.random.Generator) -> list[bytes]:
    """Certificates of each engine where few of two to four inputs may change, of a label or relations."""
    profile = str(rng.choice([*PROFILES, "fixed-point"]))
    content, program = network_of(rng, profile, (2, 3, 4))
    if program is None:
        return []
    x, claim = near_a_boundary(rng, program).astype(np.int16), None
    label = int(run(program, x[None].astype(np.int64))[program.output][0].argmax())
    if rng.random() < 0.3:
        program, claim = (related if rng.random() < 0.5 else alternative)(rng, program, x.astype(np.int64))
        label = 0
    changes, most = int(rng.integers(0, program.n_input + 1)), (40, 40, 40, 20, 8)[program.n_input]
    best = ((engine, widest(engine, program, x, label, most, changes)) for engine in ENGINES)
    return [
        Certificate(content, profile, *found, engine, claim).to_bytes() for engine, found in best if found
    ]


def raised(rng: np.random.Generator) -> list[bytes]:
    """Certificates of each engine about two runs of one or two inputs, of which one is raised."""
    profile = str(rng.choice([*PROFILES, "fixed-point"]))
    content, network = network_of(rng, profile)
    if network is None:
        return []
    feature = int(rng.integers(network.n_input))
    program, x = raising(network, feature), near_a_boundary(rng, network)
    height = np.clip(x[feature] + rng.integers(-3, 12), network.input_lo, network.input_hi)
    x, n = np.append(x, height), network.sizes()[network.output]
    if (kind := rng.random()) < 0.6:
        y = run(program, x[None])[program.output][0]
        out = int(rng.integers(n))
        low, high = (out, n + out) if y[out] <= y[n + out] else (n + out, out)
        claim = relation({low: 1, high: -1}, int(rng.integers(0, 4)))
        question = Question(network, Robustness(x.astype(np.int16), 0, 0, x, x), claim, raised=feature)
        program, claim = question.plain().program, question.relation()
    else:
        program, claim = (related if kind < 0.8 else alternative)(rng, program, x)
    best = ((engine, widest(engine, program, x.astype(np.int16), 0, 30)) for engine in ENGINES)
    return [
        Certificate(content, profile, *found, engine, claim, feature).to_bytes()
        for engine, found in best
        if found
    ]


def softmax_network(rng: np.random.Generator) -> tuple[bytes, str]:
    """A dense layer and a softmax of its sums, often of many ties; and a profile."""
    b, (wide, n), profile = Builder(), rng.integers((1, 2), (3, 5)), str(rng.choice(PROFILES))
    weights, bias = rng.integers(-127, 128, (n, wide)), rng.integers(-400, 400, n)
    scale = float(rng.choice([0.3, 0.05, 0.004]))
    y = b.fully_connected(b.input((1, int(wide)), 0.05, 0), weights, bias, 0.01, scale, 0)
    return b.finish(b.softmax(y, float(rng.choice([1, 0.3, 3])))), profile


def limited(rng: np.random.Generator) -> list[bytes]:
    """Certificates of each engine of relations of a softmax's outputs, by limits of its logits."""
    content, profile = softmax_network(rng)
    program = lower(Model.from_bytes(content), profile)
    x = near_a_boundary(rng, program).astype(np.int16)
    y, n = run(program, x[None].astype(np.int64))[program.output][0], program.sizes()[program.output]
    rows = []
    for _ in range(int(rng.integers(1, 5))):
        terms = {int(i): int(rng.choice([-2, -1, 1, 1, 3])) for i in rng.permutation(n)[: rng.integers(1, 4)]}
        if rng.random() < 0.3:
            terms = dict(zip(rng.permutation(n)[:2].tolist(), (1, -1), strict=True))
        slack = int(rng.choice([0, 3, 20, 90])) - (40 if rows and rng.random() < 0.3 else 0)
        rows.append(relation(terms, int(sum(c * y[i] for i, c in terms.items())) + slack))
    formula = AllOf(tuple(AnyOf((row, rows[0])) if rng.random() < 0.5 else row for row in rows))
    found = []
    for engine in ENGINES:
        lo, hi, best = 0, 40, None
        while lo <= hi:
            query = Robustness.around(x, 0, eps := (lo + hi) // 2)
            known = apart(program, formula, query, Deadline.in_s(3))
            outcome = (
                None if known is None else solve(engine, Problem(known.program, query), Deadline.in_s(3))
            )
            argument = None if outcome is None else outcome.argument
            if argument is not None and known is not None and argument.kind == "bounds":
                best, lo = (query, replace(argument, apart=known.limits)), eps + 1
            else:
                hi = eps - 1
        if best is not None:
            claim = Question(program, best[0], formula).relation(best[1])
            found.append(Certificate(content, profile, *best, engine, claim).to_bytes())
    return found


def ordered(rng: np.random.Generator) -> list[bytes]:
    """Certificates of each engine that an output of a softmax is not below any other, and above some."""
    content, profile = softmax_network(rng)
    program = lower(Model.from_bytes(content), profile)
    n = program.sizes()[program.output]
    x = near_a_boundary(rng, program).astype(np.int16)
    outputs = run(program, x[None].astype(np.int64))[program.output][0]
    top = int(outputs.argmax())
    below = np.flatnonzero((outputs < outputs[top]) & (rng.random(n) < 0.7)).tolist()
    ranking = Ranking(n, top, frozenset(below))
    asked = ranking.ordered(program), x, ranking.label
    best = ((engine, widest(engine, *asked, 40)) for engine in ENGINES)
    claim = Question(program, Robustness(x, 0, 0, x, x), AllOf(ranking.pairs)).relation()
    return [
        Certificate(content, profile, *found, engine, claim).to_bytes() for engine, found in best if found
    ]


def sources(n: int, seed: int = 0) -> list[bytes]:
    """Certificates about n networks of either kind, with the widest boxes that an engine proves, and about
    as many of two copies, of few changes, of two runs, and of a softmax's outputs in an order or in bounds.
    """
    found = []
    for number in range(n):
        rng = np.random.default_rng([seed, number, 77])
        found += copies(np.random.default_rng([seed, number, 78]))
        found += few(np.random.default_rng([seed, number, 79]))
        found += raised(np.random.default_rng([seed, number, 80]))
        found += ordered(np.random.default_rng([seed, number, 81]))
        found += limited(np.random.default_rng([seed, number, 82]))
        for profile in (*PROFILES, "fixed-point"):
            content, program = network_of(rng, profile)
            if program is None:
                continue
            x, claim = near_a_boundary(rng, program).astype(np.int16), None
            label = int(run(program, x[None].astype(np.int64))[program.output][0].argmax())
            if number % 3:
                claimed_of = related if number % 3 == 2 else alternative
                program, claim = claimed_of(rng, program, x.astype(np.int64))
                label = 0
            for engine in ENGINES:
                best = widest(engine, program, x, label, 40)
                if best is not None:
                    found.append(Certificate(content, profile, *best, engine, claim).to_bytes())
    return found


# ---- mutations ----


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(parts: dict[str, bytes], honest: bool = True) -> bytes:
    """The file again, its digests made right (`honest`), so that the checker looks at what was changed."""
    if honest and JSON in parts:
        try:
            document = json.loads(parts[JSON])
            document["files"] = {k: hashlib.sha256(v).hexdigest() for k, v in parts.items() if k != JSON}
            parts = {**parts, JSON: json.dumps(document).encode()}
        except (ValueError, TypeError):
            pass
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return stream.getvalue()


def array(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data)).astype(np.int64)


def saved(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def flipped(rng, data: bytes) -> bytes:
    """Raw bytes changed, cut out, doubled, or cut off."""
    raw, at = bytearray(data), int(rng.integers(len(data)))
    kind = rng.integers(4)
    if kind == 0:
        raw[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del raw[at : at + int(rng.integers(1, 9))]
    elif kind == 2:
        raw[at:at] = raw[at : at + int(rng.integers(1, 9))]
    else:
        del raw[at:]
    return bytes(raw)


def edited(rng, parts: dict[str, bytes]) -> None:
    """The document: values of other kinds and of other certificates."""
    document = json.loads(parts[JSON])
    key = str(
        rng.choice(["label", "label", "label", "made_by", "profile", "profile", "schema", "model", "files"])
    )
    others = [*range(-1, 6), None, True, 1e9, "", [], {}, [[0]], 2**70]
    others += [
        "bounds",
        "enumeration",
        *PROFILES,
        "fixed-point",
        "model.npz",
        "model.tflite",
        "../model.tflite",
    ]
    if rng.random() < 0.1:
        del document[key]
    else:
        document[key] = others[int(rng.integers(7 if key == "label" and rng.random() < 0.8 else len(others)))]
    parts[JSON] = json.dumps(document).encode()


def renamed(rng, parts: dict[str, bytes], other: dict[str, bytes]) -> None:
    """Members swapped, taken from another certificate, left out, added, or under other names."""
    a, b = (str(name) for name in rng.choice(list(parts), 2))
    kind = rng.integers(5)
    if kind == 0:
        parts[a], parts[b] = parts[b], parts[a]
    elif kind == 1:
        shared = [name for name in parts if name in other and name != JSON]
        if shared:
            name = str(rng.choice(shared))
            parts[name] = other[name]
    elif kind == 2:
        del parts[a]
    else:
        names = [
            "../evil.npy",
            "/etc/x.npy",
            "xi.npy",
            "xi-2.npy",
            "xi--1.npy",
            "claim.npy",
            "some.npy",
            "few.npy",
            "raised.npy",
            "rows.npy",
            "parabolas.npy",
            "script.npy",
            "apart.npy",
        ]
        parts[str(rng.choice(names))] = parts[a] if kind == 3 else parts.pop(b)


def scripted(rng, parts: dict[str, bytes]) -> None:
    """Steps of the script left out, doubled, exchanged, or of another kind."""
    script = array(parts["script.npy"])
    if not len(script):
        script = np.array([[0, 0, 1, 0], [2, 0, 0, 0]])
    at, to = rng.integers(len(script), size=2)
    kind = rng.integers(4)
    if kind == 0:
        script = np.delete(script, at, axis=0)
    elif kind == 1:
        script = np.insert(script, to, script[at], axis=0)
    elif kind == 2:
        script[[at, to]] = script[[to, at]]
    else:
        script[at, int(rng.integers(4))] += int(rng.choice([-1, 1, -2, 2, 1000]))
    parts["script.npy"] = saved(script)


def grown(rng, parts: dict[str, bytes]) -> None:
    """The box a little wider at one end, or elsewhere in one input: a claim that may just be false."""
    box, kind = array(parts["box.npy"]), rng.random()
    element, by = int(rng.integers(box.shape[1])), int(rng.choice([1, 1, 1, 2, 3, 5, 10, 30]))
    if kind < 0.8:
        end = int(rng.integers(2))
        box[end, element] += by if end else -by
    else:
        box[:, element] += by if kind < 0.9 else -by
    parts["box.npy"] = saved(box)


def changed(rng, parts: dict[str, bytes], name: str) -> None:
    """One number of an array, its rows, or its shape."""
    values, kind = array(parts[name]), rng.random()
    if values.size and kind < 0.85:
        at = int(rng.integers(values.size))
        change = int(rng.choice([-1, 1, 2, -2, 16, -256, 4096, int(rng.integers(-(2**40), 2**40))]))
        new = values.reshape(-1)[at] + change
        values.reshape(-1)[at] = rng.choice(
            [new, 0, -values.reshape(-1)[at], 2**62, -(2**63)], p=[0.7, 0.1, 0.1, 0.05, 0.05]
        )
    elif len(values) > 1 and kind < 0.93:
        values = np.delete(values, int(rng.integers(len(values))), axis=0)
    elif len(values) > 1 and kind < 0.97:
        values = values[rng.permutation(len(values))]
    else:
        values = values.reshape(*values.shape[1:], -1) if rng.random() < 0.5 else values[:, None]
    parts[name] = saved(values)


def remodelled(rng, parts: dict[str, bytes]) -> None:
    """The network: a byte of a .tflite file, an integer of a fixed-point one."""
    name = next((n for n in parts if n.startswith("model")), None)
    if name is None or not parts[name]:
        return
    if name.endswith(".tflite"):
        raw = bytearray(parts[name])
        at = int(rng.integers(len(raw)))
        raw[at] = (raw[at] + int(rng.choice([1, -1, 128, int(rng.integers(256))]))) % 256
        parts[name] = bytes(raw)
    else:
        arrays = members(parts[name])
        key = str(rng.choice(list(arrays)))
        values = array(arrays[key])
        values.reshape(-1)[int(rng.integers(values.size))] += int(rng.choice([-1, 1, 3, -20, 100]))
        stream = io.BytesIO()
        np.savez(
            stream, **{k[:-4]: array(saved(values)) if k == key else array(v) for k, v in arrays.items()}
        )
        parts[name] = stream.getvalue()


def mutated(data: bytes, other: dict[str, bytes], rng: np.random.Generator) -> bytes:
    """One to three changes."""
    if rng.random() < 0.03:
        return flipped(rng, data)
    parts = members(data)
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        kind = rng.random()
        arrays = [n for n in parts if n.endswith(".npy")]
        try:
            if kind < 0.12:
                edited(rng, parts)
            elif kind < 0.2:
                renamed(rng, parts, other)
            elif kind < 0.3 and "script.npy" in parts:
                scripted(rng, parts)
            elif kind < 0.5:
                grown(rng, parts)
            elif kind < 0.7:
                remodelled(rng, parts)
            elif kind < 0.72:
                name = str(rng.choice(list(parts)))
                parts[name] = flipped(rng, parts[name])
            elif arrays:
                changed(rng, parts, str(rng.choice(arrays)))
        except Exception:  # an earlier change left nothing here that can be read and changed
            continue
    return packed(parts, honest=rng.random() < 0.98)


# ---- the truth ----


@lru_cache(maxsize=256)
def reference(content: bytes, profile: str) -> Reference | None:
    """TFLM's reference model; None where it refuses the network."""
    try:
        with mock.patch.object(Table, "string", return_value=""):  # a damaged name is no part of the claim
            return Reference(Model.from_bytes(content), profile)
    except TflmError:
        return None


@lru_cache(maxsize=1 << 12)
def outputs(
    content: bytes, profile: str, box: bytes, few: bytes | None, feature: bytes | None
) -> np.ndarray | None:
    """What the network gives on the box (a .npy file), where few inputs change (another one) on those of its
    points, where a feature is raised (a third one) in both runs; None where the reference refuses it.
    """
    ranges = [range(a, b + 1) for a, b in array(box).T]
    assert math.prod(map(len, ranges)) <= MAX_POINTS
    points = np.array(list(itertools.product(*ranges)))
    if few is not None:
        *base, changes = array(few).reshape(-1).tolist()
        points = points[(points != base).sum(axis=1) <= changes]
    if feature is not None:
        at, first = int(array(feature).reshape(())), points[:, :-1]
        second = first.copy()
        second[:, at] = points[:, [at, -1]].max(axis=1)
        both = [ran(content, profile, side) for side in (first, second)]
        return None if both[0] is None or both[1] is None else np.hstack(both)
    return ran(content, profile, points)


def ran(content: bytes, profile: str, points: np.ndarray) -> np.ndarray | None:
    """What the network gives on points; None where the reference refuses it."""
    if profile == "fixed-point":
        arrays = {k[:-4]: array(v) for k, v in members(content).items()}
        return fixed_point_networks.outputs(arrays, points)
    model = reference(content, profile)
    try:
        y = None if model is None else model.run(outer_values(model, points))
    except TflmError:
        y = None
    return None if model is None or y is None else codes(model, y.reshape(len(points), -1))


def outer_values(model: Reference, points: np.ndarray) -> np.ndarray:
    """Inputs of which the first QUANTIZE, where there is one, makes these codes."""
    x, ops = model.input, model.model.operators
    if x.dtype == "float32":
        q = next(model.model.tensors[op.outputs[0]] for op in ops if x.index in op.inputs).quantization
        points = (points - q.zero_point) * np.float64(q.scales[0])
    return (points + 128 * (x.dtype == "uint8")).astype(x.dtype).reshape(-1, *x.shape[1:])


def codes(model: Reference, y: np.ndarray) -> np.ndarray:
    """The codes that the last conversion, where there is one, made into these outputs."""
    out, ops = model.output, model.model.operators
    if out.dtype != "float32":
        return y.astype(np.int64) - 128 * (out.dtype == "uint8")
    q = next(model.model.tensors[op.inputs[0]] for op in ops if out.index in op.outputs).quantization
    found = np.rint(y / np.float64(q.scales[0])).astype(np.int64) + q.zero_point
    np.testing.assert_array_equal((np.float64(q.scales[0]) * (found - q.zero_point)).astype(np.float32), y)
    return found


def is_true(data: bytes) -> bool | None:
    """Does the claim hold, by running every point? None: the reference refuses the network."""
    parts = members(data)
    document = json.loads(parts[JSON])
    said = (parts.get(name) for name in ("few.npy", "raised.npy"))
    y = outputs(parts[document["model"]], document["profile"], parts["box.npy"], *said)
    if y is None:
        return None
    if document["label"] is None:
        claim = array(parts["claim.npy"])
        holds = y @ claim[:, :-1].T <= claim[:, -1]
        if "some.npy" in parts:
            holds = holds[:, array(parts["some.npy"])].any(axis=2)
        return bool(np.all(holds))
    return bool(np.all(y.argmax(axis=1) == document["label"]))


def campaign(sources: list[bytes], mutations: int, seed: int, folder: Path) -> tuple[Counter, list[Path]]:
    """How often mutations were rejected, or accepted and true; the findings: files that were accepted though
    false, or though the reference refuses the network, or that took too long."""
    rng, counts, findings = np.random.default_rng(seed), Counter(), []
    path, others = folder / "mutated.zip", [members(data) for data in sources]
    for k in range(mutations):
        one, two = rng.integers(len(sources), size=2).tolist()
        data = mutated(sources[one], others[two], rng)
        path.write_bytes(data)
        start, said = time.process_time(), ""
        try:
            check(path)
        except Rejected:
            said = "rejected"
        if not said:
            said = {True: "accepted, true", False: "accepted, FALSE", None: "accepted, REFUSED"}[
                is_true(data)
            ]
        if time.process_time() - start > TIME_S:
            said = "SLOW"
        counts[said] += 1
        if k % 1000 == 999:
            print(f"{k + 1} mutations: {dict(counts)}", flush=True)
        if said not in ("rejected", "accepted, true"):
            findings.append(folder / f"{said.split()[-1].lower()}-{seed}-{k}.zip")
            findings[-1].write_bytes(data)
    return counts, findings


def main() -> int:
    """Run a campaign and print the counts."""
    parser = argparse.ArgumentParser(description="mutate certificates")
    parser.add_argument("--mutations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--networks", type=int, default=60)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of zipfile, about names that occur twice
    fast = Path("/dev/shm")  # a file per mutation: in memory where there is such a folder
    folder = Path(tempfile.mkdtemp(prefix="certificates-", dir=fast if fast.is_dir() else None))
    whole = sources(options.networks, options.seed)
    start = time.process_time()
    counts, findings = campaign(whole, options.mutations, options.seed, folder)
    spent = time.process_time() - start
    print(
        f"{len(whole)} certificates, seed {options.seed}, {spent:.0f} s: {dict(counts)}; findings: {findings}"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
