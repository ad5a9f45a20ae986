"""No step of a proof loses an input: held against every input of small boxes, whatever the proof asks for.

The facts, bounds and multipliers are random, so also such as no engine proposes: facts about the claim's own
row, and bounds of any element. The values at an input are the checker's own; that they are TFLM's is held
elsewhere (test_certificates.py, tests/fuzz/certificates.py).
"""

import importlib.util
import itertools
from copy import deepcopy

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network as read_network
from coverify.check.certificate import one_of
from coverify.check.networks.softmax import Softmax
from coverify.check.proof import Proof
from coverify.check.steps import Highest, Linear, Network, Step
from coverify.study.twin_file import twin_npz
from coverify.verify.fixed_point import FixedPointNetwork
from fixed_point_networks import content, layers_of
from oracle import ROOT

spec = importlib.util.spec_from_file_location("certificates", ROOT / "tests" / "fuzz" / "certificates.py")
fuzz = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)


def random_network(rng: np.random.Generator) -> Network | None:
    """None: one that TFLM refuses, or that has no step."""
    if rng.random() < 0.5:
        return read_network(fuzz.fixed_point_network(rng), "fixed-point")
    try:
        net = read_network(fuzz.tflite_network(rng), str(rng.choice(fuzz.PROFILES)))
    except Rejected:
        return None
    if isinstance(net.steps[-1], Softmax):
        net.outputs = net.steps.pop().pick
    return net if net.steps else None


def two_copies(rng: np.random.Generator) -> Network:
    """Of a network of two or three features, the second reading its first feature from the end."""
    n, m = int(rng.integers(2, 4)), int(rng.integers(1, 4))
    weights, outer = rng.integers(-9, 10, (m, n)), rng.integers(-9, 10, (2, m))
    biases = [rng.integers(-40, 90, m) - weights @ np.full(n, 128), rng.integers(-20, 20, 2)]
    found = layers_of([weights, outer], biases, [int(rng.integers(0, 4)), 1], [(0, 15), (-15, 15)])
    both = twin_npz(FixedPointNetwork.from_bytes(content(found)), (0,))
    return read_network(both, "fixed-point")


def proof_and_values(
    rng: np.random.Generator, net: Network, fixed: tuple[int, ...] = (), reach: int = 30
) -> tuple[Proof, np.ndarray]:
    """A random relation, or of several rows some each, with bounds of random forms; the values at all inputs:
    [N, elements].

    fixed: inputs of one value; the others have at most `reach` each.
    """
    lo = np.array([rng.integers(a, b + 1) for a, b in net.domain.T])
    hi = np.minimum(lo + rng.integers(0, reach, len(lo)), net.domain[1])
    hi[list(fixed)] = lo[list(fixed)]
    x = np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))))
    values = net.boxes(np.stack([x, x]))[0]
    y, net = values[:, net.outputs], deepcopy(net)
    c = rng.integers(-3, 4, (2, y.shape[1]))
    z = y @ c.T
    d = np.array([rng.integers(min(row) - 1, max(row) + 1) for row in z.T])
    if rng.random() < 0.5:
        some = rng.integers(0, 2, (2, int(rng.integers(1, 4))))
        slack = (d - z)[:, some].max(axis=2)
        rows = one_of(net, np.column_stack([c, d]), some)
        values, c, z, d = np.concatenate([values, d - z, slack], axis=1), rows[:, :-1], -slack, rows[:, -1]
    net.put(Linear, 2, c[None], net.outputs[None, None], -d - 1)
    values = np.concatenate([values, z - d - 1], axis=1)
    element = rng.integers(1, values.shape[1], 12)
    scale = rng.choice([1, 1, 16, 256], 12)
    rows = np.stack([element, rng.choice([-1, 1], 12) * scale, rng.integers(0, 40, 12)], axis=1)
    spread = int(rng.choice([1, 20, 300]))
    xi = [multipliers(rng, step, spread) for step in net.steps]
    arrays = {"rows": rows, "xi": np.concatenate(xi, axis=1)}
    none = {"script": np.zeros((0, 4), np.int64), "parabolas": np.zeros((0, 3 + len(lo)), np.int64)}
    return Proof(net, np.stack([lo, hi]), {**arrays, **none}), values


