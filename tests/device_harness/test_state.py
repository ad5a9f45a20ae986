"""Operators that keep state on the device: successive invocations equal TFLM's, from the reset state on, and
no request of the link can advance the state unseen."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
from raw_session import CHECK, INPUT, INVOKE, Raw, digest

import random_state
from coverify.conformance.stepping import Stepper
from coverify.errors import DeviceRefused, StateLost
from coverify.link.checks import InlineInput, SentInput, tensor_digest
from coverify.link.requests import State, Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference

CASES = 40
INVOCATIONS = 9


def inputs(seed: int, reference: Reference) -> np.ndarray:
    return random_state.samples(seed, reference, INVOCATIONS)


@pytest.mark.parametrize("name", ["CIRCULAR_BUFFER", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "variables"])
def test_successive_invocations_equal_tflm_on_every_tensor(client, name):
    """Twice from a reset on, with invocations from the reset state between; stepped, and by digests."""
    checked = tried = 0
    for seed in range(7000, 7000 + CASES):
        content = random_state.one_op(name, seed)
        model = Model.from_bytes(content)
        reference = Reference(model)
        if reference.input.dtype != "int8":
            continue  # refused by name: test_an_lstm_of_other_types_is_refused
        tried += 1
        x = inputs(seed, reference)
        try:
            reference.run(x)
        except AccumulatorOverflow:
            continue
        stepper, tflm = Stepper(client, model), Tflm(content, 1 << 20)
        wanted = []
        for one in x:
            tflm.run(one)
            wanted.append({t: tflm.tensor(t) for t in model.written})
        for got, want in zip(stepper.traces(x), wanted, strict=True):
            for t in model.written:
                np.testing.assert_array_equal(got[t], want[t], f"{name} {seed}, tensor {t}")
        stepper.run(x[3])
        np.testing.assert_array_equal(stepper.run(x[0]), wanted[0][model.outputs[0]])
        stepper.max_payload = 79  # digests of one operator an answer, so that an invocation takes several
        given = [(InlineInput(one.tobytes()), one) for one in x]
        for got, want in zip(stepper.digests(given, successive=True), wanted, strict=True):
            assert got.tensors == {t: tensor_digest(want[t].tobytes()) for t in model.written}
        checked += 1
    assert checked >= 0.8 * tried >= 0.4 * CASES


def test_the_state_is_kept_while_all_other_memory_is_used_again(client):
    """A state between additions of 4 KiB: every tensor of every invocation is TFLM's."""
    rng = np.random.default_rng(3)
    b = Builder()
    y = b.input((1, 1, 1, 2048), 0.5, 0)
    for scale in (1.0, 2.0):
        y = b.add(y, y, scale, 3)
    kept = b.variable((1, 5, 1, 2048), 2.0, 3)
    y = b.op("CUSTOM:CIRCULAR_BUFFER", [y], kept)
    for scale in (4.0, 8.0, 16.0):
        y = b.add(y, y, scale, -1)
    content = b.finish(y)
    model = Model.from_bytes(content)
    tflm, stepper = Tflm(content), Stepper(client, model)
    x = rng.integers(-128, 128, (7, 1, 1, 2048)).astype(np.int8)
    for one, got in zip(x, stepper.traces(x), strict=True):
        tflm.run(one[None])
        for t in model.written:
            np.testing.assert_array_equal(got[t], tflm.tensor(t))


def test_an_input_too_large_for_a_check_is_sent_and_the_next_one_follows_it(client):
    content = random_state.one_op("CIRCULAR_BUFFER", 7001)
    model = Model.from_bytes(content)
    stepper, tflm = Stepper(client, model), Tflm(content)
    before = None
    for one in inputs(1, Reference(model)):
        tflm.run(one)
        stepper.max_payload = 79
        got = stepper.digests_of(one, before)
        assert got.tensors == {t: tensor_digest(tflm.tensor(t).tobytes()) for t in model.written}
        before = digest((before or b"") + hashlib.sha256(one.tobytes()).digest())


# -- refused ---------------------------------------------------------------------------------------------


