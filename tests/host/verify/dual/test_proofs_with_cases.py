"""Proofs with bounds over all cases, on networks small enough that every input of the box is run.

tests/fuzz/cases.py is the long form and says how networks are drawn, and proofs changed.
"""

import importlib.util
import sys

import numpy as np
import pytest

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.dual.search import Search
from fixed_point_networks import content
from oracle import ROOT


@pytest.fixture(scope="module")
def fuzz():
    """The campaign, on boxes of at most 3,000 points."""
    spec = importlib.util.spec_from_file_location("cases", ROOT / "tests" / "fuzz" / "cases.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["cases"] = module  # where its dataclasses look for their annotations
    spec.loader.exec_module(module)
    module.MAX_POINTS = 3000
    return module


pytestmark = pytest.mark.usefixtures("cases_of_stairs")


@pytest.mark.slow
def test_bounds_and_proofs_with_cases_are_true_and_no_changed_proof_of_a_false_claim_is_accepted(
    fuzz, tmp_path, monkeypatch
):
    counts, findings = fuzz.campaign(range(7), 2, 5, tmp_path)
    monkeypatch.setattr(
        fuzz, "LIMIT_S", 30.0
    )  # the next is proved with cases, in half a second or ten times that
    more, others = fuzz.campaign(range(7, 8), 2, 5, tmp_path)
    counts += more
    assert findings == others == []
    assert counts["unchanged bounds: true"] > 30
    assert counts["bounds: true"] > 100
    assert counts["with cases"] >= 1
    assert counts["mutated: rejected"] >= 2


def test_the_proof_of_a_root_that_bounds_of_outer_accumulators_empty_is_accepted(fuzz, tmp_path, monkeypatch):
    monkeypatch.setattr(Search, "_squared", lambda *_: [])  # which would close it before
    case = fuzz.tight(np.random.default_rng([7, 24, 83]))
    problem = case.problem(case.holds)
    proof = fuzz.proved(problem, 20.0)
    assert any(r.tightened and r.boxes is None and r.closed is None and not r.parts for r in proof.roots)
    path = tmp_path / "certificate.zip"
    Certificate(content(case.holds), "fixed-point", problem.query, proof.argument(), "bab").write(path)
    assert check(path).label == case.label
