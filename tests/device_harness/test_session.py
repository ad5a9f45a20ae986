"""The state machine of protocol.h, request by request, with raw frames."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
from raw_session import (
    BEGIN,
    BEGIN_MODEL,
    DATA,
    DIGITS,
    END,
    GIVEN,
    HELLO,
    INPUT,
    INVOKE,
    MODEL,
    READ,
    STEP,
    WINDOW,
    Raw,
    expected,
    give,
    invoke,
    load,
    read,
    step,
)

from coverify.link.requests import State, Status
from model_builder import Builder
from oracle import Tflm

# -- HELLO ---------------------------------------------------------------------------------------------


def test_the_first_proposal_becomes_the_boot_nonce_and_stays(raw):
    for proposal in (77, 78, 79):
        raw.send(HELLO, struct.pack("<I", proposal))
        assert struct.unpack_from("<I", raw.frames(1)[0].payload, 4) == (77,)


def test_hello_tells_who_is_there(raw):
    _, _, body = raw.ask(HELLO, struct.pack("<I", 5))
    version, window, payload, model, arena, features, clock_hz = struct.unpack_from("<HHIIIII", body)
    assert (version, window, payload, features, clock_hz) == (4, WINDOW, 4096, 1 | 4, 0)
    assert model >= 2 << 20 and arena >= 8 << 20
    assert body[24:56] == bytes(32)
    strings, rest = [], body[56:]
    while rest:
        strings.append(rest[1 : 1 + rest[0]].decode("ascii"))
        rest = rest[1 + rest[0] :]
    assert strings[:4] == ["native", "host", "coverify-kernels", "double"]
    assert strings[4].startswith("gcc ") and len(strings[5]) == 16 and strings[6:] == [""]


def test_hello_reports_the_digest_of_the_loaded_model_only(raw):
    raw.ask(BEGIN, BEGIN_MODEL)
    assert raw.ask(HELLO, struct.pack("<I", 5))[2][24:56] == bytes(32)
    load(raw)
    assert raw.ask(HELLO, struct.pack("<I", 5))[2][24:56] == hashlib.sha256(MODEL).digest()


# -- what is illegal is refused and changes nothing ----------------------------------------------------

ANY = {
    DATA: struct.pack("<I", 0) + b"abcd",
    END: b"",
    INPUT: struct.pack("<HHI", 0, 0, 0) + DIGITS.tobytes(),
    INVOKE: struct.pack("<IB3x", 9, 0),
    STEP: struct.pack("<II", 9, 0),
    READ: struct.pack("<IIII", 1, 3, 0, 16),
}


def bring_to(raw: Raw, state: State) -> None:
    if state is State.LOADING:
        raw.ask(BEGIN, BEGIN_MODEL)
    elif state is not State.EMPTY:
        load(raw)
        if state is not State.READY:
            give(raw)
            invoke(raw, 1, 1 if state is State.STEPPING else 0)


LEGAL = {
    State.EMPTY: set(),
    State.LOADING: {DATA, END},
    State.READY: {END, INPUT},
    State.STEPPING: {INPUT},
    State.DONE: {INPUT, READ},
}


@pytest.mark.parametrize("state", list(State))
def test_requests_that_are_illegal_in_a_state_are_refused_and_change_nothing(raw, state):
    bring_to(raw, state)
    for kind, payload in ANY.items():
        if kind in LEGAL[state]:
            continue
        status, now, _ = raw.ask(kind, payload)
        allowed = {Status.BAD_STATE}
        # READ is for STEPPING, but no operator has run yet, so no tensor can be read
        allowed |= {Status.RANGE} if (state, kind) == (State.STEPPING, READ) else set()
        assert (status in allowed, now) == (True, state), kind


@pytest.mark.parametrize("payload", [b"", b"\1", bytes(3), bytes(5), bytes(100), bytes(4096)])
@pytest.mark.parametrize("kind", [HELLO, BEGIN, INPUT, INVOKE, STEP, READ])
def test_malformed_payloads_are_refused(raw, kind, payload):
    load(raw)
    status, state, _ = raw.ask(kind, payload)
    assert status in (Status.BAD_REQUEST, Status.BAD_STATE, Status.RANGE) and state == State.READY


def test_an_unknown_request_is_refused(raw):
    assert raw.ask(0x55)[:2] == (Status.BAD_REQUEST, State.EMPTY)


def test_an_answer_that_comes_back_as_an_echo_is_ignored(raw):
    raw.send(HELLO | 0x80, b"abc")
    raw.send(0xFE, b"abc")
    raw.silence()


# -- loading -------------------------------------------------------------------------------------------


def test_a_model_that_is_too_big_is_refused(raw):
    assert raw.ask(BEGIN, struct.pack("<I", 0x7FFFFFFF) + bytes(32))[:2] == (Status.TOO_BIG, State.EMPTY)


def test_chunks_may_be_sent_again_but_leave_no_gap(raw):
    raw.ask(BEGIN, BEGIN_MODEL)
    first, rest = MODEL[:100], MODEL[100:]
    assert raw.ask(DATA, struct.pack("<I", 100) + rest)[:2] == (Status.RANGE, State.LOADING)
    assert raw.ask(DATA, struct.pack("<I", 0) + first)[2] == struct.pack("<I", 100)
    assert raw.ask(DATA, struct.pack("<I", 50) + MODEL[50:100])[2] == struct.pack("<I", 100)
    assert raw.ask(DATA, struct.pack("<I", 101) + rest)[:2] == (Status.RANGE, State.LOADING)
    assert raw.ask(DATA, struct.pack("<I", 100) + rest + b"x")[:2] == (Status.RANGE, State.LOADING)
    assert raw.ask(DATA, struct.pack("<I", 100) + rest)[2] == struct.pack("<I", len(MODEL))
    assert raw.ask(END)[:2] == (Status.OK, State.READY)


def test_other_bytes_than_announced_are_refused_and_nothing_is_loaded(raw):
    raw.ask(BEGIN, BEGIN_MODEL)
    raw.ask(DATA, struct.pack("<I", 0) + MODEL[:-1] + b"\xff")
    assert raw.ask(END)[:2] == (Status.BAD_DIGEST, State.EMPTY)


def test_a_model_already_loaded_needs_no_upload(raw):
    load(raw)
    give(raw)
    invoke(raw, 3, 0)
    assert raw.ask(BEGIN, BEGIN_MODEL) == (Status.OK, State.READY, b"\1")
    assert invoke(raw, 4, 0)[0] == Status.BAD_STATE, "the inputs have to be given again"


def test_model_end_tells_the_plan(raw):
    load(raw)
    status, state, body = raw.ask(END)
    n_ops, n_tensors, arena, n_in, n_out, *ends = struct.unpack("<IIIHHIIII", body)
    assert (status, state, n_ops, n_tensors, n_in, n_out, ends) == (
        0,
        State.READY,
        3,
        4,
        1,
        1,
        [0, 16, 3, 16],
    )
    assert 2 * 16 <= arena < 4096


def test_an_unsupported_operator_is_told_with_its_index(raw):
    b = Builder()
    x = b.input((1, 4), 0.5, 0)
    y = b.add(x, x, 1.0, 0)
    model = b.finish(b.op("LOG_SOFTMAX", [y], b.activation((1, 4), 1 / 16, 127)))
    raw.ask(BEGIN, struct.pack("<I", len(model)) + hashlib.sha256(model).digest())
    raw.ask(DATA, struct.pack("<I", 0) + model)
    raw.send(END)
    answer = raw.frames(1)[0].payload
    assert answer[:2] == bytes([Status.UNSUPPORTED, State.EMPTY])
    assert answer[8:] == struct.pack("<I", 1) + b"op 1 LOG_SOFTMAX: not in this engine"


# -- running -------------------------------------------------------------------------------------------


def test_an_invocation_needs_all_input_bytes(raw):
    load(raw)
    assert invoke(raw, 1, 0)[:2] == (Status.BAD_STATE, State.READY)
    give(raw, DIGITS.tobytes()[:10])
    assert invoke(raw, 1, 0)[:2] == (Status.BAD_STATE, State.READY)
    assert give(raw, DIGITS.tobytes()[10:], 10) == (Status.OK, State.READY, struct.pack("<I", 16))
    assert invoke(raw, 1, 0)[:2] == (Status.OK, State.DONE)
    assert read(raw, 3) == (Status.OK, State.DONE, struct.pack("<II", 3, 0) + expected()[3])


def test_input_bytes_beyond_the_tensor_or_behind_a_gap_are_refused(raw):
    load(raw)
    for data, offset in ((bytes(17), 0), (bytes(1), 1), (bytes(1), 0xFFFFFFFF)):
        assert give(raw, data, offset)[:2] == (Status.RANGE, State.READY)
    assert raw.ask(INPUT, struct.pack("<HHI", 1, 0, 0) + bytes(16))[:2] == (Status.RANGE, State.READY)


def test_offset_0_starts_an_input_afresh(raw):
    load(raw)
    give(raw)
    assert give(raw, DIGITS.tobytes()[:4])[2] == struct.pack("<I", 4)
    assert invoke(raw, 1, 0)[0] == Status.BAD_STATE


def test_steps_give_every_tensor_in_order(raw):
    load(raw)
    give(raw)
    assert invoke(raw, 8, 1) == (Status.OK, State.STEPPING, struct.pack("<IIQ", 8, 0, 0) + GIVEN)
    for op in range(3):
        status, state, body = step(raw, 8, op)
        assert (status, state) == (Status.OK, State.DONE if op == 2 else State.STEPPING)
        assert body == struct.pack("<IQHBBII", op, 0, 1, 1, 0, op + 1, 16) + expected()[op + 1]
        assert step(raw, 8, op)[2] == body, "the op just run is told again"
        assert read(raw, op + 1, 6, 10)[2] == struct.pack("<II", op + 1, 10) + expected()[op + 1][10:]


def test_steps_out_of_order_are_refused(raw):
    load(raw)
    give(raw)
    invoke(raw, 8, 1)
    for number, op in ((8, 1), (8, 2), (9, 0), (8, 0xFFFFFFFF)):
        assert step(raw, number, op)[:2] == (Status.BAD_STATE, State.STEPPING)
    step(raw, 8, 0)
    step(raw, 8, 1)
    assert step(raw, 8, 0)[:2] == (Status.BAD_STATE, State.STEPPING)


def test_only_tensors_that_still_hold_are_read(raw):
    load(raw)
    give(raw)
    invoke(raw, 8, 1)
    step(raw, 8, 0)
    step(raw, 8, 1)
    for tensor in (0, 1, 3, 4, 0xFFFFFFFF):
        assert read(raw, tensor)[:2] == (Status.RANGE, State.STEPPING)
    for n, offset in ((17, 0), (16, 1), (0xFFFFFFFF, 0), (1, 0xFFFFFFFF), (0xFFFFFFF0, 0x10)):
        assert read(raw, 2, n, offset)[:2] == (Status.RANGE, State.STEPPING)


def test_a_new_input_abandons_the_steps(raw):
    load(raw)
    give(raw)
    invoke(raw, 8, 1)
    step(raw, 8, 0)
    assert give(raw)[:2] == (Status.OK, State.READY)
    assert step(raw, 8, 1)[:2] == (Status.BAD_STATE, State.READY)


def test_an_output_that_does_not_fit_one_answer_is_left_to_read(raw):
    b = Builder()
    x = b.input((1, 5000), 0.5, 0)
    model = b.finish(b.add(x, x, 1.0, 0))
    raw.ask(BEGIN, struct.pack("<I", len(model)) + hashlib.sha256(model).digest())
    raw.ask(DATA, struct.pack("<I", 0) + model)
    raw.ask(END)
    data = np.random.default_rng(2).integers(-128, 128, (1, 5000)).astype(np.int8)
    give(raw, data.tobytes()[:3000])
    give(raw, data.tobytes()[3000:], 3000)
    invoke(raw, 1, 1)
    assert step(raw, 1, 0)[2] == struct.pack("<IQHBBII", 0, 0, 1, 0, 0, 1, 5000)
    most = 4096 - 12 - 8
    got = read(raw, 1, most)[2][8:] + read(raw, 1, 5000 - most, most)[2][8:]
    assert got == Tflm(model).run(data).tobytes()
    assert read(raw, 1, most + 1)[0] == Status.RANGE


# -- the same request again ----------------------------------------------------------------------------


def test_a_request_sent_again_gets_the_same_answer_and_runs_nothing(raw):
    load(raw)
    give(raw)
    invoke(raw, 8, 1)
    payloads = [struct.pack("<II", 8, op) for op in range(3)]
    numbers = [raw.send(STEP, payload) for payload in payloads]
    first = raw.frames(3)
    for number, payload in zip(numbers, payloads, strict=True):
        raw.send(STEP, payload, number)
    assert raw.frames(3) == first


def test_an_input_sent_again_after_its_invocation_does_not_undo_it(raw):
    load(raw)
    payload = struct.pack("<HHI", 0, 0, 0) + DIGITS.tobytes()
    number = raw.send(INPUT, payload)
    answer = raw.frames(1)
    invoke(raw, 1, 0)
    raw.send(INPUT, payload, number)
    assert raw.frames(1) == answer
    assert read(raw, 3)[:2] == (Status.OK, State.DONE)


def test_the_same_invocation_under_another_seq_runs_nothing(raw):
    load(raw)
    give(raw)
    body = invoke(raw, 1, 0)
    assert invoke(raw, 1, 0) == body == (Status.OK, State.DONE, struct.pack("<IIQ", 1, 3, 0) + GIVEN)
    assert invoke(raw, 2, 0)[:2] == (Status.BAD_STATE, State.DONE)


def test_a_refused_chunk_may_become_legal_when_sent_again(raw):
    raw.ask(BEGIN, BEGIN_MODEL)
    rest = struct.pack("<I", 100) + MODEL[100:]
    assert raw.ask(DATA, rest, seq=5000)[0] == Status.RANGE
    raw.ask(DATA, struct.pack("<I", 0) + MODEL[:100])
    assert raw.ask(DATA, rest, seq=5000)[0] == Status.OK


def test_a_new_host_that_counts_from_the_start_gets_no_old_answers(raw):
    load(raw)
    give(raw)
    old = raw.ask(END, seq=1)
    assert old[0] == Status.OK
    raw.ask(INVOKE, struct.pack("<IB3x", 1, 0), seq=2)
    raw.ask(HELLO, struct.pack("<I", 9), seq=0)
    assert raw.ask(END, seq=1)[:2] == (Status.BAD_STATE, State.DONE)


def test_a_window_of_requests_may_be_outstanding(raw):
    load(raw)
    payload = struct.pack("<HHI", 0, 0, 0) + DIGITS.tobytes()
    numbers = [
        raw.send(INPUT, payload),
        raw.send(INVOKE, struct.pack("<IB3x", 1, 1)),
        raw.send(STEP, struct.pack("<II", 1, 0)),
        raw.send(STEP, struct.pack("<II", 1, 1)),
    ]
    assert [frame.seq for frame in raw.frames(WINDOW)] == numbers
