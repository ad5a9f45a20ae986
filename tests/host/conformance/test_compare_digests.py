"""Comparing by digests: equal ones prove every byte, a different one has the bytes fetched from there on."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest

from coverify.boards.device import open_device
from coverify.conformance.compare import Comparison, compare, compare_digests
from coverify.conformance.sequences import Sequences
from coverify.conformance.stepping import Digests, Stepper
from coverify.conformance.vectors import Samples, int8_element, vectors
from coverify.errors import LinkError
from coverify.link.checks import InlineInput, SentInput, VectorInput
from oracle import NETWORKS
from tflm_int8 import Model, Reference, sample_shape

MODEL = Model.read(NETWORKS / "digits_cnn.tflite")
REFERENCE = Reference(MODEL)
SHAPE = sample_shape(REFERENCE.input)
GIVEN = np.load(NETWORKS / "digits_cnn.npz", allow_pickle=False)["x"][:70]
X = np.concatenate([GIVEN, vectors(SHAPE, 10, 3, -5)])
SAMPLES = Samples(X, len(GIVEN), 3, (int8_element(-5),))
ALL_BYTES = sum(MODEL.tensors[t].size for op in MODEL.operators for t in op.outputs)


class Scripted:
    """A device that computes the reference, but for what `spoil(fetched, sample, tensors)` does to it."""

    max_payload = 4096

    def __init__(self, spoil):
        self.spoil, self.fetched = spoil, []

    def tensors(self, x, fetched):
        tensors = {t: v[0].copy() for t, v in REFERENCE.trace(x[None]).items()}
        sample = next(i for i, one in enumerate(X) if np.array_equal(one, x))
        self.spoil(fetched, sample, tensors)
        return tensors

    def digests(self, given, *, successive=False):
        for _, (x,) in given:
            tensors = self.tensors(x, False)
            short = {t: hashlib.sha256(v.tobytes()).digest()[:16] for t, v in tensors.items()}
            yield Digests(short, ())

    def trace_from(self, op, given, sample):
        (x,) = sample
        self.fetched.append(op)
        wanted = {t for o in MODEL.operators[op:] for t in o.outputs}
        return {t: v for t, v in self.tensors(x, True).items() if t in wanted}

    def traces(self, x):
        return [self.tensors(one, True) for (one,) in x]


def compared(spoil):
    comparison, device = Comparison(MODEL), Scripted(spoil)
    compare_digests(comparison, REFERENCE, device, SAMPLES)
    return comparison, device


def test_equal_digests_are_a_match_of_every_byte_and_nothing_is_fetched():
    comparison, device = compared(lambda *_: None)
    assert (comparison.verdict, comparison.samples, device.fetched) == ("MATCH", len(X), [])
    assert comparison.bytes_compared == len(X) * ALL_BYTES


def test_a_tensor_that_differs_is_a_mismatch_at_its_operator_and_element():
    tensor = MODEL.operators[3].outputs[0]

    def spoil(fetched, sample, tensors):
        if sample in (5, 66):
            tensors[tensor].reshape(-1)[7] ^= 4

    comparison, device = compared(spoil)
    assert comparison.verdict == "MISMATCH"
    assert [(m.sample, m.op_index, m.tensor, m.count) for m in comparison.mismatches] == [
        (5, 3, tensor, 1), (66, 3, tensor, 1),
    ]  # fmt: skip
    assert all(m.repeated for m in comparison.mismatches)
    assert device.fetched == [3] * 4, "twice for each, and from the operator that differs"
    assert (comparison.samples, comparison.bytes_compared) == (len(X), len(X) * ALL_BYTES)


def test_a_digest_that_differs_while_the_bytes_do_not_is_flaky():
    def spoil(fetched, sample, tensors):
        if sample == 9 and not fetched:
            tensors[MODEL.outputs[0]].reshape(-1)[0] ^= 1

    assert compared(spoil)[0].verdict == "FLAKY"


def test_bytes_that_differ_from_fetch_to_fetch_are_flaky():
    seen = []

    def spoil(fetched, sample, tensors):
        if sample == 9:
            seen.append(fetched)
            tensors[MODEL.outputs[0]].reshape(-1)[len(seen)] ^= 1

    assert compared(spoil)[0].verdict == "FLAKY"


TENSOR = MODEL.operators[3].outputs[0]


def gone_after(samples, fetches=10**6):
    """Samples 1 and 2 differ; `samples` digests come, or `fetches` tensors, then the line is gone."""
    fetched_now = []

    def spoil(fetched, sample, tensors):
        if fetched:
            fetched_now.append(sample)
        if sample >= samples or len(fetched_now) > fetches:
            raise LinkError("gone")
        if sample in (1, 2):
            tensors[TENSOR].reshape(-1)[7] ^= 4

    return spoil


def counted(comparison):
    """Samples and differing samples of the tensor that was spoilt, and those of the output."""
    rows = {row.tensor: row for row in comparison.rows()}
    of = (rows[TENSOR], rows[MODEL.operators[0].outputs[0]])
    return [(row.compared_samples, row.mismatching_samples, row.max_abs_diff) for row in of]


def test_what_digests_have_shown_stands_when_the_line_goes_before_the_bytes_are_fetched():
    comparison = Comparison(MODEL)
    with pytest.raises(LinkError):
        compare_digests(comparison, REFERENCE, Scripted(gone_after(5)), SAMPLES)
    assert (comparison.verdict, comparison.samples, comparison.differing_samples) == ("MISMATCH", 5, 2)
    assert counted(comparison) == [(5, 2, None), (5, 0, 0)]
    assert (comparison.first_sample, comparison.mismatches) == (1, [])
    assert comparison.where == f"op 3 {MODEL.operators[3].name} of sample 1"
    assert "digest" in comparison.first


def test_what_was_fetched_before_the_line_went_is_counted_once():
    comparison = Comparison(MODEL)
    with pytest.raises(LinkError):
        compare_digests(comparison, REFERENCE, Scripted(gone_after(70, fetches=2)), SAMPLES)
    assert (comparison.verdict, comparison.samples, comparison.differing_samples) == ("MISMATCH", 64, 2)
    assert [m.sample for m in comparison.mismatches] == [1]
    assert counted(comparison) == [(64, 2, 4), (64, 0, 0)]
    assert comparison.where.endswith("element [0, 0, 0, 7] of sample 1")


@pytest.mark.parametrize(
    ("spoil", "samples", "differing"),
    [(gone_after(5), 5, 2), (gone_after(70, fetches=0), 8, 2), (gone_after(70, fetches=10), 8, 2)],
    ids=["digests", "first bytes", "second bytes"],
)
def test_of_a_sequence_too_what_digests_have_shown_stands(spoil, samples, differing):
    comparison = Comparison(MODEL)
    sequences = Sequences(comparison, REFERENCE, Scripted(spoil), SAMPLES, 8)
    with pytest.raises(LinkError):
        sequences.compare_digests()
    assert (comparison.verdict, comparison.samples) == ("MISMATCH", samples)
    assert comparison.differing_samples == differing
    assert counted(comparison) == [(samples, differing, None), (samples, 0, 0)]


def test_a_sample_takes_the_fewest_bytes_that_its_kind_allows():
    assert SAMPLES.request(0, 4096) == InlineInput(GIVEN[0].tobytes())
    assert SAMPLES.request(0, 79) == SentInput()
    assert SAMPLES.request(0, 80) == InlineInput(GIVEN[0].tobytes())
    assert SAMPLES.request(71, 80) == VectorInput(3, 1, (int8_element(-5),))


def need_host_tools() -> None:
    for tool in ("make", "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("payload", [4096, 100])
def test_the_firmware_agrees_by_digests_and_in_full_on_given_and_generated_inputs(payload):
    need_host_tools()
    with open_device("native:") as device:
        stepper = Stepper(device.client, MODEL)
        stepper.max_payload = payload  # 100 bytes: one or two operators an answer
        by_digests, in_full = Comparison(MODEL), Comparison(MODEL)
        compare_digests(by_digests, REFERENCE, stepper, SAMPLES)
        compare(in_full, REFERENCE, stepper, X)
    assert by_digests.verdict == in_full.verdict == "MATCH"
    assert by_digests.rows() == in_full.rows()


@pytest.mark.slow
@pytest.mark.parametrize("payload", [4096, 79])
def test_other_weights_on_the_device_are_a_mismatch_at_the_first_operator(payload):
    need_host_tools()
    other = bytearray(MODEL.content)
    weights = MODEL.tensors[MODEL.operators[0].inputs[1]].data
    at = MODEL.content.index(weights.tobytes() if hasattr(weights, "tobytes") else weights)
    other[at] ^= 0x40
    with open_device("native:") as device:
        comparison = Comparison(MODEL)
        stepper = Stepper(device.client, Model.from_bytes(bytes(other)))
        stepper.max_payload = payload  # 79 bytes: inputs are sent by themselves
        compare_digests(comparison, REFERENCE, stepper, SAMPLES)
    assert comparison.verdict == "MISMATCH"
    assert comparison.mismatches[0].op_index == 0
    assert comparison.mismatches[0].repeated
    assert comparison.differing_samples > len(X) // 2
