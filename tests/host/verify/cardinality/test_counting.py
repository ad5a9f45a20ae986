"""Counted sums against brute force over all assignments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pysat = pytest.importorskip("pysat", reason="python-sat is not installed: pip install 'coverify[solvers]'")

from coverify.verify.cardinality import VARIANTS  # noqa: E402
from coverify.verify.cardinality import formula as formulas  # noqa: E402
from coverify.verify.cardinality.claim import SOLVER_OF  # noqa: E402
from coverify.verify.cardinality.counting import Counting  # noqa: E402
from coverify.verify.cardinality.encoding import Bounded  # noqa: E402
from coverify.verify.cardinality.formula import Formula  # noqa: E402
from coverify.verify.deadline import Deadline  # noqa: E402
from coverify.verify.errors import CannotDecide  # noqa: E402
from coverify.verify.linear.pieces import table_pieces  # noqa: E402
from coverify.verify.linear.unrolled import Linear  # noqa: E402


def rows_of(variant: str) -> Bounded:
    formula = Formula(SOLVER_OF[variant], Deadline.in_s(60))
    return Bounded(formula, Counting(formula, variant))


def fixed(rows: Bounded, number: int, value: int) -> list[int]:
    """Literals that are true together exactly where the integer has this value."""
    return [rows.at_least(number, value), -rows.at_least(number, value + 1)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_bounds_literal_is_true_exactly_where_the_sum_reaches_it(variant):
    rng = np.random.default_rng(5)
    for _ in range(12):
        rows = rows_of(variant)
        ranges = [(int(lo), int(lo + rng.integers(1, 4))) for lo in rng.integers(-3, 4, 4)]
        numbers = [rows.integer(lo, hi) for lo, hi in ranges]
        factors = rng.choice([-5, -2, -1, 1, 2, 3], 4).tolist()
        form = Linear(dict(zip(numbers, factors, strict=True)), int(rng.integers(-4, 5)))
        every = list(itertools.product(*(range(lo, hi + 1) for lo, hi in ranges)))
        sums = [form.constant + sum(f * v for f, v in zip(factors, x, strict=True)) for x in every]
        bounds = [min(sums), max(sums) + 1, *rng.integers(min(sums), max(sums) + 1, 4).tolist()]
        literals = [rows.reached(form, bound) for bound in bounds]
        for x, total in zip(every, sums, strict=True):
            assumed = [lit for n, v in zip(numbers, x, strict=True) for lit in fixed(rows, n, v)]
            for bound, literal in zip(bounds, literals, strict=True):
                sign = 1 if total >= bound else -1
                assert rows.formula._api.solve(assumptions=[*assumed, sign * literal])
                assert not rows.formula._api.solve(assumptions=[*assumed, -sign * literal])
        rows.formula.close()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_required_bound_leaves_exactly_the_assignments_that_reach_it(variant):
    rng = np.random.default_rng(6)
    for _ in range(20):
        rows = rows_of(variant)
        numbers = [rows.integer(0, 2) for _ in range(4)]
        factors = rng.choice([-3, -1, 1, 2], 4).tolist()
        bound = int(rng.integers(-4, 4))
        rows.require(Linear(dict(zip(numbers, factors, strict=True))), bound)
        for x in itertools.product(range(3), repeat=4):
            assumed = [lit for n, v in zip(numbers, x, strict=True) for lit in fixed(rows, n, v)]
            reaches = sum(f * v for f, v in zip(factors, x, strict=True)) >= bound
            assert rows.formula._api.solve(assumptions=assumed) is reaches
        rows.formula.close()


@pytest.mark.parametrize("variant", VARIANTS)
def test_tables_and_maxima_have_the_values_of_their_arguments(variant):
    rows = rows_of(variant)
    a, b = rows.integer(-2, 3), rows.integer(0, 4)
    table = np.array([4, 4, -1, 7, -1, 0])
    y, top = rows.piecewise(a, table_pieces(table, -2)), rows.maximum([a, b], [(-2, 3), (0, 4)])
    for u, v in itertools.product(range(-2, 4), range(5)):
        assumed = fixed(rows, a, u) + fixed(rows, b, v)
        for number, value in ((y, int(table[u + 2])), (top, max(u, v))):
            for guess in range(-2, 9):
                said = rows.formula._api.solve(assumptions=assumed + fixed(rows, number, guess))
                assert said is (guess == value)


def test_a_formula_beyond_its_size_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(formulas, "MAX_SIZE", 100)
    rows = rows_of("minicard")
    form = Linear({rows.integer(0, 2): 30, rows.integer(0, 1): 7, rows.integer(0, 1): 1})
    with pytest.raises(CannotDecide, match="more than 100 literals"):
        rows.reached(form, 20)


def test_a_solver_that_overstays_is_ended_and_leaves_it_open():
    formula = Formula("minicard", Deadline.in_s(1.0))
    holes = 12  # the pigeonhole principle in clauses: exponential for resolution
    at = [[formula.new() for _ in range(holes)] for _ in range(holes + 1)]
    for pigeon in at:
        formula.clause(pigeon)
    for hole in zip(*at, strict=True):
        for two in itertools.combinations(hole, 2):
            formula.clause([-two[0], -two[1]])
    assert formula.check() == "unknown"
