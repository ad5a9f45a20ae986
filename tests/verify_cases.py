"""Small networks with a query whose verdict is known by brute force, in families.

`tflite`: random .tflite networks, every point run by TFLM's own interpreter; `pixels`: random fixed-point
networks, every point computed by fixed_point_networks.outputs; `edges`: .tflite networks with ends of ranges,
ties and tables, by TFLM's interpreter; `gated`: one dense layer times the logistic of another, likewise;
`program`: random integer programs (see host/verify/conftest.py), every point through the concrete program.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import random_elementwise
import random_graphs
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from fixed_point_networks import content, layers_of, outputs, points, random_network, region
from model_builder import Builder
from oracle import Tflm
from random_numbers import typical_scale, weights, zero_point
from tflm_int8 import Model, UnsupportedOp, lower

MAX_POINTS = 600
ATTEMPTS = 8
"""So many networks are drawn until one has more than one class."""
FAMILIES = ("tflite", "pixels")
EDGES = "edges"
"""The family of the long campaign only."""
GATED = "gated"
"""That of products, for which cardinality has no encoding, and what is linear an envelope."""
ACTIVATIONS = ("HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH")


@dataclass(frozen=True, eq=False)
class Case:
    """A problem and whether it holds, by brute force."""

    name: str
    problem: Problem
    holds: bool


def all_points(problem: Problem) -> np.ndarray:
    """Every input of the query's box."""
    ranges = [range(lo, hi + 1) for lo, hi in zip(problem.query.lo, problem.query.hi, strict=True)]
    return np.array(list(itertools.product(*ranges)), np.int64)


def case(family: str, seed: int) -> Case | None:
    """The case of a seed; None where its network is refused."""
    return {"tflite": tflite, "pixels": pixels, "edges": edges, "gated": gated}[family](seed)


def pixels(seed: int) -> Case:
    rng = np.random.default_rng([seed, 61])
    for _ in range(ATTEMPTS):
        arrays = random_network(rng)
        x = rng.integers(0, 256, (40, arrays["w0"].shape[1]))
        if len(set(outputs(arrays, x).argmax(axis=1))) > 1:
            break
    x0, eps = region(arrays, rng, MAX_POINTS)
    label = int(outputs(arrays, x0[None])[0].argmax())
    holds = bool(np.all(outputs(arrays, points(x0, eps)).argmax(axis=1) == label))
    program = FixedPointNetwork.from_bytes(content(arrays)).program
    return Case(f"pixels-{seed}", Problem(program, Robustness.around(x0, label, eps, None, 0, 255)), holds)


def tflite(seed: int) -> Case | None:
    return of_networks(tflite_network, "tflite", [seed, 51])


def gated(seed: int) -> Case | None:
    return of_networks(gated_network, "gated", [seed, 81])


