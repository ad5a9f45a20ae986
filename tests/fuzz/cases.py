#!/usr/bin/env python3
"""Proofs that bound all cases of the first stairs at once, held against every input of their boxes.

Random fixed-point networks of one or two hidden layers, whose label's bias is moved so that the smallest
margin in the box, by enumeration, is what the label needs and a little more, or one less. The search is
weakened (few steps of descent, nothing narrowed), so that cases decide. A verdict must be that of the
enumeration; the checker must accept every proof, and none of a network with one less, whatever is changed in
it; and every bound over cases that it then finds must be no less than the form at any input.

    python tests/fuzz/cases.py --networks 1000
"""

# ruff: noqa: E402  (the tests' own modules must be found before the imports)

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from unittest import mock

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from certificates import array, members, packed, saved

from coverify.check import Rejected, check
from coverify.check.certificate import label_stays
from coverify.check.certificate import network as read_network
from coverify.check.proof import TIGHTEN, Proof
from coverify.check.steps import Linear
from coverify.verify.certificate import Certificate, normal
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.dual import branching, search
from coverify.verify.dual.outer import facts
from coverify.verify.dual.places import places
from coverify.verify.dual.prover import Prover
from coverify.verify.dual.tree import Op, Script
from coverify.verify.errors import CannotDecide
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Argument, Robustness
from fixed_point_networks import Arrays, content, layers_of, outputs, points

MAX_POINTS = 120_000
LIMIT_S = 1.2
TOP = (-512, 511)
"""The range of the outputs."""
PROOF = ("script", "rows", "xi", "parabolas")
WEAK = {"PLAIN": -1, "ROUNDS": 2, "TIGHTENINGS": 0, "TIGHTEN_EVERY": 1 << 30}


@dataclass(frozen=True, eq=False)
class Tight:
    """A network whose label just stays within the radius, one whose label just does not, and the query."""

    holds: Arrays
    violated: Arrays
    x0: np.ndarray
    eps: int
    label: int

    @cached_property
    def wires(self) -> list[np.ndarray]:
        """Of the one that holds, at every input."""
        return wires(self.holds, points(self.x0, self.eps))

    def problem(self, arrays: Arrays) -> Problem:
        program = FixedPointNetwork.from_bytes(content(arrays)).program
        return Problem(program, Robustness.around(self.x0, self.label, self.eps, None, 0, 255))


def network(rng: np.random.Generator, x0: np.ndarray, eps: int) -> Arrays:
    """Neurons of 2 to 8 bits, at x0 near one of their clamps; the last layer's outputs far from theirs."""
    sizes = [
        len(x0),
        *rng.integers(4, int(rng.choice([7, 13])), int(rng.integers(1, 3))),
        int(rng.integers(2, 5)),
    ]
    weights, biases, shifts, ranges = [], [], [], []
    x, reach = x0.astype(np.int64), float(eps)
    for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        w = rng.integers(-15, 16, (n_out, n_in))
        if k == len(sizes) - 2:
            width = reach * np.abs(w).sum(axis=1).mean()
            shift = max(0, int(np.ceil(np.log2(max(1.0, width / rng.choice([60, 400]))))))
            bias = rng.integers(-20, 21, n_out) - w @ x
            return layers_of([*weights, w], [*biases, bias], [*shifts, shift], [*ranges, TOP])
        top = 2 ** int(rng.integers(2, 9)) - 1
        width = reach * np.abs(w).sum(axis=1).mean()
        shift = int(np.clip(np.log2(max(1.0, width / rng.uniform(1, top))), 0, 30))
        at = rng.choice([0, top], n_out) * 2**shift
        biases.append(at - w @ x + rng.integers(-int(width / 2) - 1, int(width / 2) + 2, n_out))
        weights, shifts, ranges = [*weights, w], [*shifts, shift], [*ranges, (0, top)]
        x = np.clip((w @ x + biases[-1]) >> shift, 0, top)
        reach = min(top, width / 2**shift)
    raise AssertionError


