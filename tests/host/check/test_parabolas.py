"""Bounds with parabolas of one layer of stairs or two: held against every input of small boxes.

The records are random, so that they use every term at once; d_0 is the least that the checker accepts, and
the multipliers are of the size at which bounds are tight. No bound is less than its form at an input.
"""

import itertools
from copy import deepcopy
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network as read_network
from coverify.check.proof import Proof
from coverify.check.steps import INT32, Linear, Network, Pieces
from coverify.verify.certificate import normal
from coverify.verify.dual.tree import Bounded, Op, Script, Squares
from coverify.verify.query import Argument
from fixed_point_networks import content, layers_of

SCALE = 1 << 12
"""The factor of a bound."""


@dataclass(eq=False)
class Record:
    """Parabolas of the stairs at two steps, without d_0: weights [n]; first [8, m]: z, k, s, y0, beta, t, g,
    f; above [3, k]: z, k, s. Without `above` the array ends after the first stairs.
    """

    steps: tuple[int, int]
    weights: np.ndarray
    first: np.ndarray
    above: np.ndarray | None

    def row(self, proof: Proof, d0: int) -> np.ndarray:
        first, above = (int(proof.net.steps[k].out[0]) for k in self.steps)
        parts = [self.weights, self.first.ravel()] + ([] if self.above is None else [self.above.ravel()])
        return np.concatenate([np.array([first, 0 if self.above is None else above, d0]), *parts])


def end(proof: Proof, bound: int, row: np.ndarray) -> int | None:
    """The bound, or None where it is refused."""
    proof.heads, proof.weights, proof.tails = np.split(row[None], [3, 3 + proof.n], axis=1)
    try:
        ((_, _, found),) = proof.shown(proof.root, bound, 1, 1)
    except (Rejected, np.linalg.LinAlgError, OverflowError):
        return None
    return int(found)


def least_end(proof: Proof, bound: int, record: Record, steps: int = 14) -> int | None:
    """With the least d_0 that is accepted, nearly."""
    low, high, best = 0, 1 << 60, None
    for k in range(10, 61, 5):
        best = end(proof, bound, record.row(proof, 1 << k))
        if best is not None:
            low, high = 1 << max(k - 5, 0), 1 << k
            break
    for _ in range(steps if best is not None else 0):
        middle = (low + high) // 2
        found = end(proof, bound, record.row(proof, middle))
        low, high, best = (low, middle, found) if found is not None else (middle, high, best)
    return best


def stairs_of(proof: Proof) -> list[int]:
    return [k for k, step in enumerate(proof.net.steps) if isinstance(step, Pieces)]


