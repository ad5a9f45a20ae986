"""Parabolas under two layers of stairs: no point of the box exceeds the bound; its proofs are accepted."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import fixed_point_networks
from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.dual import newton, search
from coverify.verify.dual.above import FLAT, REACH, Above, Layer
from coverify.verify.dual.levels import Smooth
from coverify.verify.dual.lifted import Lifted
from coverify.verify.dual.parabolas import Parabolas, Point
from coverify.verify.dual.prover import Prover
from coverify.verify.dual.storeys import Storeys
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from fixed_point_networks import layers_of, outputs

INPUTS, STAIRS, UPPER = 9, 5, 4


def staircase(rng, n, levels):
    """Values, first and last ends [n, levels] of stairs without gaps, from −14 to 14."""
    ends = np.sort(rng.uniform(-14, 14, (n, levels - 1)), axis=1)
    first, last = (
        np.pad(ends, ((0, 0), (1, 0)), constant_values=-14.0),
        np.pad(ends, ((0, 0), (0, 1)), constant_values=14.0),
    )
    return np.cumsum(rng.integers(1, 3, (n, levels)), axis=1).astype(float), first, last


def problem(seed):
    """A form of two layers of stairs; a point for it."""
    rng = np.random.default_rng([seed, 31])
    value, first, last = staircase(rng, STAIRS, 6)
    stairs = Smooth(rng.normal(size=STAIRS), value, first, last)
    weights = rng.normal(size=(STAIRS, INPUTS))
    weights *= 14 / np.abs(weights).sum(axis=1, keepdims=True)
    value2, first2, last2 = staircase(rng, UPPER, 5)
    up = rng.normal(size=(UPPER, STAIRS))
    width = np.abs(up * value[:, -1]).sum(axis=1)
    up *= 20 / width[:, None]
    mu = rng.normal(size=UPPER)
    tilt = -up @ value.mean(axis=1)
    layer = Layer(4, np.arange(UPPER), 9 * rng.normal(size=UPPER), value2, first2, last2, mu, tilt, up)
    above = Above((layer,), mu, up, tilt, np.zeros(UPPER), np.ones(UPPER), 1.0)
    parabolas = Parabolas(stairs, above, weights, rng.normal(size=INPUTS), float(rng.normal()))
    middle = np.rint((value[:, 0] + value[:, -1]) / 2)
    size = (np.full(STAIRS, 0.01), np.full(INPUTS, 1.0))
    point = Point(rng.normal(size=STAIRS), *size, mu + rng.normal(size=UPPER) / 4, 0.5)
    return Lifted(parabolas, above, middle), parabolas, point


def moved(lifted, at, rng, size):
    """Another point, where the matrix is positive."""
    for k in range(40):
        step = size / 2**k
        new = at.moved(step * rng.normal(size=INPUTS), step * rng.normal(size=len(lifted._sign)))
        try:
            if new.least > 0 and lifted.matrix(new).edge > 0:
                return new
        except np.linalg.LinAlgError:
            continue
    raise AssertionError


def at_level(a, first, last, value):
    """The stairs' values where accumulators a [N, n] are, [N, n]."""
    level = (a[:, :, None] >= first[None, :, 1:]).sum(axis=2)
    return np.take_along_axis(np.broadcast_to(value, (len(a), *value.shape)), level[:, :, None], 2)[:, :, 0]


def true_values(lifted, parabolas, z):
    """What is bounded at these inputs [N, n]."""
    above, stairs = parabolas.above, parabolas.stairs
    (layer,) = above.layers
    y = at_level(z @ parabolas.weights.T, stairs.first, stairs.last, stairs.value)
    b = above.tilt + y @ above.per.T
    inside = np.all(np.abs(b) <= 14, axis=1)
    upper = at_level(b, layer.first, layer.last, layer.value)
    own = stairs.nu - above.mu @ above.per
    form = parabolas.constant - above.tilt @ above.mu + z @ parabolas.rest + y @ own + upper @ layer.nu
    return form[inside]


@pytest.mark.parametrize("seed", range(12))
def test_no_input_exceeds_the_bound_at_any_point(seed):
    rng = np.random.default_rng([seed, 32])
    lifted, parabolas, point = problem(seed)
    z = rng.uniform(-1, 1, (4000, INPUTS))
    z[:2000] = np.sign(z[:2000])
    most = true_values(lifted, parabolas, z).max()
    at = lifted.started(point, 0.0)
    for size in (0.0, 0.1, 1.0, 3.0):
        at = moved(lifted, at, rng, size)
        assert lifted.found(at, lifted.matrix(at)).bound >= most - 1e-6
    best = lifted.lowered(at, 60, -np.inf, lambda: None)
    assert best.bound >= most - 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_a_search_ends_below_where_it_began_and_below_parabolas_of_one_layer(seed):
    lifted, parabolas, point = problem(seed)
    start = parabolas.inside(point.xi, point.curve, point.e, 0.2, 0.8)
    one, _ = parabolas.lowered(replace(start, mu=point.mu), 60, -np.inf, False, lambda: None)
    two = lifted.lowered(lifted.started(one.point, one.bound), 120, -np.inf, lambda: None)
    assert two.bound < one.bound - 0.01


def test_the_search_ends_below_the_target_and_asks_before_each_step():
    lifted, _, point = problem(0)
    at, asked = lifted.started(point, 0.0), []
    first = lifted.found(at, lifted.matrix(at)).bound
    assert lifted.lowered(at, 60, first - 1.0, lambda: asked.append(1)).bound < first - 1.0
    assert 0 < len(asked) < 60

    def ended() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        lifted.lowered(at, 60, -np.inf, ended)


