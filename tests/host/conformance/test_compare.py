"""The comparison's verdicts and evidence, on a scripted device (real ones: test_conform_on_devices.py)."""

import numpy as np
import pytest

from coverify.cli.diagnose import summary
from coverify.conformance.compare import Comparison, Tally, compare, told
from coverify.errors import LinkError
from model_builder import Builder
from oracle import NETWORKS
from tflm_int8 import Model, Reference

MODEL = Model.read(NETWORKS / "digits_mlp.tflite")
REFERENCE = Reference(MODEL)
X = np.load(NETWORKS / "digits_mlp.npz", allow_pickle=False)["x"][:5]


class Scripted:
    """A device that computes the reference, but for what `spoil` does to the n-th trace."""

    def __init__(self, spoil):
        self.spoil, self.n = spoil, 0

    def trace(self, sample):
        (x,) = sample
        tensors = {t: v[0].copy() for t, v in REFERENCE.trace(x[None]).items()}
        self.spoil(self.n, tensors)
        self.n += 1
        return tensors


def compared(spoil) -> Comparison:
    comparison = Comparison(MODEL)
    compare(comparison, REFERENCE, Scripted(spoil), X)
    return comparison


def test_equal_bytes_are_a_match_and_every_byte_is_counted():
    comparison = compared(lambda n, tensors: None)
    assert comparison.verdict == "MATCH"
    assert comparison.bytes_compared == len(X) * (32 + 10)
    assert [row.compared_samples for row in comparison.rows()] == [5, 5]


def test_bytes_that_differ_again_and_again_are_a_mismatch_at_the_first_operator_and_element():
    first = MODEL.operators[0].outputs[0]

    def spoil(n, tensors):
        for tensor in tensors.values():
            tensor[0, 7] ^= 1

    comparison = compared(spoil)
    assert comparison.verdict == "MISMATCH"
    mismatch = comparison.mismatches[0]
    expected = int(REFERENCE.trace(X[:1])[first][0, 0, 7])
    assert (mismatch.sample, mismatch.op_index, mismatch.tensor, mismatch.element) == (0, 0, first, (0, 7))
    assert (mismatch.expected, mismatch.got) == (expected, expected ^ 1)
    assert mismatch.count == 1
    assert mismatch.repeated
    assert comparison.rows()[0].max_abs_diff == 1


def test_another_answer_to_the_same_input_is_flaky():
    def spoil(n, tensors):
        if n == 1:
            tensors[MODEL.outputs[0]][0, 3] ^= 0x40

    comparison = compared(spoil)
    assert comparison.verdict == "FLAKY"
    assert comparison.mismatches[0].sample == 1
    assert not comparison.mismatches[0].repeated


def test_nothing_compared_is_not_a_match():
    assert Comparison(MODEL).verdict == "UNKNOWN"


def test_a_difference_that_could_not_be_asked_for_again_is_not_counted():
    def spoil(n, tensors):
        if n == 2:
            raise LinkError("gone")
        if n == 1:
            tensors[MODEL.outputs[0]][0, 3] ^= 0x40

    comparison = Comparison(MODEL)
    with pytest.raises(LinkError):
        compare(comparison, REFERENCE, Scripted(spoil), X)
    assert (comparison.verdict, comparison.samples, comparison.mismatches) == ("MATCH", 1, [])
    assert [(row.compared_samples, row.mismatching_samples) for row in comparison.rows()] == [(1, 0), (1, 0)]


@pytest.mark.parametrize("n", [1, 64, 65, 130])
def test_progress_reaches_the_number_of_samples(n):
    comparison, seen = Comparison(MODEL), []
    x = np.resize(X, (n, *X.shape[1:]))
    compare(
        comparison, REFERENCE, Scripted(lambda n, t: None), x, lambda done, total: seen.append((done, total))
    )
    assert seen == [(i + 1, n) for i in range(n)]
    assert comparison.samples == n


@pytest.mark.parametrize(
    ("code", "dtype", "said"),
    [
        (-3, "int8", "-3"),
        (-1086874078, "float32", "-0.71725667 (0xbf379e22)"),
        (15360, "float16", "1.0 (0x3c00)"),
    ],
)
def test_floats_are_told_as_numbers_with_their_bits(code, dtype, said):
    assert told(code, dtype) == said


def test_elements_whose_difference_no_int64_holds_differ():
    tally = Tally()
    zeros = np.zeros(2, np.uint64)
    assert not tally.count(zeros, zeros)
    assert tally.count(zeros, np.array([0, 1 << 63], np.uint64))
    assert (tally.samples, tally.differing, tally.max_abs_diff) == (2, 1, 1 << 63)


def test_an_operator_that_writes_other_floats_is_named():
    b = Builder()
    y = b.op("DEQUANTIZE", [b.input((1, 4), 0.5, -1)], b.tensor((1, 4), "float32"))
    model = Model.from_bytes(b.finish(y))
    comparison = Comparison(model)
    right = {t: v[0] for t, v in Reference(model).trace(np.full((1, 1, 4), 3, np.int8)).items()}
    wrong = {t: v + np.float32(1) for t, v in right.items()}
    comparison.add(0, right, wrong, lambda: wrong)
    assert summary((), comparison) == (
        "op 0 DEQUANTIZE, element [0, 0] of sample 0: expected 2.0 (0x40000000), the device has 3.0 "
        "(0x40400000); floats are compared, and not explained"
    )