def random_proof(
    rng: np.random.Generator, layers: int, over: bool = False
) -> tuple[Proof, np.ndarray, list[int]]:
    """A random relation of a network of narrow stairs, one bound of it, near a good one; the form's values at
    every input of the box; and the shifts of its stairs.  over: layers read the input, too.
    """
    n, reach = int(rng.integers(1, 4)), int(rng.integers(2, 9))
    sizes, shifts = [n, *rng.integers(1, 5, layers)], []
    lo = rng.integers(0, 255 - reach, n)
    x = np.array(list(itertools.product(*(range(a, a + reach + 1) for a in lo))))
    net = Network(n, 0, 255)
    for n_out in sizes[1:]:
        values, reads = net.boxes(np.stack([x, x]))[0], net.outputs
        if over and len(net.steps):
            reads = np.concatenate([1 + np.arange(n), reads])
        w = rng.integers(-9, 10, (n_out, len(reads)))
        shifts.append(int(rng.integers(1, 5)))
        top = int(rng.choice([1, 3, 7, 15]))
        low, half = int(rng.choice([0, -top])), 1 << shifts[-1] >> 1
        sums = values[:, reads] @ w.T
        bias = rng.integers(-1, (top << shifts[-1]) + 2, n_out) - rng.permuted(sums, axis=0)[0]
        rule = lambda a, _, half=half, shift=shifts[-1]: (a + half) >> shift  # noqa: E731
        linear = w[None], reads[None, None], bias
        net.stairs(rule, low, top, np.zeros(n_out, np.int64), INT32 - [[0], [half]], *linear)
    c = rng.integers(-3, 4, (1, sizes[-1]))
    net.put(Linear, 1, c[None], net.outputs[None, None], rng.integers(-9, 10, 1))
    values = net.boxes(np.stack([x, x]))[0]
    element, m = int(net.outputs[0]), 0
    if rng.random() < 0.4:
        element, m = int(rng.integers(1, values.shape[1])), int(rng.integers(0, 2)) * SCALE
    factor = int(rng.choice([-1, 1])) * SCALE
    box = np.stack([lo, lo + reach])
    width = sum(sizes[1:])
    arrays = {
        "rows": np.array([[element, factor, m]]), "xi": np.zeros((1, width), np.int64),
        "parabolas": np.zeros((0, 3 + n), np.int64), "script": np.zeros((0, 4), np.int64),
    }  # fmt: skip
    proof = Proof(net, box, arrays)
    proof.j = int(net.outputs[0])
    multipliers(rng, proof, shifts)
    return proof, factor * values[:, element] + m * values[:, proof.j], shifts


def multipliers(rng: np.random.Generator, proof: Proof, shifts: list[int]) -> dict[int, np.ndarray]:
    """Random multipliers of the bound around the stairs' slopes; of each step what is on its output."""
    element, factor, m = proof.bounds[0].tolist()
    nu, on, left = np.zeros((proof.root.shape[1], 1), np.int64), {}, list(shifts)
    nu[proof.j], nu[element] = m, nu[element] + factor
    if element == proof.j:
        nu[element] = factor + m
    for k, step in reversed(list(enumerate(proof.net.steps))):
        xi = np.zeros((1, 0), np.int64)
        if isinstance(step, Pieces):
            on[k] = nu[step.out, 0].copy()
            slope = rng.uniform(0, 1.6, len(step.out)) / 2 ** left.pop()
            xi = np.rint(on[k] * slope).astype(np.int64)[None]
            proof.xi[k] = xi
        step.back(nu, xi, step.corners(proof.root))
    return on


def random_record(rng: np.random.Generator, proof: Proof, upper: bool) -> Record:
    """With terms of the size of a bound's, within what its matrix may bear; some stairs have none."""
    one, two = stairs_of(proof)[:2] if upper else stairs_of(proof)[:1] * 2
    _, form = proof.walked(proof.root, {}, np.array([0]))
    weights = np.clip(2.0**26 / (np.abs(form[0]) + 1) * rng.uniform(0.2, 3, proof.n), 1, 2**26).astype(
        np.int64
    )
    size, blocks = SCALE * float(rng.choice([0.1, 1, 4])), []
    for k in (one, two):
        step = proof.net.steps[k]
        lo, hi = proof.root[:, step.pick]
        m, radius, levels = len(step.out), (hi - lo) / 2 + 1, len(step.values) / 2
        some = lambda n: rng.random(n) < 0.8  # noqa: E731
        sign = lambda n: rng.normal(size=n)  # noqa: E731
        z = rng.integers(lo - 3, hi + 4)
        k2 = some(m) * size * 2**24 / radius**2 * rng.uniform(0.001, 1, m)
        s = size / radius * rng.uniform(0.5, 2, m) * rng.choice([-1, 1], m) + 1
        f = some(m) * size * 2**24 / levels**2 * rng.uniform(0.01, 1, m)
        beta = rng.integers(1, int(rng.choice([2, 10, 300])) + 1, m)
        t, g = beta * size / levels * sign(m), beta * size / levels / radius * sign(m) / 2
        y0 = rng.integers(step.values[0] - 1, step.values[-1] + 2, m)
        found = np.rint(np.stack([z, k2, np.where(np.abs(s) < 1, 1, s), y0, beta, t, g, f])).astype(np.int64)
        found[5:7, found[7] == 0] = 0
        blocks.append(found)
    if not upper:
        return Record((one, one), weights, blocks[0], None)
    first, above = blocks
    reads = proof.net.steps[two].sums.weights[0][:, -first.shape[1] :]
    fixed = proof.root[0, proof.net.steps[one].out] < proof.root[1, proof.net.steps[one].out]
    needed = np.any(reads[above[1] > 0] != 0, axis=0) & fixed & (first[7] == 0)
    first[7, needed] = int(size * 2**24 / len(proof.net.steps[one].values) ** 2) + 1
    least = first[7][first[7] > 0].min(initial=1 << 40)
    bears = int(least) / (1 + np.linalg.norm(reads, 2) ** 2) * rng.uniform(0, 1.1, len(above[1]))
    above[1] = np.minimum(above[1], bears.astype(np.int64))
    return Record((one, two), weights, first, above[:3])


