"""Bounds with parabolas of one layer of stairs or two: held against every input of small boxes.

The records are random, so that they use every term at once; d_0 is the least that the checker accepts, and
the multipliers are of the size at which bounds are tight. No bound is less than its form at an input.
"""

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network as read_network
from coverify.check.proof import Proof
from coverify.check.steps import Linear, Pieces
from fixed_point_networks import content, layers_of

SCALE = 1 << 12
"""The factor of a bound."""


@dataclass(eq=False)
class Record:
    """Parabolas of the stairs at two steps, without d_0: weights [n]; first [7, m]: z, k, s, beta, t, g, f;
    above [3, k]: z, k, s. Without `above` the array ends after the first stairs.
    """

    steps: tuple[int, int]
    weights: np.ndarray
    first: np.ndarray
    above: np.ndarray | None

    def row(self, proof: Proof, d0: int) -> np.ndarray:
        first, above = (int(proof.net.steps[k].out[0]) for k in self.steps)
        head = [first, 0 if self.above is None else above, d0, *self.weights]
        return np.concatenate([head, self.first.ravel(), () if self.above is None else self.above.ravel()])


def end(proof: Proof, bound: int, row: np.ndarray) -> int | None:
    """The bound, or None where it is refused."""
    proof.heads, proof.weights, proof.tails = np.split(row.astype(np.int64)[None], [3, 3 + proof.n], axis=1)
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


def random_proof(rng: np.random.Generator, layers: int) -> tuple[Proof, np.ndarray, list[int]]:
    """A random relation of a network of narrow stairs, one bound of it, near a good one; the form's values at
    every input of the box; and the shifts of its stairs.
    """
    n, reach = int(rng.integers(1, 4)), int(rng.integers(2, 9))
    sizes = [n, *rng.integers(1, 5, layers)]
    weights, biases, shifts, ranges = [], [], [], []
    lo = rng.integers(0, 255 - reach, n)
    x = np.array(list(itertools.product(*(range(a, a + reach + 1) for a in lo))))
    values = x
    for n_in, n_out in itertools.pairwise(sizes):
        w = rng.integers(-9, 10, (n_out, n_in))
        acc = values @ w.T
        shifts.append(int(rng.integers(1, 5)))
        top = int(rng.choice([1, 3, 7, 15]))
        low = int(rng.choice([0, -top]))
        biases.append(-rng.permuted(acc, axis=0)[0] + rng.integers(-1, (top << shifts[-1]) + 2, n_out))
        weights.append(w)
        ranges.append((low, top))
        half = 1 << shifts[-1] >> 1
        values = np.clip((acc + biases[-1] + half) >> shifts[-1], *ranges[-1])
    net = read_network(content(layers_of(weights, biases, shifts, ranges)), "fixed-point")
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
    _, form = proof.walked([step.corners(proof.root) for step in proof.net.steps], np.array([0]))
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
        found = np.rint(np.stack([z, k2, np.where(np.abs(s) < 1, 1, s), beta, t, g, f])).astype(np.int64)
        found[4:6, found[6] == 0] = 0
        blocks.append(found)
    if not upper:
        return Record((one, one), weights, blocks[0], None)
    first, above = blocks
    reads = proof.net.steps[two].sums.weights[0]
    fixed = proof.root[0, proof.net.steps[one].out] < proof.root[1, proof.net.steps[one].out]
    needed = np.any(reads[above[1] > 0] != 0, axis=0) & fixed & (first[6] == 0)
    first[6, needed] = int(size * 2**24 / len(proof.net.steps[one].values) ** 2) + 1
    least = first[6][first[6] > 0].min(initial=1 << 40)
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


def held_against_every_input(seed: list[int], layers: int, upper: bool) -> tuple[int, int] | None:
    """How far a random bound lies above the form's maximum, and that; None: it was refused."""
    rng = np.random.default_rng(seed)
    proof, form, _ = random_proof(rng, layers)
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


def less_of(block: np.ndarray, i: int, a: int, y: Fraction, y0: int) -> Fraction:
    """What is taken of stair i of a block [7, m], exactly."""
    z, k, _, beta, t, g, f = (int(v) for v in block[:, i])
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
    block = np.array([[rng.integers(lo - 9, hi + 10)], [k], [1], [beta], [t * beta], [g * beta // 4], [f]])
    corners = step.corners(np.array([[0, lo, 0], [0, hi, 0]]), np.array([xi]), *block)
    found = int(step.back(np.array([[0], [0], [nu]]), np.array([[xi]]), corners)[0])
    y0, a = int(values[0] + values[-1]) // 2, np.arange(lo, hi + 1)
    y = values[rule(a, None)]
    true = max(
        nu * own - xi * at - less_of(block, 0, at, Fraction(own), y0)
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
    corners = [step.corners(proof.root) for step in proof.net.steps]
    blocks = {one: record.first}
    if record.above is not None:
        blocks[two] = np.concatenate([record.above, np.zeros((4, record.above.shape[1]), np.int64)])
    for k, block in blocks.items():
        corners[k] = proof.net.steps[k].corners(proof.root, proof.xi[k][0].astype(np.int64), *block)
    total, form = proof.walked(corners, np.array([0]))
    first, y0 = proof.net.steps[one], int(proof.net.steps[one].middle)
    f, linear = record.first[6], first.sums
    box = proof.root[:, 1 : proof.n + 1]
    best = Fraction(-(10**30))
    for ends in itertools.product(*box.T.tolist()):
        x = np.array(ends)
        a = linear.weights[0] @ x + linear.bias
        y = [Fraction(int(v)) for v in proof.root[0, first.out]]

        def value(y: list[Fraction], x: np.ndarray = x, a: np.ndarray = a) -> Fraction:
            left = Fraction(int(total[0]) + int(form[0] @ x))
            left += sum(less_of(record.first, i, int(a[i]), y[i], y0) for i in range(len(a)))
            if record.above is not None:
                upper = proof.net.steps[two].sums
                for j, (row, bias) in enumerate(
                    zip(upper.weights[0].tolist(), upper.bias.tolist(), strict=True)
                ):
                    b = bias + sum(w * own for w, own in zip(row, y, strict=True))
                    left += Fraction(int(record.above[1, j])) * (b - int(record.above[0, j])) ** 2 / (1 << 24)
            return left

        free = np.flatnonzero(f).tolist()
        for _ in range(3):  # along each output in turn: a concave parabola through three points
            for i in free:
                low, middle, high = (value([*y[:i], y0 + Fraction(d), *y[i + 1 :]]) for d in (-1, 0, 1))
                if (bend := low + high - 2 * middle) < 0:
                    y[i] = y0 + Fraction(round((low - high) / (2 * bend) * 1024), 1024)
        best = max(best, value(y))
    return found, best


@pytest.mark.parametrize("seed", range(60))
def test_nor_do_any_real_outputs_of_the_first_stairs_exceed_what_the_matrix_is_paid(seed):
    rng = np.random.default_rng([seed, 4])
    proof, _, _ = random_proof(rng, 2)
    found, best = with_any_outputs(rng, proof, random_record(rng, proof, True))
    assert found > best - 1  # the form is an integer