def of_networks(network: Callable[[np.random.Generator], bytes], family: str, key: list[int]) -> Case | None:
    rng, seed = np.random.default_rng(key), key[0]
    for _ in range(ATTEMPTS):
        model = Model.from_bytes(network(rng), f"case-{seed}")
        shape = model.tensors[model.inputs[0]].shape
        classes = by_tflm(model.content, shape)
        if len(set(classes(rng.integers(-128, 128, (40, int(np.prod(shape))))))) > 1:
            break
    try:
        program = lower(model)
    except UnsupportedOp:
        return None
    x0 = near_a_boundary(rng, int(np.prod(shape)), classes)
    most = max(1, int((MAX_POINTS ** (1 / len(x0)) - 1) // 2))
    label = int(classes(x0[None])[0])
    query = Robustness.around(x0, label, int(rng.integers(1, most + 1)))
    box = [np.arange(lo, hi + 1) for lo, hi in zip(query.lo, query.hi, strict=True)]
    every = np.stack(np.meshgrid(*box, indexing="ij"), axis=-1).reshape(-1, len(x0))
    return Case(f"{family}-{seed}", Problem(program, query), bool(np.all(classes(every) == label)))


def edges(seed: int) -> Case | None:
    """Boxes of one point and at the ends of the range, equal outputs, tables between layers, softmax heads
    with many ties, labels that are not the first greatest output."""
    rng = np.random.default_rng([seed, 71])
    model = Model.from_bytes(edge_network(rng), f"edge-{seed}")
    shape, n = model.tensors[model.inputs[0]].shape, model.tensors[model.inputs[0]].size
    classes = by_tflm(model.content, shape)
    try:
        program = lower(model)
    except UnsupportedOp:
        return None
    x0 = near_a_boundary(rng, n, classes) if rng.random() < 0.6 else rng.choice([-128, -127, 0, 126, 127], n)
    most = max(1, int((MAX_POINTS ** (1 / n) - 1) // 2))
    label, n_out = int(classes(x0[None])[0]), program.sizes()[program.output]
    if rng.random() < 0.15:
        label = int(rng.integers(n_out))
    query = Robustness.around(x0, label, int(rng.choice([0, 1, most])))
    box = [np.arange(lo, hi + 1) for lo, hi in zip(query.lo, query.hi, strict=True)]
    every = np.stack(np.meshgrid(*box, indexing="ij"), axis=-1).reshape(-1, n)
    return Case(f"edges-{seed}", Problem(program, query), bool(np.all(classes(every) == label)))


def edge_network(rng: np.random.Generator) -> bytes:
    """Layers of any kind with tables between them; rows of the last one repeat, and a softmax may round."""
    b = Builder()
    if rng.random() < 0.6:
        x = b.input((1, int(rng.integers(1, 4))), 0.05, zero_point(rng))
        layers = ["fully_connected", "fully_connected", "add", "unary"]
    else:
        x = b.input((1, 2, int(rng.integers(1, 3)), 1), 0.05, zero_point(rng))
        layers = ["conv", "depthwise", "pool", "add", "unary"]
    for layer in rng.choice(layers, int(rng.integers(1, 5))):
        if layer == "unary":
            x = random_elementwise.unary(rng, b, x, str(rng.choice(ACTIVATIONS)))
        else:
            x = getattr(random_graphs, layer)(rng, b, x)
    x = random_graphs.reshape(rng, b, x)
    n_in, rows = (
        b.tensors[x].shape[1],
        weights(rng, (int(rng.integers(1, 4)), b.tensors[x].shape[1])),
    )
    w = rows[rng.integers(len(rows), size=int(rng.integers(2, 6)))]
    scale = typical_scale(rng, b.tensors[x].scales[0], np.array([0.01]), n_in)
    x = b.fully_connected(x, w, None, 0.01, scale, zero_point(rng), int(rng.integers(0, 4)))
    if rng.random() < 0.4:
        if rng.random() < 0.6:
            b.tensors[x].scales[0] = float(np.float32(10 ** rng.uniform(-4, -2)))
        x = random_graphs.softmax(rng, b, x)
    return b.finish(x)


def by_tflm(content: bytes, shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """The classes of the rows of an input, by TFLM's interpreter."""
    tflm = Tflm(content, 1 << 18)

    def classes(x: np.ndarray) -> np.ndarray:
        return np.array([int(np.argmax(tflm.run(row.astype(np.int8).reshape(shape)))) for row in x])

    return classes


def tflite_network(rng: np.random.Generator) -> bytes:
    """At most four inputs, through dense layers, or convolution, pooling and residual ADDs; some softmax."""
    b = Builder()
    if rng.random() < 0.5:
        x = b.input((1, int(rng.integers(1, 5))), 0.05, zero_point(rng))
        for _ in range(int(rng.integers(1, 4))):
            x = random_graphs.fully_connected(rng, b, x)
    else:
        x = b.input((1, 2, 2, 1), 0.05, zero_point(rng))
        x = (random_graphs.conv, random_graphs.depthwise)[int(rng.integers(0, 2))](rng, b, x)
        for _ in range(int(rng.integers(0, 3))):
            x = (random_graphs.pool, random_graphs.add)[int(rng.integers(0, 2))](rng, b, x)
        x = random_graphs.fully_connected(rng, b, random_graphs.reshape(rng, b, x))
    if rng.random() < 0.3:
        x = random_graphs.softmax(rng, b, x)
    return b.finish(x)


def gated_network(rng: np.random.Generator, n_in: int = 3) -> bytes:
    """A dense layer times the logistic of another; times itself or a constant now and then; two classes."""
    b = Builder()
    x = b.input((1, n_in), 0.05, int(rng.integers(-20, 20)))
    values, gates = dense(rng, b, x, 4), dense(rng, b, x, 4)
    gates = b.op("LOGISTIC", [gates], b.activation((1, 4), 1 / 256, -128))
    y = b.op("MUL", [values, gates], b.like(values, (1, 4)), 21, FusedActivationFunction=0)
    if rng.random() < 0.4:
        y = random_elementwise.binary(rng, b, y, "MUL")
    return b.finish(dense(rng, b, y, 2))


def dense(rng: np.random.Generator, b: Builder, x: int, n: int) -> int:
    n_in = b.tensors[x].shape[1]
    scale = float(np.float32(b.tensors[x].scales[0] * 0.3 * np.sqrt(n_in)))
    w, bias = rng.integers(-127, 128, (n, n_in)), rng.integers(-1000, 1000, n)
    return b.fully_connected(x, w, bias, 0.01, scale, 0)


def near_a_boundary(rng: np.random.Generator, n: int, classes) -> np.ndarray:
    """A random input, moved by bisection towards one of another class where there is one."""
    x = rng.integers(-128, 128, (40, n))
    found = classes(x)
    others = np.flatnonzero(found != found[0])
    a = x[0]
    if len(others):
        b = x[others[0]]
        for _ in range(int(rng.integers(3, 8))):
            middle = (a + b) // 2
            a, b = (middle, b) if classes(middle[None])[0] == found[0] else (a, middle)
    return a


def wide_stairs(seed: int, hidden: tuple[int, ...], top: int, n: int, eps: int) -> Problem:
    """Layers of small weights and few wide stairs, around the input of 60 whose label is the clearest."""
    rng = np.random.default_rng([seed, 97])
    sizes = [n, *hidden, 4]
    weights = [rng.integers(-7, 8, (b, a)) for a, b in itertools.pairwise(sizes)]
    shifts = [int(np.log2(1300 * np.sqrt(n) / top)), *(4 for _ in hidden)]
    biases = [rng.integers(-500, 501, sizes[1]), *(rng.integers(-9, 10, b) for b in sizes[2:])]
    ranges = [*((0, top) for _ in hidden), (-top - 1, top)]
    program = FixedPointNetwork.from_bytes(content(layers_of(weights, biases, shifts, ranges))).program
    every = rng.integers(40, 216, (60, n))
    sums = Problem(program, Robustness.around(every[0], 0, 0, None, 0, 255)).wires(every)[-2]
    x0 = every[np.diff(np.sort(sums, axis=1)[:, -2:], axis=1)[:, 0].argmax()]
    label = int(Problem(program, Robustness.around(x0, 0, 0, None, 0, 255)).wires(x0[None])[-1][0].argmax())
    return Problem(program, Robustness.around(x0, label, eps, None, 0, 255))