def svdf(b: Builder, *, owners: int = 1, foreign: bool = False, dtype: str = "int16") -> bytes:
    """SVDFs of one unit that share a state, or whose state another operator reads."""
    x = b.input((1, 2), 0.5, 0)
    features = b.constant(np.array([[90, -50]]), 0.01, 0)
    times = b.tensor((1, 2), "int16", [0.001], [0], data=np.array([[900, -700]], np.int16))
    bias = b.tensor((1,), "int32", [2e-6], [0], data=np.array([3], np.int32))
    state = b.variable((1, 2), 0.002, 0, dtype)
    for _ in range(owners):
        y = b.op("SVDF", [x, features, times, bias, state], b.activation((1, 1), 4.0, 5), 6, Rank=1)
    if foreign:
        y = b.op("EXPAND_DIMS", [state, b.integers([0])], b.like(state, (1, 1, 2)))
    return b.finish(y)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"owners": 2}, "op 1 SVDF: tensor 4: is a variable that another operator keeps"),
        ({"foreign": True}, "op 1 EXPAND_DIMS: tensor 4: is a variable of another operator, or of none"),
        ({"dtype": "int8"}, "op 0 SVDF: tensor 4: INT8, only INT16 is supported here"),
    ],
)
def test_a_state_that_is_not_one_operators_own_is_refused_by_name(client, wrong, why):
    client.ensure_model(svdf(Builder()))
    with pytest.raises(DeviceRefused) as refused:
        client.ensure_model(svdf(Builder(), **wrong))
    assert refused.value.status == Status.UNSUPPORTED
    assert why in str(refused.value)


def test_a_sum_that_leaves_int32_ends_the_run_with_the_operators_name_and_the_state_is_lost(client):
    b = Builder()
    x = b.input((1, 1), 1.0, 0)
    features = b.constant(np.array([[127]]), 1.0, 0)
    times = b.tensor((1, 3), "int16", [1.0], [0], data=np.full((1, 3), 32767, np.int16))
    bias = b.tensor((1,), "int32", [0.4], [0], data=np.array([0], np.int32))
    state = b.variable((1, 3), 0.4, 0, "int16")
    y = b.op("SVDF", [x, features, times, bias, state], b.activation((1, 1), 1e9, 0), 6, Rank=1)
    model = Model.from_bytes(b.finish(y))
    ones = np.full((3, 1, 1), 127, np.int8)
    with pytest.raises(AccumulatorOverflow):
        Reference(model).run(ones)
    stepper = Stepper(client, model)
    with pytest.raises(DeviceRefused, match="SVDF: failed while running") as refused:
        list(stepper.runs(ones))
    assert refused.value.status == Status.ENGINE
    assert stepper.run(np.zeros((1, 1), np.int8)).tolist() == [[0]]


# -- the link --------------------------------------------------------------------------------------------

BUFFER = random_state.one_op("CIRCULAR_BUFFER", 7001)
MODEL = Model.from_bytes(BUFFER)
X = [x.tobytes() for x in random_state.samples(7, Reference(MODEL), 4)]


def after(*given: bytes) -> bytes:
    """protocol.h: the inputs digest of the last of successive invocations."""
    found = b""
    for x in given:
        found = digest(found + hashlib.sha256(x).digest())
    return found


def tflm_after(*given: bytes) -> bytes:
    """What TFLM's interpreter gives for the last of successive invocations."""
    tflm = Tflm(BUFFER)
    shape = MODEL.tensors[MODEL.inputs[0]].shape
    return [tflm.run(np.frombuffer(x, np.int8).reshape(shape)).tobytes() for x in given][-1]


@pytest.fixture
def raw(native):
    raw = Raw(native.line_url)
    begin = struct.pack("<I", len(BUFFER)) + hashlib.sha256(BUFFER).digest()
    raw.ask(2, begin)
    raw.ask(3, struct.pack("<I", 0) + BUFFER)
    assert raw.ask(4)[0] == Status.OK
    yield raw
    raw.line.close()


def invoke(raw: Raw, x: bytes, number: int, before: bytes = b"", mode: int = 0) -> tuple[int, int, bytes]:
    raw.ask(INPUT, struct.pack("<HHI", 0, 0, 0) + x)
    raw.invocation = number
    return raw.ask(INVOKE, struct.pack("<IBBH", number, mode, before != b"", 0) + before)


def output(raw: Raw, number: int) -> bytes:
    tensor = MODEL.tensors[MODEL.outputs[0]]
    return raw.ask(8, struct.pack("<IIII", number, tensor.index, 0, tensor.n_bytes))[2][8:]


