"""A query as an SMT-LIB file: solvers that read the file agree with brute force, in every encoding."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from coverify.verify.smt import ENCODINGS
from coverify.verify.smt.whole import WholeQuery
from model_builder import Builder
from tflm_int8 import Model, lower
from verify_cases import pixels, tflite

SEEDS = {"literal": range(6)}
"""Of networks, where they are fewer than twelve: the literal encoding takes its solvers longest."""


def read_by_z3(path) -> dict[str, int] | None:
    z3 = pytest.importorskip("z3")
    solver = z3.SolverFor("QF_BV")
    solver.from_file(str(path))
    if solver.check() == z3.unsat:
        return None
    model = solver.model()
    return {d.name(): model[d].as_long() for d in model.decls()}


def read_by_bitwuzla(path) -> dict[str, int] | None:
    api = pytest.importorskip("bitwuzla", reason="bitwuzla is not installed")
    options = api.Options()
    options.set(api.Option.PRODUCE_MODELS, True)
    parser = api.Parser(api.TermManager(), options)
    text = path.read_text()
    parser.parse(text.replace("(check-sat)", ""), True, False)
    solver = parser.bitwuzla()
    if solver.check_sat() == api.Result.UNSAT:
        return None
    names = re.findall(r"declare-const (\S+)", text)
    return {name: int(solver.get_value(parser.parse_term(name)).value(10)) for name in names}


@pytest.mark.parametrize("read", [read_by_z3, read_by_bitwuzla])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_file_is_satisfiable_exactly_when_some_input_loses_the_label(tmp_path, read, encoding):
    seen = set()
    for subject in filter(
        None, (make(seed) for seed in SEEDS.get(encoding, range(12)) for make in (pixels, tflite))
    ):
        whole = WholeQuery.of(subject.problem, encoding, Deadline.never())
        path = tmp_path / f"{subject.name}.smt2"
        path.write_text(whole.smt2(["a comment"]), "ascii")
        values = read(path)
        assert (values is None) == subject.holds, subject.name
        seen.add(subject.holds)
        if values is not None:  # the input as the header says: least value plus xi
            query = subject.problem.query
            x = np.clip(query.x0.astype(np.int64), query.lo, query.hi)
            for name, value in values.items():
                x[int(name[1:])] = query.lo[int(name[1:])] + value
            assert query.contains(x)
            assert int(subject.problem.labels(x[None])[0]) != query.label
    assert seen == {True, False}


def test_of_few_changes_an_input_without_a_variable_keeps_its_base():
    """At most one of three changes: read as the header says, a model has one that does."""
    b = Builder()
    weights = np.array([[3, 0, 0], [0, 1, 0]])
    y = b.fully_connected(b.input((1, 3), 1.0, 0), weights, None, np.ones(2), 1.0, 0)
    program = lower(Model.from_bytes(b.finish(y)))
    query = Robustness.around(np.array([10, 5, 7], np.int16), 0, 20, None, -128, 127)
    problem = Problem(program, dataclasses.replace(query, changes=1))
    whole = WholeQuery.of(problem, "threshold", Deadline.never())
    text = whole.smt2([])
    assert "one without xi keeps its base." in text and "does not matter" not in text
    assert "; At most 1 inputs differ from their base: 10 5 7" in text
    solver = pytest.importorskip("z3").SolverFor("QF_BV")
    solver.from_string(text)
    assert str(solver.check()) == "sat"
    model = solver.model()
    x = query.x0.astype(np.int64)
    for d in model.decls():
        x[int(d.name()[1:])] = query.lo[int(d.name()[1:])] + model[d].as_long()
    assert np.count_nonzero(x != query.x0) == 1 and problem.breaks(x)


def test_the_header_tells_how_to_read_a_model(tmp_path):
    whole = WholeQuery.of(pixels(0).problem, "threshold", Deadline.never())
    lines = whole.smt2(["first"]).splitlines()
    assert lines[0] == "; first"
    assert any(line.startswith("; Least values: ") for line in lines)
    assert "(set-logic QF_BV)" in lines
    assert lines[-1] == "(exit)"
