"""Where the label's logit is at its floor, every earlier class ties with it: one part of a proof, for all
rivals.
"""

import itertools

import numpy as np

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.dual import search
from coverify.verify.dual.prover import Prover
from coverify.verify.dual.search import Counterexample, Search
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from fixed_point_networks import content, layers_of, outputs

SIDE = 9


def _network(rng: np.random.Generator, x: np.ndarray):
    """Three inputs, one or two layers of 5 and 5 classes of 8 levels; at x the last class is ahead, and
    by intervals it may be at its floor.
    """
    sizes = (3, 5, 5, 5) if rng.random() < 0.5 else (3, 5, 5)
    weights, biases, a = [], [], x
    for n_in, n_out in itertools.pairwise(sizes):
        w = rng.integers(-3, 4, (n_out, n_in))
        last = len(weights) == len(sizes) - 2
        ahead = np.append(rng.integers(-60, 1, n_out - 1), rng.integers(30, 200)) if last else 40
        if last:
            w[-1, :2] += (4, -4)  # of two neurons that are alike: intervals do not know it
        else:
            w[1] = w[0]
        weights.append(w)
        biases.append(ahead + (0 if last else rng.integers(-40, 41)) - w @ a)
        a = np.clip((w @ a + biases[-1] + 1) >> 1, 0, 31)
    shifts = [1] * (len(weights) - 1) + [int(rng.integers(3, 6))]
    ranges = [(0, 31)] * (len(weights) - 1) + [(-4, 3)]
    return layers_of(weights, biases, shifts, ranges)


def _proof(arrays, x, label):
    """The trees of a proof, None where an input wins; and the problem."""
    network = FixedPointNetwork.from_bytes(content(arrays))
    problem = Problem(network.program, Robustness.around(x, label, SIDE // 2, None, 0, 255))
    prover = Prover.of(problem, Deadline.in_s(30.0))
    try:
        assert prover.search.run(prover.roots)
    except Counterexample:
        return None, problem
    return prover, problem


def _parts(root):
    return [root, *itertools.chain.from_iterable(_parts(part) for part in root.parts)]


def _divided_first(self, nodes, rounds, bounded=Search.bounded):
    """Parts at whose logits' ends something can be divided are, though their bounds would close them."""
    left = bounded(self, nodes, rounds)
    again = [n for n in nodes if n.closed is not None and self._branching.saturated(n) is not None]
    for node in again:
        node.closed, node.split, node.bound = None, self._branching.saturated(node), 1.0
    return left + again


def test_proofs_that_share_the_floor_are_accepted_and_agree_with_all_inputs_of_the_box(tmp_path, monkeypatch):
    monkeypatch.setattr(Search, "bounded", _divided_first)
    monkeypatch.setattr(search, "chords", lambda *_: [])  # most floors are out of reach once they are known
    shared = held = broken = 0
    for seed in range(26):
        rng = np.random.default_rng([5, seed])
        low = int(rng.integers(0, 60))
        x = np.full(3, low + SIDE // 2)
        arrays = _network(rng, x)
        box = np.array(list(itertools.product(range(low, low + SIDE), repeat=3)))
        classes = outputs(arrays, box).argmax(axis=1)
        label = int(classes[len(box) // 2])
        if label == 0:
            continue
        prover, problem = _proof(arrays, x, label)
        assert (prover is None) == bool(np.any(classes != label)), seed
        broken += prover is None
        if prover is None:
            continue
        held += 1
        floors = {id(p.same) for root in prover.roots for p in _parts(root) if p.same is not None}
        assert len(floors) <= 1
        shared += len(prover.roots) > 1 and bool(floors)
        path = tmp_path / f"{seed}.zip"
        Certificate(content(arrays), "fixed-point", problem.query, prover.argument(), "bab").write(path)
        assert check(path).label == label
    assert held > 8 and broken > 4, (held, broken, shared)
    assert shared > 2, (held, broken, shared)