def test_an_invocation_follows_the_one_that_it_names_and_else_starts_from_the_reset_state(raw):
    for number, (x, before) in enumerate(((X[0], ()), (X[1], (X[0],)), (X[2], (X[0], X[1])), (X[3], ())), 1):
        status, state, body = invoke(raw, x, number, after(*before))
        assert (status, state) == (Status.OK, State.DONE)
        assert body[16:] == after(*before, x)
        assert output(raw, number) == tflm_after(*before, x)


@pytest.mark.parametrize("before", [(), (1,), (0, 1), (0, 0)], ids=str)
def test_an_invocation_that_follows_another_one_than_the_last_is_refused_and_changes_nothing(raw, before):
    invoke(raw, X[0], 1)
    wrong = after(*(X[i] for i in before)) or bytes(16)
    assert invoke(raw, X[1], 2, wrong)[0] == Status.NOT_NEXT
    assert invoke(raw, X[1], 3, after(X[0]))[0] == Status.OK
    assert output(raw, 3) == tflm_after(X[0], X[1])


def test_an_old_request_that_comes_again_does_not_advance_the_state(raw):
    """Beyond the window of kept answers, so that the device cannot know it by its number."""
    invoke(raw, X[0], 1)
    again = struct.pack("<IBBH", 2, 0, 1, 0) + after(X[0])
    invoke(raw, X[1], 2, after(X[0]))
    invoke(raw, X[2], 3, after(X[0], X[1]))
    raw.ask(INPUT, struct.pack("<HHI", 0, 0, 0) + X[3])
    assert raw.ask(INVOKE, again)[0] == Status.NOT_NEXT
    assert invoke(raw, X[3], 4, after(X[0], X[1], X[2]))[0] == Status.OK
    assert output(raw, 4) == tflm_after(*X)


def test_what_was_left_in_the_middle_cannot_be_followed(raw):
    invoke(raw, X[0], 1)
    assert invoke(raw, X[1], 2, after(X[0]), mode=1)[:2] == (Status.OK, State.STEPPING)
    raw.ask(7, struct.pack("<II", 2, 0))
    for before in (after(X[0]), after(X[0], X[1])):
        assert invoke(raw, X[1], 3, before)[0] == Status.NOT_NEXT
    assert invoke(raw, X[0], 4)[0] == Status.OK


def test_a_check_goes_on_only_where_its_invocation_stands(raw):
    head = struct.pack("<IIIBBBB", 5, 0, 1, 2, 0, 0, 0)
    first = raw.ask(CHECK, head + X[0])
    assert first[:2] == (Status.OK, State.STEPPING)
    for number, op, status in ((6, 1, Status.NOT_NEXT), (5, 0, Status.NOT_NEXT), (5, 1, Status.OK),
                               (5, 1, Status.NOT_NEXT)):  # fmt: skip
        answer = raw.ask(CHECK, struct.pack("<IIIBBBB", number, op, 1, 3, 0, 0, 0))
        assert answer[0] == status, (number, op)
    assert output(raw, 5) == tflm_after(X[0])


def test_what_is_no_request_of_this_kind_is_refused(raw):
    raw.ask(INPUT, struct.pack("<HHI", 0, 0, 0) + X[0])
    for payload in (
        struct.pack("<IBBH", 1, 0, 2, 0),
        struct.pack("<IBBH", 1, 0, 0, 1),
        struct.pack("<IBBH", 1, 0, 1, 0) + bytes(15),
        struct.pack("<IBBH", 1, 0, 0, 0) + bytes(16),
    ):
        assert raw.ask(INVOKE, payload)[0] == Status.BAD_REQUEST
    for payload in (
        struct.pack("<IIIBBBB", 1, 0, 1, 2, 0, 1, 0) + bytes(15),
        struct.pack("<IIIBBBB", 1, 0, 1, 2, 0, 2, 0) + bytes(16) + X[0],
        struct.pack("<IIIBBBB", 1, 0, 1, 3, 0, 1, 0) + bytes(16),
    ):
        assert raw.ask(CHECK, payload)[0] == Status.BAD_REQUEST


def test_the_host_is_told_that_the_state_is_lost(client):
    stepper = Stepper(client, MODEL)
    x = np.frombuffer(X[0], np.int8)
    stepper.run(x)
    with pytest.raises(StateLost):
        stepper.run(x, after(X[1]))
    with pytest.raises(StateLost):
        list(client.check([(InlineInput(X[0], after(X[1])), 0, (1,))]))
    client.set_input(0, X[0])
    with pytest.raises(StateLost):
        list(client.check([(SentInput(after(X[2])), 0, (1,))]))