def tight(rng: np.random.Generator) -> Tight | None:
    """None where the outputs do not vary, or a clamp keeps the margin from being moved."""
    eps = int(rng.integers(1, 4))
    most = int(np.log(MAX_POINTS) / np.log(2 * eps + 1))
    x0 = rng.integers(eps, 256 - eps, int(rng.integers(4, min(8, most) + 1)))
    arrays = network(rng, x0, eps)
    y = outputs(arrays, points(x0, eps))
    last, label = int(arrays["n_layers"]) - 1, int(rng.integers(y.shape[1]))
    need = (np.arange(y.shape[1]) < label).astype(np.int64)
    margin = np.delete(y[:, [label]] - y - need, label, axis=1).min()
    moved = [arrays[f"b{last}"].copy() for _ in range(2)]
    more = int(rng.choice([0, 0.2, 0.4, 0.6]) * np.ptp(y, axis=0).max())
    for k in range(2):
        moved[k][label] -= (margin + (k or -more)) << int(arrays[f"shift{last}"])
    case = Tight(*({**arrays, f"b{last}": b} for b in moved), x0, eps, label)
    if np.ptp(y, axis=0).max() < 2 or not holds(case, case.holds) or holds(case, case.violated):
        return None
    return case


def holds(case: Tight, arrays: Arrays) -> bool:
    """By enumeration."""
    return bool(np.all(outputs(arrays, points(case.x0, case.eps)).argmax(axis=1) == case.label))


@dataclass(frozen=True)
class Processor(Deadline):
    """A moment of the processor's time."""

    @property
    def remaining(self) -> float:
        return max(0.0, self.at_s - time.process_time())

    def check(self) -> None:
        if not self.remaining:
            raise OutOfTime


def proved(problem: Problem, limit_s: float | None = None) -> Prover | np.ndarray | None:
    """Closed trees, a counterexample, or None: not decided."""
    with mock.patch.multiple(search, **WEAK):
        try:
            prover = Prover.of(problem, Processor(time.process_time() + (limit_s or LIMIT_S)))
            prover.search.run(prover.roots, 2)
        except search.Counterexample as found:
            return found.x
        except (OutOfTime, CannotDecide):
            return None
    return prover


def root_bounds(problem: Problem) -> dict[str, bytes]:
    """Bounds over all cases of the whole box, of every claim and every outer accumulator, as members."""
    deadline, script, n = Deadline.in_s(60), Script(), len(problem.query.lo)
    one = Prover.of(problem, deadline).search
    stacked = [(lo[None], hi[None]) for lo, hi in one.boxes]
    for node in Prover.of(problem, deadline).roots if one.cases is not None else []:
        row = one._rows([node])
        row.m = np.ones(1)
        found = one.cases.bound(row, stacked, one._pair.linear(node, {}), -np.inf)
        if found is not None and found.evidence is not None:
            script.steps += [
                (Op.RIVAL, node.rival.rival, 0, 0),
                (Op.CLOSE, script._put(found.evidence), 0, 0),
            ]
    for row in facts(one.relaxation, one.team, one.boxes) if one.team is not None else []:
        script.steps.append((Op.TIGHTEN, script._put(row), len(row.targets), 0))
    arrays = script.arrays({w: len(one.boxes[w][0]) for w in one.relaxation.scalars})
    arrays = normal(Argument("bounds", arrays, places(problem.program, one.relaxation.logits)), None, n)
    arrays["box"] = np.stack([problem.query.lo, problem.query.hi]).astype(np.int64)
    return {f"{name}.npy": saved(values) for name, values in arrays.items()}