def multipliers(rng: np.random.Generator, step: Step, spread: int) -> np.ndarray:
    """Of any size; of half of all maxima those of means."""
    xi = rng.integers(-spread, spread + 1, (12, step.width))
    return -np.abs(xi) if isinstance(step, Highest) and rng.random() < 0.5 else xi


def some_facts(rng: np.random.Generator, values: np.ndarray) -> list[tuple[int, int, int]]:
    """Of which some are true at some inputs and not at others."""
    facts = []
    for _ in range(int(rng.integers(1, 3))):
        element, sign = int(rng.integers(1, values.shape[1])), int(rng.choice([-1, 1]))
        if rng.random() < 0.5:
            element = values.shape[1] - int(rng.integers(1, 3))  # of the claim
        facts.append((element, sign, int(rng.choice(sign * values[:, element]))))
    return facts


def lost(rng: np.random.Generator, proof: Proof, values: np.ndarray) -> int:
    """Rounds of facts and bounds: how many inputs were there still when nothing was left? −1: some box was.

    Raises AssertionError where a box or a bound leaves out an input that fails the row and keeps the facts.
    """
    proof.j = int(rng.choice(proof.net.outputs))
    left, boxes = values[:, proof.j] >= 0, proof.narrowed(proof.root, [(proof.j, -1, 0)])
    for _ in range(4):
        if boxes is None:
            return int(left.sum())
        assert np.all((boxes[0] <= values[left]) & (values[left] <= boxes[1]))
        for (element, factor, m), fact in zip(
            proof.bounds.tolist(), proof.shown(boxes, 0, 12, 0), strict=True
        ):
            form = factor * values[left, element] + m * values[left, proof.j]
            assert tuple(fact[:2]) == (element, factor)
            assert np.all(form <= fact[2])
        facts = some_facts(rng, values)
        for element, sign, end in facts:
            left &= sign * values[:, element] <= end
        boxes = proof.narrowed(boxes, facts)
    return -1


@pytest.mark.parametrize("seed", range(60))
def test_boxes_and_bounds_leave_out_no_input_that_fails_the_row_and_keeps_the_facts(seed):
    rng = np.random.default_rng([seed, 5])
    net = random_network(rng)
    if net is None:
        return
    proof, values = proof_and_values(rng, net)
    for _ in range(3):
        assert lost(rng, proof, values) <= 0


@pytest.mark.parametrize("seed", range(40))
def test_nor_does_a_bound_of_two_copies_whose_stairs_are_bounded_together(seed):
    rng = np.random.default_rng([seed, 6])
    net = two_copies(rng)
    proof, values = proof_and_values(rng, net, (0, net.domain.shape[1] - 1))
    assert proof.net.steps[1].offset is not None
    for _ in range(6):
        assert lost(rng, proof, values) <= 0


def test_stairs_are_bounded_together_only_where_their_sums_differ_by_constants():
    rng, together = np.random.default_rng(8), 0
    for _ in range(20):
        net = two_copies(rng)
        halves = np.split(net.steps[0].weights[0], 2)
        for fixed in ((), (0,), (net.domain.shape[1] - 1,)):
            proof = proof_and_values(rng, net, fixed, reach=4)[0]
            lo, hi = proof.root[:, net.steps[0].columns[0, 0]]
            both = bool(np.any(lo == hi) and np.all((halves[0] == halves[1]) | (lo == hi)))
            assert (proof.net.steps[1].offset is not None) == both
            assert all(getattr(step, "offset", None) is None for step in proof.net.steps[2:])
            together += both
    assert 0 < together < 40
