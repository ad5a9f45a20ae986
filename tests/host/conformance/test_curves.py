"""LOGISTIC, TANH and HARD_SWISH in the open: without a mistake they are the kernels; each mistake shows."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.cli.distinguish.operator import differing_accumulators
from coverify.conformance.diagnosis import curve_variants
from coverify.conformance.diagnosis.candidates import candidates
from coverify.conformance.suite.grids import GRIDS
from coverify.conformance.suite.rivals_grid import rival_cases
from tflm_int8 import Reference

OPERATORS = ("LOGISTIC", "TANH", "HARD_SWISH")


def tables(op: str):
    """(kernel's table, name → variant's table) of every case of the suite."""
    for case in GRIDS[op](op, 0):
        kernel = Reference(case.model).kernels[0]
        yield kernel.values, {n: t for n, _, t in curve_variants.curve_tables(kernel.node)}


@pytest.mark.parametrize("op", OPERATORS)
def test_with_no_step_replaced_they_are_the_kernels(op, monkeypatch):
    """Every variant with its change undone."""
    monkeypatch.setattr(curve_variants, "replace", lambda plain, **change: plain)
    n = 0
    for right, found in tables(op):
        for name, table in found.items():
            n += 1
            np.testing.assert_array_equal(table, right, err_msg=name)
    assert n > 100


@pytest.mark.parametrize("op", OPERATORS)
def test_the_suite_tells_every_variant_from_the_kernel_at_some_scale(op):
    shown: dict[str, bool] = {}
    for right, found in tables(op):
        for name, table in found.items():
            shown[name] = shown.get(name, False) or not np.array_equal(table, right)
    assert [name for name, differs in shown.items() if not differs] == []
    assert len(shown) >= 4


def test_the_variants_are_among_those_that_a_diagnosis_tries():
    case = next(iter(GRIDS["TANH"]("TANH", 0)))
    names = {c.name for c in candidates(Reference(case.model).kernels[0])}
    assert {"one-newton-step-less", "last-shift-ties-up", "radius-exclusive"} <= names


@pytest.mark.parametrize("op", ("LOGISTIC", "TANH"))
def test_scales_that_separate_profiles_have_variants_or_none(op):
    """Such inputs have scales of any size; beyond 8 the integer steps do not exist."""
    kernels = [
        Reference(case.model).kernels[0] for case in rival_cases(op, "tflm", 0, differing_accumulators)
    ]
    assert kernels
    found = {float(k.node.int8(k.node.input(0)).scale): len(list(candidates(k))) for k in kernels}
    assert min(found.values()) > 0