def changed(rng: np.random.Generator, parts: dict[str, bytes]) -> str:
    """One to three numbers of the proof, or of its cases; which member it was."""
    names = [n for n in parts if n.endswith(".npy") and n != "box.npy"]
    weight = np.array([4.0 if n == "parabolas.npy" else 1.0 for n in names])
    name = str(rng.choice(names, p=weight / weight.sum()))
    values = array(parts[name])
    if rng.random() < 0.1 and len(values) > 1:
        values = np.delete(values, int(rng.integers(len(values))), axis=0)
    for _ in range(int(rng.integers(1, 4)) if values.size else 0):
        row, column = (int(rng.integers(n)) for n in values.shape)
        old = int(values[row, column])
        news = [0, -old, old + 1, old - 1, old // 2, old * 2, int(old * rng.normal(1, 0.01)), old - 2**30]
        values[row, column] = np.clip(news[int(rng.integers(len(news)))], -(2**62), 2**62)
        if rng.random() < 0.1:
            values[:, column] = (values[:, column].astype(float) * rng.uniform(0.8, 1)).astype(np.int64)
    parts[name] = saved(values)
    return name


def lifted(rng: np.random.Generator, case: Tight, parts: dict[str, bytes]) -> None:
    """Each record's parabolas with random terms in the first stairs' outputs, and mostly parabolas of those
    above: of a size at which its matrix is likely to bear them, with a little more for d_0.
    """
    rows, w = array(parts["parabolas.npy"]), case.holds["w1"].astype(np.int64)
    (m, n), k, found = case.holds["w0"].shape, len(w), []
    for head, parabolas in ((row[: 3 + n].copy(), row[3 + n :]) for row in rows):
        z, curve, slope = (v.astype(float) for v in parabolas[: 3 * m].reshape(3, m))
        size, one = curve.max(initial=0) or 1.0, np.abs(slope).max(initial=0) or 1.0
        step = 2.0 ** int(case.holds["shift0"])
        f = np.ceil(size * step**2 * rng.uniform(0.01, 1, m))
        beta = np.clip(one * 2.0**23 / np.sqrt(f * size) * rng.uniform(0.5, 2, m), 1, 2**23)
        levels, share = rng.uniform(0, 9, m), float(rng.choice([0, 0.01, 0.1]))
        t, g = (share * beta * size / 2**24 * step * x * rng.normal(size=m) for x in (step * levels, levels))
        bears = f.min() / (1 + np.linalg.norm(w, 2) ** 2)
        k2 = np.ceil(bears * rng.uniform(0, 0.8, k)) * (rng.random(k) < 0.8)
        s2 = np.ceil(one * np.sqrt(k2 / size)) * rng.choice([-1, 1], k) + (k2 == 0)
        z2 = case.wires[3].mean(axis=0) + rng.normal(size=k)
        head[1] = 1 + n + 2 * m + k if (upper := rng.random() < 0.8) else 0
        head[2] += int(abs(head[2]) * float(rng.choice([0, 0.05, 1])))
        y0 = rng.integers(-2, 300, m) if rng.random() < 0.5 else levels
        numbers = [z, curve, slope, y0, beta, t, g, f, *((z2, k2, s2) if upper else (0 * z2,) * 3)]
        found.append(np.concatenate([head, *(np.rint(v).astype(np.int64) for v in numbers)]))
    parts["parabolas.npy"] = saved(np.stack(found))


def accepted(data: bytes, path: Path) -> bool:
    path.write_bytes(data)
    try:
        check(path)
    except Rejected:
        return False
    return True


def wires(arrays: Arrays, x: np.ndarray) -> list[np.ndarray]:
    """The input, then every layer's accumulators and outputs: int64 [N, n] each."""
    found = [x]
    for k in range(int(arrays["n_layers"])):
        found.append(found[-1] @ arrays[f"w{k}"].astype(np.int64).T + arrays[f"b{k}"])
        one = {name: arrays[f"{name}{k}"] for name in ("w", "b", "shift", "lo", "hi")}
        found.append(
            outputs({f"{name}0": v for name, v in one.items()} | {"n_layers": np.array(1)}, found[-2])
        )
    return found


def bounds_are_true(case: Tight, parts: dict[str, bytes]) -> Counter:
    """Bounds over cases that the checker finds in these members, against their forms at every input."""
    said, net = Counter(), read_network(content(case.holds), "fixed-point")
    held = {name[:-4]: array(data) for name, data in parts.items() if name.endswith(".npy")}
    box, at = held["box"], list(case.wires)
    try:
        claim = label_stays(len(at[-1][0]), case.label)
        net.put(Linear, len(claim), claim[None, :, :-1], net.outputs[None, None], -claim[:, -1] - 1)
        proof = Proof(net, box, {k: v for k, v in held.items() if k in PROOF})
    except Rejected:
        return said
    z = at[-1] @ claim[:, :-1].T - claim[:, -1] - 1
    x = np.concatenate([np.zeros((len(z), 1), np.int64), *at, z], axis=1)
    alone = {(step[1], step[3]) for step in proof.script.tolist() if step[0] == TIGHTEN and step[3]}
    for j, (k, q) in itertools.product(
        np.flatnonzero(np.arange(len(claim)) != case.label).tolist(), sorted(alone)
    ):
        proof.j = int(net.outputs[j])
        try:
            ((element, factor, found),) = proof.shown(proof.root, k, 1, q)
        except (Rejected, IndexError, ValueError, OverflowError, np.linalg.LinAlgError):
            said["bounds: refused"] += 1
            continue
        m = int(held["rows"][k, 2])
        large = abs(factor) + m > 2**40
        value, row = (v.astype(object if large else np.int64) for v in (x[:, element], z[:, j]))
        true = factor * value + m * row
        said["bounds: " + ("true" if found >= true.max() else "FALSE")] += 1
    return said


def roots_held_against(case: Tight, rng: np.random.Generator, mutations: int) -> Counter:
    """The bounds of the whole box, as found, lifted and changed, against every input of it."""
    found = root_bounds(case.problem(case.holds))
    if not len(array(found["parabolas.npy"])):
        return Counter()
    said = bounds_are_true(case, found)
    said = Counter({f"unchanged {key}": n for key, n in said.items()})
    for number in range(mutations):
        parts = dict(found)
        if number % 2:
            lifted(rng, case, parts)
            if number % 4 == 1:
                said += Counter({f"lifted {key}": n for key, n in bounds_are_true(case, parts).items()})
        changed(rng, parts)
        said += bounds_are_true(case, parts)
    return said


def held_against(case: Tight, rng: np.random.Generator, mutations: int, path: Path) -> Counter:
    """What was said of one network; every word in capitals is a finding."""
    said = roots_held_against(case, rng, mutations)
    broken = proved(case.problem(case.violated))
    said[
        "violated: " + ("PROVED" if isinstance(broken, Prover) else "found" if broken is not None else "open")
    ] += 1
    proof = proved(case.problem(case.holds))
    said["holds: " + ("proved" if isinstance(proof, Prover) else "open" if proof is None else "REFUTED")] += 1
    if not isinstance(proof, Prover):
        return said
    query = case.problem(case.holds).query
    data = Certificate(content(case.holds), "fixed-point", query, proof.argument(), "bab").to_bytes()
    said["certificate: " + ("accepted" if accepted(data, path) else "REJECTED")] += 1
    if not len(array(members(data)["parabolas.npy"])):
        return said
    said["with cases"] += 1
    for _ in range(mutations):
        parts = members(data)
        true = rng.random() < 0.6
        parts["model.npz"] = content(case.holds if true else case.violated)
        if rng.random() < 0.3:
            lifted(rng, case, parts)
        for _ in range(int(rng.integers(0, 3))):
            changed(rng, parts)
        if true:
            said += bounds_are_true(case, parts)
        if accepted(packed(parts), path):
            said["mutated: accepted, true" if true else "mutated: ACCEPTED, FALSE"] += 1
        else:
            said["mutated: rejected"] += 1
    return said


def campaign(networks: range, seed: int, mutations: int, folder: Path) -> tuple[Counter, list[int]]:
    """The counts, and the numbers of the networks with findings."""
    counts, findings = Counter(), []
    for number in networks:
        rng = np.random.default_rng([seed, number, 83])
        case = tight(rng)
        if case is None:
            continue
        said = held_against(case, rng, mutations, folder / "certificate.zip")
        counts += said
        if number % 10 == 9:
            print(f"{number + 1} networks: {dict(counts)}", flush=True)
        if any(part.isupper() for key in said for part in key.replace(",", " ").split()):
            findings.append(number)
            print(f"network {number} of seed {seed}: {dict(said)}", flush=True)
    return counts, findings


def main() -> int:
    """Run a campaign and print the counts."""
    parser = argparse.ArgumentParser(description="proofs with cases against enumeration")
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--mutations", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    every = mock.patch.object(branching, "FEW", -1)  # else inputs as few as these are what is divided
    with every, tempfile.TemporaryDirectory(prefix="cases-") as folder:
        counts, findings = campaign(range(options.networks), options.seed, options.mutations, Path(folder))
    for key, n in sorted(counts.items()):
        print(f"{key:28} {n}")
    print(f"findings: {findings}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