def values_along(lifted, at, de, rest, step):
    points = [at.moved(t * step * de, t * step * rest) for t in (-1, 0, 1)]
    return [lifted.descent.value(point, lifted.matrix(point)) for point in points]


@pytest.mark.parametrize("seed", range(4))
def test_the_slopes_are_those_of_the_function(seed):
    """By differences, along directions of each kind of variable."""
    rng = np.random.default_rng([seed, 33])
    lifted, _, point = problem(seed)
    at = moved(lifted, lifted.started(point, 0.0), rng, 0.05)
    slopes, heat = lifted.slopes(at, lifted.matrix(at)), at.own.height
    step = 1e-5
    for part in (*lifted.slices, None):
        de, rest = np.zeros(INPUTS), np.zeros(len(lifted._sign))
        if part is None:
            de = rng.normal(size=INPUTS) * at.own.e
        else:
            rest[part] = rng.normal(size=part.stop - part.start) * 0.1
        low, _, high = values_along(lifted, at, de, rest, step)
        slope = slopes.in_e @ de + slopes.in_rest @ rest
        assert (high - low) / (2 * step) == pytest.approx(slope, rel=1e-4, abs=1e-5)
        ends = [at.moved(t * step * de, t * step * rest) for t in (-1, 1)]
        before, after = (lifted.slopes(end, lifted.matrix(end)) for end in ends)
        change = (after.in_rest - before.in_rest) / (2 * step)
        bend = slopes.across.T @ de + slopes.small @ rest
        bend[lifted.slices[5]] -= (
            FLAT * REACH**2 / heat * rest[lifted.slices[5]]
        )  # a little more than is there
        assert np.abs(change - bend).max() <= 5e-3 * max(1.0, np.abs(bend).max())


@pytest.mark.parametrize(
    "solved, near", [(newton.solved, 1e-6), (lambda slopes: newton.direction(slopes, True), 0.05)]
)
def test_the_direction_solves_for_the_second_derivatives(solved, near):
    rng = np.random.default_rng(5)
    lifted, _, point = problem(3)
    at = moved(lifted, lifted.started(point, 0.0), rng, 0.05)
    slopes = lifted.slopes(at, lifted.matrix(at))
    de, rest = solved(slopes)
    u, z = slopes.inverse.u, slopes.z
    c = u.T @ u + np.diag(1 / slopes.inverse.e)
    own = (2 * np.outer(z, z) + slopes.height * c) * c @ de + slopes.across @ rest
    other = slopes.across.T @ de + slopes.small @ rest
    assert np.allclose(own, -slopes.in_e, rtol=near, atol=near * np.abs(slopes.in_e).max())
    assert np.allclose(other, -slopes.in_rest, rtol=near, atol=near * np.abs(slopes.in_rest).max())


WEIGHTS = [
    [
        [12, -3, 12, 9, -4, -14, 14, -4, 4, -15], [13, 15, 3, 12, 1, -1, -6, 9, 10, 1],
        [7, 14, -7, 7, -11, -2, -12, -4, 14, -9], [-8, 14, -11, 7, -9, -3, 15, 15, 0, -14],
        [-15, 1, -8, -8, 10, 5, -11, -7, 3, 8],
    ],
    [[10, -14, 13, -7, -13], [-7, 1, 8, 14, -9], [11, -12, 3, 1, -8], [9, 5, 8, 3, 3], [13, 7, -8, 2, 15]],
    [[-6, 6, -6, 8, -10], [-13, 4, -3, -5, 6], [-8, -9, -7, -9, 10], [8, 13, 5, -11, -14]],
]  # fmt: skip
BIASES = [[742, -5281, 1156, 1299, 1388], [2926, 764, 2434, -128, 361], [189, 192, 628, -37]]
INPUT, LABEL = [66, 69, 160, 116, 95, 165, 25, 119, 65, 112], 2


@pytest.fixture
def weak(monkeypatch, cases_of_stairs) -> None:
    """So small a network is closed by other bounds: without these."""
    for name, value in (("PLAIN", -1), ("ROUNDS", 2), ("TIGHTENINGS", 0), ("TIGHTEN_EVERY", 1 << 30)):
        monkeypatch.setattr(search, name, value)


@pytest.mark.usefixtures("weak")
def test_a_query_is_closed_by_them_and_the_checker_accepts_it(tmp_path, monkeypatch):
    """Two hidden layers, ten inputs, radius 1: enumeration says that the label stays."""
    arrays = layers_of(WEIGHTS, BIASES, [0, 7, 4], [(0, 63), (0, 15), (-512, 511)])
    content = fixed_point_networks.content(arrays)
    query = Robustness.around(np.array(INPUT), LABEL, 1, None, 0, 255)
    box = itertools.product(*(range(a, b + 1) for a, b in zip(query.lo, query.hi, strict=True)))
    assert np.all(outputs(arrays, np.array(list(box))).argmax(axis=1) == LABEL)
    ends, proof = [], Storeys.proof

    def watched(*args):
        found = proof(*args)
        ends.append(found is not None and found[0] < 0)
        return found

    monkeypatch.setattr(Storeys, "proof", watched)
    prover = Prover.of(Problem(FixedPointNetwork.from_bytes(content).program, query), Deadline.in_s(120))
    assert prover.search.run(prover.roots, 2)
    assert any(ends)
    argument = prover.argument()
    assert any(row.squares is not None and row.squares.upper for row in evidence(prover.roots))
    Certificate(content, "fixed-point", query, argument, "bab").write(tmp_path / "c.zip")
    assert check(tmp_path / "c.zip").label == LABEL


def evidence(roots):
    """What closes the parts of these trees."""
    stack, found = list(roots), []
    while stack:
        node = stack.pop()
        stack += node.parts
        found += [node.closed] if node.closed is not None else []
    return found
