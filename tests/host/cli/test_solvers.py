"""coverify verify with solvers, encodings and export, as a user types it."""

from __future__ import annotations

import pytest

from command import coverify
from coverify.verify.engines.packages import PACKAGES
from oracle import NETWORKS

MLP, MLP_X = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"


def verify(*more):
    return coverify("verify", MLP, "--inputs", MLP_X, "--json", "-", *more)


@pytest.mark.parametrize("engine", sorted(PACKAGES))
def test_every_solver_decides_a_digit_and_says_on_what_it_rests(engine):
    if not PACKAGES[engine].installed:
        pytest.skip(f"{PACKAGES[engine].distribution} is not installed")
    done = verify("--eps", 2, "--index", 0, "--engine", engine)
    assert done.code == 0, done
    (row,) = done.result["queries"]
    named = {"eqv": "eqv:intervals"}.get(engine, engine)  # the stage that decided
    assert (row["verdict"], row["engine"]) == ("HOLDS", named)
    assert row["proof"]


def test_what_holds_in_floating_point_is_nowhere_said_to_be_proved(tmp_path):
    """Not in the terminal, its radii included, nor in a report of it."""
    if not PACKAGES["eqv"].installed:
        pytest.skip(f"{PACKAGES['eqv'].distribution} is not installed")
    rests = "not proof-grade (floating point)"
    folders = tmp_path / "eps", tmp_path / "radius"
    for folder, asked in zip(
        folders, (("--eps", 10, "--index", 1), ("--radius", 20, "--index", 0)), strict=True
    ):
        done = coverify("verify", MLP, "--inputs", MLP_X, "--engine", "eqv", "--out", folder, *asked)
        assert done.code == 0, done
        said = " ".join(done.stdout.split())
        assert rests in said.partition(" model ")[0] and "proved" not in said, said  # in the headline
        assert "floating point, not proof-grade" in said.partition(" model ")[2], said  # in the table
        done = coverify("report", folder)
        assert done.code == 0 and "proved" not in done.stdout, done
        page = (folder / "report.html").read_text("utf-8")
        assert f"; {rests}: 1 of them." in page and "proved over the whole region" not in page


def test_a_query_is_written_for_any_solver(tmp_path):
    z3 = pytest.importorskip("z3")
    done = verify("--eps", 1, "--index", "0,3", "--export-smt2", tmp_path)
    assert done.code == 0
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["query-0-eps1.smt2", "query-3-eps1.smt2"]
    solver = z3.SolverFor("QF_BV")
    solver.from_file(str(tmp_path / files[0]))
    assert solver.check() == z3.unsat


@pytest.mark.parametrize(
    "options",
    [
        ("--index", "0,1", "--export-smt2", "one.smt2"),
        ("--encoding", "balanced"),
        ("--encoding", "balanced", "--engine", "interval"),
        ("--encoding", "none", "--engine", "z3"),
        ("--engine", "nobody"),
    ],
)
def test_options_that_do_not_fit_are_bad_input(options):
    done = verify("--eps", 1, *options)
    assert done.code == 2, done
    assert done.result["verdict"] == "ERROR"