def within_its_matrix(rng: np.random.Generator, proof: Proof, record: Record) -> int | None:
    """Its least end, with less of all where the matrix does not bear it."""
    for _ in range(8):
        found = least_end(proof, 0, record)
        if found is not None:
            return found
        record.first[1] //= 4
        record.first[4:6] //= 2
        record.first[5, record.first[6] == 0] = 0
        if record.above is not None:
            record.above[1] //= 2
    return None


def held_against_every_input(
    seed: list[int], layers: int, upper: bool, over: bool = False
) -> tuple[int, int] | None:
    """How far a random bound lies above the form's maximum, and that; None: it was refused."""
    rng = np.random.default_rng(seed)
    proof, form, _ = random_proof(rng, layers, over)
    record = random_record(rng, proof, upper)
    found = within_its_matrix(rng, proof, record)
    return None if found is None else (found - int(form.max()), int(form.max() - form.min()))


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("seed", range(40))
def test_no_input_exceeds_a_bound_with_parabolas_of_two_layers(seed, layers):
    found = held_against_every_input([seed, layers, 1], layers, True)
    assert found is None or found[0] >= 0


@pytest.mark.parametrize("seed", range(20))
def test_nor_one_with_those_of_one_layer_and_terms_in_its_outputs(seed):
    found = held_against_every_input([seed, 2], 1, False)
    assert found is None or found[0] >= 0


def less_of(block: np.ndarray, i: int, a: int, y: Fraction) -> Fraction:
    """What is taken of stair i of a block [8, m], exactly."""
    z, k, _, y0, beta, t, g, f = (int(v) for v in block[:, i])
    square = Fraction(k * (a - z) ** 2, 1 << 24)
    return square + (y - y0) * (t + g * (a - z)) / max(beta, 1) - f * (y - y0) ** 2 / (1 << 24)


