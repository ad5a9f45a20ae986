"""The integer program and the paper's linear one. Expected: brute force over all changes; scipy's simplex."""

import importlib.util
import itertools

import numpy as np
import pytest

from coverify.repair.errors import SolverFault
from coverify.repair.highs import LinearProgram
from coverify.repair.program import Demand, Program, Proposal, solve
from coverify.repair.solvers import Solvers

NEEDED = {"cpsat": "ortools", "highs": "highspy"}


@pytest.fixture(params=["cpsat", "highs"])
def solvers(request):
    if importlib.util.find_spec(NEEDED[request.param]) is None:
        pytest.skip(f"{NEEDED[request.param]} is not installed")
    with Solvers(request.param, 5.0) as made:
        yield made


def random_program(seed: int) -> Program:
    """Three or four weights that move by at most 2; wishes with one or two alternatives, some too far."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 5))
    lo, hi = -rng.integers(0, 3, k), rng.integers(1, 3, k)

    def demand(required: bool) -> Demand:
        positions = int(rng.integers(1, 3))
        rows = rng.integers(-9, 10, (positions, k))
        if required:
            low, high = -rng.integers(0, 12, (1, positions)), rng.integers(0, 12, (1, positions))
        else:
            low = rng.integers(-25, 26, (int(rng.integers(1, 3)), positions))
            high = low + rng.integers(0, 8, low.shape)
        return Demand(rows, low, high)

    wished = tuple(demand(False) for _ in range(int(rng.integers(1, 5))))
    required = tuple(demand(True) for _ in range(int(rng.integers(0, 6))))
    return Program(lo, hi, wished, required, "bytes" if seed % 2 else "size")


def best_by_force(program: Program) -> tuple[int, int, int]:
    """The least cost of all changes that meet every required demand, most important part first."""
    ranges = [range(int(lo), int(hi) + 1) for lo, hi in zip(program.lo, program.hi, strict=True)]
    costs = []
    for delta in itertools.product(*ranges):
        moved = [d.rows @ np.array(delta) for d in program.required]
        if all(np.all((d.lo[0] <= m) & (m <= d.hi[0])) for d, m in zip(program.required, moved, strict=True)):
            met = sum(
                any(
                    np.all((lo <= d.rows @ np.array(delta)) & (d.rows @ np.array(delta) <= hi))
                    for lo, hi in zip(d.lo, d.hi, strict=True)
                )
                for d in program.wished
            )
            changed, size = sum(value != 0 for value in delta), sum(map(abs, delta))
            rest = (changed, size) if program.prefer == "bytes" else (size, changed)
            costs.append((len(program.wished) - met, *rest))
    return min(costs)


def cost(program: Program, delta: np.ndarray) -> tuple[int, int, int]:
    missed = sum(demand.short(delta) > 0 for demand in program.wished)
    changed, size = int(np.count_nonzero(delta)), int(np.abs(delta).sum())
    return (missed, changed, size) if program.prefer == "bytes" else (missed, size, changed)


def test_the_best_change_costs_what_brute_force_says(solvers):
    for seed in range(60):
        program = random_program(seed)
        found = solvers.integers(program)
        assert all(demand.short(found.delta) == 0 for demand in program.required), f"seed {seed}"
        assert found.optimal, f"seed {seed}"
        assert cost(program, found.delta) == best_by_force(program), f"seed {seed}"


def test_the_cost_counts_wishes_before_weights_before_sizes():
    rows = np.array([[1, 1]])
    program = Program(np.array([-5, -5]), np.array([5, 5]), (Demand(rows, np.array([[3]]), np.array([[3]])),))
    one, two, none = (program.cost(np.array(delta)) for delta in ([3, 0], [1, 2], [0, 0]))
    assert one < two < none


def test_an_answer_that_breaks_a_row_it_was_given_is_a_fault():
    stays = Demand(np.array([[1]]), np.array([[-1]]), np.array([[1]]))
    wish = Demand(np.array([[1]]), np.array([[4]]), np.array([[5]]))
    program = Program(np.array([-9]), np.array([9]), (wish,), (stays,))
    with pytest.raises(SolverFault, match="breaks a row"):
        solve(program, lambda asked: Proposal(np.array([4]), True))
    with pytest.raises(SolverFault, match="range"):
        solve(program, lambda asked: Proposal(np.array([10]), True))


def test_a_solver_that_finds_nothing_leaves_the_weights_as_they_are():
    wish = Demand(np.array([[1]]), np.array([[4]]), np.array([[5]]))
    found = solve(Program(np.array([-9]), np.array([9]), (wish,)), lambda asked: Proposal(None, False))
    assert (found.delta.tolist(), found.optimal, found.met.tolist()) == ([0], False, [False])


def test_the_linear_program_has_the_least_greatest_change():
    pytest.importorskip("highspy", reason="highspy is not installed")
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed")
    solved = 0
    with Solvers() as solvers:
        for seed in range(30):
            rng = np.random.default_rng(seed)
            k, n = int(rng.integers(2, 6)), int(rng.integers(1, 8))
            rows, bound = rng.integers(-20, 21, (n, k)), rng.integers(-40, 41, n).astype(float)
            above = rng.random(n) < 0.5
            lower, upper = np.where(above, bound, -np.inf), np.where(above, np.inf, bound)
            most = np.tile([-30.0, 30.0], (k, 1))
            found = solvers.least_change(LinearProgram(rows, lower, upper, most))
            sign = np.where(above, -1, 1)
            a = np.block(
                [
                    [np.eye(k), -np.ones((k, 1))],
                    [-np.eye(k), -np.ones((k, 1))],
                    [sign[:, None] * rows, np.zeros((n, 1))],
                ]
            )
            b = np.concatenate([np.zeros(2 * k), sign * bound])
            expected = optimize.linprog(
                [0.0] * k + [1.0], a, b, bounds=[(-30, 30)] * k + [(0, None)], method="highs"
            )
            assert (found is None) == (expected.status == 2), f"seed {seed}"
            if found is not None:
                solved += 1
                assert np.abs(found).max() == pytest.approx(expected.fun, abs=1e-6), f"seed {seed}"
    assert solved > 10
