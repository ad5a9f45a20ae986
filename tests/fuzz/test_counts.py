"""The record of checked operators is real: every row has models, and a slice of it is checked again."""

import importlib.metadata

import pytest

from fuzz.counts import count
from fuzz.interpreter import Interpreter
from one_op import CASES_OF
from tflm_int8.operators import OPERATORS
from tflm_int8.oracle_record import OracleRecord

pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
RECORD = OracleRecord.read()
LEAST = 150
"""Models per operator: fewer are too few to be called checked."""


@pytest.fixture(scope="module")
def tflm():
    with Interpreter() as interpreter:
        yield interpreter


def test_the_record_is_of_the_oracle_that_is_installed():
    assert (RECORD.oracle, RECORD.version) == ("tflite-micro", importlib.metadata.version("tflite-micro"))


def test_every_operator_is_recorded_and_no_other():
    assert set(RECORD.cases) == set(OPERATORS)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_a_slice_of_the_record_is_equal_to_tflm_again(operator, tflm, tmp_path):
    assert sum(RECORD.cases[operator].values()) >= LEAST
    first, end = RECORD.seeds
    seeds = range(first, end, -(-(end - first) // 2))
    for case in CASES_OF[operator]:
        counted, failures = count(operator, case, seeds, tflm, tmp_path)
        assert not failures
        assert set(counted) <= set(RECORD.cases[operator])