@pytest.mark.parametrize("seed", range(60))
def test_the_maximum_under_stairs_with_terms_in_their_outputs_is_that_over_every_integer(seed):
    """Rounded upwards, by less than 2."""
    rng = np.random.default_rng([seed, 3])
    shift, values = int(rng.integers(0, 5)), np.arange(*np.sort(rng.choice(np.arange(-9, 10), 2, False)))
    rule = lambda a, _: np.clip((a >> shift) - values[0], 0, len(values) - 1)  # noqa: E731
    one, domain = np.zeros(1, np.int64), np.array([[-(2**31)], [2**31 - 1]])
    step = Pieces(np.array([2]), np.array([1]), rule, values, one, domain)
    lo = int(rng.integers(-200, 100))
    hi = lo + int(rng.integers(0, 200))
    size, beta = int(rng.choice([1, 100, 10_000])), int(rng.integers(1, 300))
    xi, t, g = rng.integers(-size, size + 1, 3).tolist()
    nu, f = int((xi << shift) * rng.uniform(0.3, 1.7)), int(rng.integers(1, 1 << 30))
    k = int(rng.choice([0, 1, size]) * 2**24 / rng.uniform(2, 400))
    z, y0 = rng.integers(lo - 9, hi + 10), rng.integers(-12, 13)
    block = np.array([[z], [k], [1], [y0], [beta], [t * beta], [g * beta // 4], [f]])
    corners = step.corners(np.array([[0, lo, 0], [0, hi, 0]]), np.array([xi]), *block)
    found = int(step.back(np.array([[0], [0], [nu]]), np.array([[xi]]), corners)[0])
    a = np.arange(lo, hi + 1)
    y = values[rule(a, None)]
    true = max(
        nu * own - xi * at - less_of(block, 0, at, Fraction(own))
        for at, own in zip(a.tolist(), y.tolist(), strict=True)
    )
    assert true <= found < true + 2


def with_any_outputs(rng: np.random.Generator, proof: Proof, record: Record) -> tuple[int, Fraction]:
    """The bound, and the greatest that is left beside the stairs at inputs of the box and any real outputs
    of those with f > 0: rational numbers near the best ones.
    """
    found = within_its_matrix(rng, proof, record)
    if found is None:
        return 0, Fraction(0)
    one, two = record.steps
    given = {}
    blocks = {one: record.first}
    if record.above is not None:
        blocks[two] = np.concatenate([record.above, np.zeros((5, record.above.shape[1]), np.int64)])
    for k, block in blocks.items():
        given[k] = proof.net.steps[k].corners(proof.root, proof.xi[k][0].astype(np.int64), *block)
    total, form = proof.walked(proof.root, given, np.array([0]))
    first, y0 = proof.net.steps[one], record.first[3].tolist()
    f, linear = record.first[7], first.sums
    box = proof.root[:, 1 : proof.n + 1]
    best = Fraction(-(10**30))
    for ends in itertools.product(*box.T.tolist()):
        x = np.array(ends)
        a = linear.weights[0] @ x + linear.bias
        y = [Fraction(int(v)) for v in proof.root[0, first.out]]

        def value(y: list[Fraction], x: np.ndarray = x, a: np.ndarray = a) -> Fraction:
            left = Fraction(int(total[0]) + int(form[0] @ x))
            left += sum(less_of(record.first, i, int(a[i]), y[i]) for i in range(len(a)))
            at = dict(zip([*range(1, len(x) + 1), *first.out.tolist()], [*x.tolist(), *y], strict=True))
            for j in range(0 if record.above is None else record.above.shape[1]):
                upper = proof.net.steps[two].sums
                taps = zip(upper.weights[0, j].tolist(), upper.columns[0, 0].tolist(), strict=True)
                b = int(upper.bias[j]) + sum(w * at[element] for w, element in taps)
                left += Fraction(int(record.above[1, j])) * (b - int(record.above[0, j])) ** 2 / (1 << 24)
            return left

        free = np.flatnonzero(f).tolist()
        for _ in range(3):  # along each output in turn: a concave parabola through three points
            for i in free:
                low, middle, high = (value([*y[:i], y0[i] + Fraction(d), *y[i + 1 :]]) for d in (-1, 0, 1))
                if (bend := low + high - 2 * middle) < 0:
                    y[i] = y0[i] + Fraction(round((low - high) / (2 * bend) * 1024), 1024)
        best = max(best, value(y))
    return found, best


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_nor_do_any_real_outputs_of_the_first_stairs_exceed_what_the_matrix_is_paid(seed, over):
    """Also where the stairs above read both the input and those."""
    rng = np.random.default_rng([seed, 4])
    proof, _, _ = random_proof(rng, 2, over)
    found, best = with_any_outputs(rng, proof, random_record(rng, proof, True))
    assert found > best - 1  # the form is an integer


CORNERS = [[1, 1], [1, -1], [-1, 1], [-1, -1]]


def at_corners(xi: int) -> Proof:
    """y = the input, 0..8; stairs above that are 1 where ±(y_0 − 4) ± (y_1 − 4) is 8, at a corner of the box;
    a bound of the number of corners.
    """
    biases = [[0, 0], [-4 - 4 * sum(w) for w in CORNERS]]
    layers = layers_of([[[1, 0], [0, 1]], CORNERS], biases, [0, 3], [(0, 8), (0, 1)])
    net = read_network(content(layers), "fixed-point")
    net.put(Linear, 1, np.ones((1, 1, 4), np.int64), net.outputs[None, None], np.array([0]))
    arrays = {
        "rows": np.array([[15, SCALE, 0]]), "xi": np.array([[0, 0, *[xi] * 4]]),
        "parabolas": np.zeros((0, 5), np.int64), "script": np.zeros((0, 4), np.int64),
    }  # fmt: skip
    proof = Proof(net, np.array([[0, 0], [8, 8]]), arrays)
    proof.j = 15
    return proof


def corners_counted(xi: int, curve: int) -> int | None:
    """curve: of the stairs above; four times that, and a little, suffices under those on the input."""
    f = 4 * curve + curve // 20
    block = np.tile([[4], [f], [1 << 14], [4], [1 << 7], [0], [0], [f]], (1, 2))
    above = np.tile([[-4], [curve], [1 << 13]], (1, 4))
    record = Record((1, 3), np.full(2, 60_000 if curve else 1 << 40), block, above)
    return least_end(at_corners(xi), 0, record, 30)


def test_parabolas_above_show_what_no_multipliers_show():
    """An input is at one corner at most. Where the input is (4, 4), each accumulator above may be −8 and 8
    half of the time as far as multipliers and parabolas of the input know, and 2 is the least they give.
    Curves of 2^28, (y_0 − 4)² + (y_1 − 4)² at most 32: 4 · (1/2 − 64/256) + 4 · 32/256 = 1.5.
    """
    assert min(corners_counted(xi, 0) for xi in range(0, 1024, 64)) == 2 * SCALE
    assert SCALE <= corners_counted(256, 1 << 28) < 1.6 * SCALE


WEIGHTS = [
    [[-2, -2, -7], [5, 2, -5], [-8, -2, 3], [-4, -8, 9]],
    [[6, 2, 3, -4], [-3, -6, -3, -4], [3, 2, -8, 9]],
]
BIASES = [[1002, -306, 763, 541], [-14, 72, -52]]
LO, HI = [98, 103, 78], [102, 107, 82]
BOTH = [
    [3, 6, 5, 209], [881810, 379483, 885297, 97589], [267, 296, 262, 187], [3] * 4, [75, 269, 246, 381],
    [-761, 19027, -38579, -4317], [19, -167, 510, -5], [68475494, 333109540, 297236728, 810590173],
]  # fmt: skip
ABOVE = [[-62, -171, 68], [850551, 271121, 1039886], [-131, -158, 72]]


def example(xi: list[list[int]], lo: list[int] = LO, hi: list[int] = HI) -> Proof:
    """A bound of −(2 y_0 + y_1 + 9) of four stairs of 8 levels and three of 2 above them."""
    layers = layers_of(WEIGHTS, BIASES, [2, 4], [(0, 7), (0, 1)])
    net = read_network(content(layers), "fixed-point")
    net.put(Linear, 1, np.array([[[2, 1, 0]]]), net.outputs[None, None], np.array([9]))
    arrays = {
        "rows": np.array([[18, -SCALE, 0]]), "xi": np.array([[*xi[0], *xi[1]]]),
        "parabolas": np.zeros((0, 6), np.int64), "script": np.zeros((0, 4), np.int64),
    }  # fmt: skip
    proof = Proof(net, np.array([lo, hi]), arrays)
    proof.j = 18
    return proof


LIFTED = example([[-11, 170, 79, 66], [-50, -74, 17]])
SECOND = Record((1, 3), np.array([431112, 78583, 907226]), np.array(BOTH), np.array(ABOVE))


def lifted(proof: Proof = LIFTED, **changes) -> int | None:
    """The bound with numbers of the record changed: name → the new number of stair 0, or of all."""
    record, names = deepcopy(SECOND), ("z", "k", "s", "y0", "beta", "t", "g", "f")
    for name, value in changes.items():
        block, row = (
            (record.above, names.index(name[:-1])) if name[-1] == "2" else (record.first, names.index(name))
        )
        if isinstance(value, list):
            block[row] = value
        else:
            block[row, 0] = value
    return end(proof, 0, record.row(proof, 1 << 50))


@pytest.mark.parametrize(
    "changes",
    [
        {"k": -1}, {"k": -(2**40)}, {"f": -1}, {"k2": -1}, {"s": 0}, {"s2": 0}, {"beta": 0}, {"beta": -75},
        {"f": 0}, {"f": 0, "t": 0}, {"f": 0, "g": 0},
        {"beta": 1 << 24}, {"t": 1 << 60}, {"g": 1 << 57}, {"g": -(1 << 40)}, {"z": 1 << 40}, {"z2": 1 << 40},
        {"f": 1 << 60}, {"s": 1 << 40}, {"s2": 1 << 40}, {"k": 1 << 60},
        {"beta": 2**61 - 1}, {"t": 2**61 - 1},
    ],
)  # fmt: skip
def test_numbers_that_are_no_parabolas_or_leave_exact_arithmetic_are_refused(changes):
    assert lifted() is not None
    assert lifted(**changes) is None


def test_what_stairs_above_read_has_terms_of_its_own_or_is_constant():
    """Stair 3 is 7 throughout where the inputs are 98, 103 and 82 at least; above, all are read."""
    free = {"f": [68475494, 333109540, 297236728, 0], "t": [-761, 19027, -38579, 0], "g": [19, -167, 510, 0]}
    assert lifted(**free) is None
    assert lifted(**free, k2=[0, 0, 0], s2=[1, 1, 1]) is not None
    point = example([[-11, 170, 79, 66], [-50, -74, 17]], LO, LO)
    none = {"f": [0] * 4, "t": [0] * 4, "g": [0] * 4, "beta": [0] * 4}
    assert lifted(**none) is None
    assert lifted(point, **none) is not None
    assert lifted(point, **none) >= int(-SCALE * point.root[0, 18])


def test_stairs_above_are_others_and_read_nothing_else():
    weights = [*WEIGHTS, np.eye(3, dtype=int).tolist()]
    layers = layers_of(weights, [*BIASES, [0] * 3], [2, 0, 1], [(0, 7), (-300, 300), (0, 99)])
    net = read_network(content(layers), "fixed-point")
    net.put(Linear, 1, np.array([[[2, 1, 0]]]), net.outputs[None, None], np.array([9]))
    arrays = {
        "rows": np.array([[int(net.outputs[0]), -SCALE, 0]]), "xi": np.zeros((1, 10), np.int64),
        "parabolas": np.zeros((0, 6), np.int64), "script": np.zeros((0, 4), np.int64),
    }  # fmt: skip
    proof = Proof(net, np.array([LO, HI]), arrays)
    proof.j = int(net.outputs[0])
    for steps, accepted in (
        ((1, 3), True),
        ((1, 5), False),
        ((1, 1), False),
        ((3, 5), False),
        ((1, 2), False),
    ):
        record = deepcopy(SECOND)
        if steps == (3, 5):
            record.first = record.first[:, :3]
        if steps == (1, 1):
            record.above = np.ones((3, 4), np.int64)
        record.above[1] = 10_000
        record.steps = steps
        assert (end(proof, 0, record.row(proof, 1 << 55)) is not None) is accepted, steps


def test_a_row_ends_where_nothing_more_is_said_and_says_nothing_beyond():
    row = SECOND.row(LIFTED, 1 << 50)
    found = end(LIFTED, 0, row)
    assert found == end(LIFTED, 0, np.append(row, [0] * 9))
    assert end(LIFTED, 0, np.append(row, [0, 1])) is None
    row[1] = 0
    assert end(LIFTED, 0, row) is None  # of no stairs
    alone = end(LIFTED, 0, row[:-9])
    assert alone is not None and alone == end(LIFTED, 0, np.append(row[:-9], [0] * 9))
    flat = SECOND.row(LIFTED, 1 << 50)[: 6 + 3 * 4]
    flat[1] = 0
    assert end(LIFTED, 0, flat) == end(LIFTED, 0, np.append(flat, [0] * 16)) is not None
    assert end(LIFTED, 0, flat[:-1]) is None  # without its last slope


def test_the_work_counts_all_variables_of_the_matrix():
    def products(record: Record) -> int:
        row = record.row(LIFTED, 1 << 50)
        LIFTED.heads, LIFTED.weights, LIFTED.tails = np.split(row[None], [3, 6], axis=1)
        LIFTED.script = np.array([[0, 0, 1, 1]])
        return LIFTED.products(10**12)

    flat = deepcopy(SECOND)
    flat.first[3:], flat.above = 0, None
    more = products(SECOND) - products(flat)
    cost = LIFTED.net.cost
    assert more == 12 * (cost + 3 * 12 + 12**2) - 5 * (cost + 3 * 5 + 5**2)
    plain = deepcopy(SECOND)
    plain.first[5:7] = 0  # terms in y alone are variables too
    assert products(plain) == products(SECOND)


def test_what_a_search_says_of_some_elements_of_two_wires_is_what_is_read_of_all():
    proof = example([[0] * 4, [0] * 3])
    places, at = [], 1
    for n in (3, 4, 4, 3, 3):  # the input, then sums and stairs of two layers
        places, at = [*places, np.arange(at, at + n)], at + n
    weights, some, above = np.arange(1, 4), np.array([1, 3]), np.array([0, 2])
    plain = Squares(2, some, np.array([[5, 6], [7, 8], [9, 10]]), 11, weights)
    both = replace(
        plain, upper=4, lifted=np.array([[9, 9], [1, 2], [3, 4], [5, 6], [7, 8]]),
        above_elements=above, above=np.array([[1, 2], [3, 4], [5, 6]]),
    )  # fmt: skip
    rows = [Bounded(np.array([[4, 0, 1, 1, 0]]), {}, squares) for squares in (None, plain, both)]
    script = Script([(Op.RIVAL, 1, 0, 0), (Op.TIGHTEN, 1, 1, 0), (Op.TIGHTEN, 2, 1, 0)], rows, 3)
    arrays = normal(Argument("bounds", script.arrays({2: 4, 4: 3}), tuple(places)), None, 3)
    assert arrays["script"].tolist()[1:] == [[0, 1, 1, 1], [0, 2, 1, 2]]
    read = Proof(proof.net, proof.root[:, 1:4], arrays)
    assert read.heads.tolist() == [[8, 0, 11], [8, 15, 11]]
    assert read.weights.tolist() == [[1, 2, 3]] * 2
    first = np.zeros((8, 4), np.int64)
    first[:3, some] = plain.parabolas
    steps, found = read.curves(0)
    assert steps == [1] and np.array_equal(found, first)
    first[3:, some] = both.lifted
    second = np.zeros((8, 3), np.int64)
    second[:3, above] = both.above
    steps, found = read.curves(1)
    assert steps == [1, 3] and np.array_equal(found, np.hstack([first, second]))
    script = Script(rows=rows[:2], n_rows=2)
    assert script.arrays({2: 4, 4: 3})["parabolas"].shape == (1, 3 * 4)
