"""Pairs of small programs with a region whose verdict is known by brute force.

The second program is the first with something changed: a rounding, a multiplier, a weight, a bias, a table's
entry, a zero point; or nothing at all. Every point of the region is run on each program by itself.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.engines.enumerate import points
from coverify.verify.equivalence.claim import Question
from coverify.verify.equivalence.sides import Pair, Side
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Robustness
from tflm_int8.fixedpoint import Rounding
from tflm_int8.program.concrete import run
from tflm_int8.program.linear import Convolution, Dense
from tflm_int8.program.primitives import Affine, Program, Requantize, Staircase, Step, Table, Term


@dataclass(frozen=True, eq=False)
class Case:
    """A pair, a region, and whether nothing in the region tells the two apart."""

    pair: Pair
    region: Robustness
    holds: bool


class InProcess:
    """A worker without child processes."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def decide(self, query: Robustness, engine: str, timeout_s: float, seed: int) -> Outcome:
        return solve(engine, Problem(self.program, query), Deadline.in_s(timeout_s), seed)


def side(name: str, program: Program) -> Side:
    return Side(name, program, lambda x: run(program, x)[program.output])


def case(problem: Problem, rng: np.random.Generator, question: Question) -> Case:
    """The problem's program and box, and the program with one kind of change."""
    first, region = problem.program, problem.query
    second = changed(first, rng)
    tolerance = int(rng.choice([0, 0, 0, 1, 3])) if question is Question.OUTPUT else 0
    pair = Pair(side("first", first), side("second", second), question, tolerance)
    return Case(pair, region, holds(pair, region))


def holds(pair: Pair, region: Robustness) -> bool:
    x = points(region, 0, region.n_points)
    a, b = (run(s.program, x)[s.program.output] for s in (pair.first, pair.second))
    if pair.question is Question.CLASS:
        return bool(np.all(a.argmax(axis=1) == b.argmax(axis=1)))
    return bool(np.all(np.abs(a - b) <= pair.tolerance))


def changed(program: Program, rng: np.random.Generator) -> Program:
    """One kind of change at every step that it fits, or at one of them."""
    kind = rng.choice(["rounding", "multiplier", "weight", "bias", "entry", "zero", "nothing"])
    fits = [k for k, s in enumerate(program.steps) if _changed(s, kind, np.random.default_rng(0)) is not s]
    chosen = set(fits) if rng.random() < 0.5 else set(rng.permutation(fits)[:1].tolist())
    steps = tuple(_changed(s, kind, rng) if k in chosen else s for k, s in enumerate(program.steps))
    return dataclasses.replace(program, steps=steps)


def _changed(step: Step, kind: str, rng: np.random.Generator) -> Step:
    match step:
        case Staircase() if isinstance(step.rule, Requantize) and kind in ("rounding", "multiplier", "zero"):
            return dataclasses.replace(step, rule=_rule(step.rule, kind, rng))
        case Affine() if kind == "bias":
            return dataclasses.replace(step, bias=step.bias + rng.integers(-1, 2, len(step.bias)))
        case Affine() if kind == "weight":
            terms = tuple(_term(t, rng) for t in step.terms)
            return dataclasses.replace(step, terms=terms)
        case Table() if kind == "entry":
            values = step.values.copy()
            values[rng.integers(0, 256, 9)] += 1
            return dataclasses.replace(step, values=np.clip(values, -128, None))
        case _:
            return step


def _rule(rule: Requantize, kind: str, rng: np.random.Generator) -> Requantize:
    if kind == "rounding":
        other = Rounding.SINGLE if rule.rounding is Rounding.DOUBLE else Rounding.DOUBLE
        return dataclasses.replace(rule, rounding=other)
    if kind == "zero":
        return dataclasses.replace(rule, zero_point=rule.zero_point + 1)
    moved = rule.multiplier + rng.integers(-1 << int(rng.integers(1, 24)), 1 << 10, len(rule.multiplier))
    return dataclasses.replace(rule, multiplier=np.clip(moved, 1 << 30, (1 << 31) - 1))


def _term(term: Term, rng: np.random.Generator) -> Term:
    match term.map:
        case Dense(weights):
            hit = rng.random(weights.shape) < 0.2
            return dataclasses.replace(term, map=Dense(weights + hit * rng.integers(-2, 3, weights.shape)))
        case Convolution(window, filters, groups):
            return dataclasses.replace(
                term, map=Convolution(window, filters + rng.integers(-1, 2, filters.shape), groups)
            )
        case _:
            return term
