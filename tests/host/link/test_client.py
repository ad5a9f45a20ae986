"""The client against devices that lie, stall, restart or crash: the right bytes or a typed error, no hang."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from scripted_device import Script, ScriptedDevice, hello_body, preamble, wire

from coverify.errors import BadAnswer, BadInput, DeviceFault, DeviceRefused, DeviceReset, LinkError
from coverify.link.client import Client, OperatorOutput, Pace
from coverify.link.deadline import Deadline
from coverify.link.line import SerialLine
from coverify.link.requests import Read, State, Status
from coverify.link.wirelog import WireLog

BOOT = 0xB0070001
QUICK = Pace(resend_s=0.1, growth=1.5, most_sends=3, bytes_per_s=1e6, answer_s=0.6, compute_s=0.6)
Connect = Callable[[Script], Client]
HELLO, MODEL_BEGIN, MODEL_DATA, MODEL_END, INPUT, INVOKE, STEP, READ, FAULT = 1, 2, 3, 4, 5, 6, 7, 8, 0xFE


@pytest.fixture
def connect(device_of: Callable[[Script], ScriptedDevice]) -> Iterator[Connect]:
    lines: list[SerialLine] = []

    def make(script: Script) -> Client:
        lines.append(SerialLine(device_of(script).path))
        return Client(lines[-1], pace=QUICK)

    yield make
    for line in lines:
        line.close()


def ok(kind: int, seq: int, body: bytes, boot: int = BOOT) -> bytes:
    return wire(kind | 0x80, seq, preamble(boot) + body)


def answering(answer: Callable[[int, int, bytes], bytes]) -> Script:
    """A script that greets properly and leaves all else to `answer`."""
    return lambda kind, seq, payload: (
        ok(HELLO, seq, hello_body()) if kind == HELLO else answer(kind, seq, payload)
    )


def read_body(payload: bytes, data: bytes) -> bytes:
    return payload[4:12] + data


def greeted(connect: Connect, answer: Callable[[int, int, bytes], bytes]) -> Client:
    client = connect(answering(answer))
    client.hello()
    return client


def test_hello_tells_who_is_there(connect: Connect) -> None:
    client = connect(lambda kind, seq, payload: ok(kind, seq, hello_body(board=b"a board", arena=4711)))
    hello = client.hello()
    assert (hello.board, hello.arena_capacity, hello.max_payload) == ("a board", 4711, 4096)
    assert client.boot == BOOT


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (hello_body(version=1), "version 1"),
        (hello_body(window=0), "window is 0"),
        (hello_body(most=4097), "max payload is 4097"),
        (hello_body(most=3), "max payload is 3"),
        (hello_body(board=b"\x1b[2J"), "not printable"),
        (hello_body(board=b"\xff"), "not printable"),
        (hello_body() + b"x", "1 bytes too many"),
        *((hello_body()[:n], "too short") for n in range(2, len(hello_body()), 7)),
    ],
)
def test_a_hello_that_does_not_fit_is_a_bad_answer(connect: Connect, body: bytes, names: str) -> None:
    client = connect(lambda kind, seq, payload: ok(kind, seq, body))
    with pytest.raises(BadAnswer, match=names):
        client.hello()


def test_a_device_that_takes_no_boot_nonce_is_refused(connect: Connect) -> None:
    client = connect(lambda kind, seq, payload: ok(kind, seq, hello_body(), boot=0))
    with pytest.raises(BadAnswer, match="nonce 0"):
        client.hello()


def silent(kind: int, seq: int, payload: bytes) -> bytes:
    return b""


def wrong_seq(kind: int, seq: int, payload: bytes) -> bytes:
    return ok(kind, (seq - 1) & 0xFFFF, read_body(payload, b"stale!"))


def wrong_crc(kind: int, seq: int, payload: bytes) -> bytes:
    return wire(kind | 0x80, seq, preamble(BOOT) + read_body(payload, b"broken"), crc_xor=1)


def other_type(kind: int, seq: int, payload: bytes) -> bytes:
    return ok(STEP, seq, read_body(payload, b"other!"))


def echo_request(kind: int, seq: int, payload: bytes) -> bytes:
    return wire(kind, seq, payload)


@pytest.mark.parametrize(
    "lie", [silent, wrong_seq, wrong_crc, other_type, echo_request], ids=lambda f: f.__name__
)
def test_no_trustworthy_answer_is_a_link_error_within_the_deadline(connect: Connect, lie: Script) -> None:
    client = greeted(connect, lie)
    start = time.monotonic()
    with pytest.raises(LinkError, match="no answer to READ"):
        client.ask(Read(7, 1, 0, 6), Deadline.in_s(0.5))
    assert 0.4 < time.monotonic() - start < 1.0


def test_an_endless_stream_of_garbage_is_a_link_error_within_the_deadline(connect: Connect) -> None:
    garbage = random.Random(7).randbytes(1 << 22)
    client = greeted(connect, lambda kind, seq, payload: garbage)
    start = time.monotonic()
    with pytest.raises(LinkError, match="no answer to READ"):
        client.ask(Read(7, 1, 0, 6), Deadline.in_s(0.5))
    assert time.monotonic() - start < 1.0


def test_an_endless_stream_of_stale_answers_is_a_link_error_within_the_deadline(connect: Connect) -> None:
    client = greeted(connect, lambda kind, seq, payload: wrong_seq(kind, seq, payload) * 50_000)
    start = time.monotonic()
    with pytest.raises(LinkError, match="no answer to READ"):
        client.ask(Read(7, 1, 0, 6), Deadline.in_s(0.5))
    assert time.monotonic() - start < 1.0


def test_a_late_answer_is_asked_again_and_its_double_is_dropped(connect: Connect) -> None:
    asked = itertools.count()

    def second_time(kind: int, seq: int, payload: bytes) -> bytes:
        answer = ok(kind, seq, read_body(payload, b"rightO"))
        return b"" if next(asked) == 0 else answer * 3

    client = greeted(connect, second_time)
    assert client.read(1, 6) == b"rightO"
    assert client.resends == 1
    assert client.read(2, 6) == b"rightO"
    assert client.dropped == 2


def test_a_stale_answer_before_the_right_one_is_dropped(connect: Connect) -> None:
    def both(kind: int, seq: int, payload: bytes) -> bytes:
        return (
            wrong_seq(kind, seq, payload)
            + wrong_crc(kind, seq, payload)
            + ok(kind, seq, read_body(payload, b"rightO"))
        )

    client = greeted(connect, both)
    assert client.read(1, 6) == b"rightO"
    assert (client.dropped, client.damaged) == (1, 1)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (struct.pack("<II", 1, 0) + b"12345", "too short"),
        (struct.pack("<II", 1, 0) + b"1234567", "1 bytes too many"),
        (struct.pack("<II", 2, 0) + b"123456", "tensor is 2, must be 1"),
        (struct.pack("<II", 1, 3) + b"123456", "offset is 3, must be 0"),
        (b"", "too short"),
    ],
)
def test_an_answer_about_something_else_is_a_bad_answer(connect: Connect, body: bytes, names: str) -> None:
    client = greeted(connect, lambda kind, seq, payload: ok(kind, seq, body))
    with pytest.raises(BadAnswer, match=names):
        client.read(1, 6)


@pytest.mark.parametrize(
    "preamble_bytes",
    [
        preamble(BOOT, status=11),
        preamble(BOOT, state=5),
        preamble(BOOT)[:2] + b"\1\0" + preamble(BOOT)[4:],
        b"short",
    ],
    ids=["status 11", "state 5", "reserved", "short"],
)
def test_a_preamble_outside_the_protocol_is_a_bad_answer(connect: Connect, preamble_bytes: bytes) -> None:
    client = greeted(connect, lambda kind, seq, payload: wire(kind | 0x80, seq, preamble_bytes))
    with pytest.raises(BadAnswer, match="READ"):
        client.read(1, 6)


def test_a_refusal_carries_status_detail_and_message(connect: Connect) -> None:
    def refuse(kind: int, seq: int, payload: bytes) -> bytes:
        return wire(kind | 0x80, seq, preamble(BOOT, status=6, state=1, detail=3) + b"CUSTOM\x1b[2J")

    client = greeted(connect, refuse)
    with pytest.raises(DeviceRefused, match="UNSUPPORTED") as refused:
        client.read(1, 6)
    assert (refused.value.status, refused.value.state, refused.value.detail) == (
        Status.UNSUPPORTED,
        State.LOADING,
        3,
    )
    assert refused.value.message == "CUSTOM?[2J"


@pytest.mark.parametrize("boot", [0, BOOT + 1])
def test_a_reset_in_the_middle_is_seen_and_a_new_hello_starts_again(connect: Connect, boot: int) -> None:
    client = greeted(
        connect, lambda kind, seq, payload: ok(kind, seq, read_body(payload, b"after!"), boot=boot)
    )
    with pytest.raises(DeviceReset) as reset:
        client.read(1, 6)
    assert (reset.value.expected, reset.value.got) == (BOOT, boot)
    client.hello()


def test_a_fault_frame_is_a_device_fault_with_its_registers(connect: Connect) -> None:
    registers = struct.pack("<14I", BOOT, 3, *range(100, 112))
    client = greeted(connect, lambda kind, seq, payload: wire(FAULT, 0, registers))
    with pytest.raises(DeviceFault, match=r"HardFault \(MUNSTKERR, MLSPERR\) at pc 0x0000006a") as fault:
        client.read(1, 6)
    assert (fault.value.exception, fault.value.registers.r0, fault.value.registers.bfar) == (3, 100, 111)


def test_a_fault_frame_with_the_stack_is_told_with_places(connect: Connect) -> None:
    payload = struct.pack(
        "<24I", BOOT, 6, *([0] * 8), 1 << 20, 0, 0, 0, 0x1FFC, 0x2000, 0x101, 0x205, *([0] * 6)
    )
    client = greeted(connect, lambda kind, seq, payload_: wire(FAULT, 0, payload))
    with pytest.raises(DeviceFault, match=r"UsageFault \(STKOF, the stack has overflowed\)") as fault:
        client.read(1, 6)
    assert fault.value.registers.trail == (0x101, 0x205, *([0] * 6))
    located = fault.value.located({0xFE: "inner", 0x202: "outer"}.get)
    assert "the stack shows calls from inner ← outer" in str(located)


def test_faults_reported_before_a_reset_do_not_count_after_it(connect: Connect) -> None:
    fault = wire(FAULT, 0, struct.pack("<14I", BOOT, 3, *range(12)))
    client = greeted(connect, lambda kind, seq, payload: fault * 20)
    with pytest.raises(DeviceFault):
        client.read(1, 6)
    assert client.hello().board == "scripted"


def test_a_fault_frame_of_the_wrong_size_is_a_bad_answer(connect: Connect) -> None:
    client = greeted(connect, lambda kind, seq, payload: wire(FAULT, 0, b"short"))
    with pytest.raises(BadAnswer, match="crash"):
        client.read(1, 6)


def test_a_device_that_is_unplugged_is_a_link_error_at_once(
    device_of: Callable[[Script], ScriptedDevice],
) -> None:
    devices: list[ScriptedDevice] = []

    def unplug(kind: int, seq: int, payload: bytes) -> bytes:
        devices[0].unplug()
        return b""

    devices.append(device_of(unplug))
    with closing(SerialLine(devices[0].path)) as line:
        client = Client(line, obituary=lambda: "the emulator ended: boom")
        with pytest.raises(LinkError, match=r"is gone.*the emulator ended: boom"):
            client.hello(Deadline.in_s(5))


def test_a_model_is_uploaded_in_pieces_that_fit_and_in_order(connect: Connect) -> None:
    model = random.Random(3).randbytes(1000)
    held = bytearray()

    def store(kind: int, seq: int, payload: bytes) -> bytes:
        if kind == MODEL_BEGIN:
            assert payload == struct.pack("<I", 1000) + hashlib.sha256(model).digest()
            return ok(kind, seq, b"\0")
        if kind == MODEL_DATA:
            assert len(payload) <= 100
            assert struct.unpack_from("<I", payload)[0] == len(held)
            held.extend(payload[4:])
            return ok(kind, seq, struct.pack("<I", len(held)))
        return ok(kind, seq, struct.pack("<IIIHH4I", 2, 5, 99, 1, 1, 0, 16, 4, 10))

    client = connect(
        lambda kind, seq, payload: (
            ok(kind, seq, hello_body(most=100)) if kind == HELLO else store(kind, seq, payload)
        )
    )
    client.hello()
    seen: list[tuple[int, int]] = []
    plan = client.ensure_model(model, progress=lambda *now: seen.append(now))
    assert bytes(held) == model
    assert seen[-1] == (1000, 1000)
    assert (plan.n_operators, plan.outputs[0].index, plan.outputs[0].n_bytes) == (2, 4, 10)


@pytest.mark.parametrize(
    "plan",
    [
        struct.pack("<IIIHH2I", 1, 5, 9, 1, 0, 5, 16),
        struct.pack("<IIIHH2I", 1, 5, 9, 1, 0, 0, 0xFFFFFFFF),
        struct.pack("<IIIHH2I", 1, 5, 9, 0xFFFF, 0xFFFF, 0, 1),
        struct.pack("<IIIHH2I", 1, 0, 9, 1, 0, 0, 1),
    ],
    ids=["index", "size", "count", "no tensors"],
)
def test_a_plan_with_oversized_claims_is_a_bad_answer(connect: Connect, plan: bytes) -> None:
    client = greeted(
        connect, lambda kind, seq, payload: ok(kind, seq, b"\1" if kind == MODEL_BEGIN else plan)
    )
    with pytest.raises(BadAnswer, match="MODEL_END"):
        client.ensure_model(b"model")


def stepping(outputs: bytes, inlined: int, n_outputs: int, op: int = 0) -> Callable[[int, int, bytes], bytes]:
    body = struct.pack("<IQHBB", op, 77, n_outputs, inlined, 0) + outputs
    return lambda kind, seq, payload: ok(
        kind, seq, body if kind == STEP else read_body(payload, b"z" * struct.unpack("<IIII", payload)[3])
    )


def test_a_step_gives_the_inlined_bytes_of_every_output(connect: Connect) -> None:
    client = greeted(connect, stepping(struct.pack("<4I", 5, 2, 6, 3) + b"abcde", 1, 2))
    run = client.step(0)
    assert (run.cycles, run.outputs) == (77, (OperatorOutput(5, b"ab"), OperatorOutput(6, b"cde")))


def test_a_step_reads_what_is_not_inlined(connect: Connect) -> None:
    client = greeted(connect, stepping(struct.pack("<II", 5, 10_000), 0, 1))
    assert client.step(0).outputs == (OperatorOutput(5, b"z" * 10_000),)


@pytest.mark.parametrize(
    "answer",
    [
        stepping(struct.pack("<II", 5, 65537), 0, 1),
        stepping(struct.pack("<II", 5, 0xFFFFFFFF), 0, 1),
        stepping(struct.pack("<II", 5, 4) + b"abc", 1, 1),
        stepping(struct.pack("<II", 5, 4) + b"abcde", 1, 1),
        stepping(struct.pack("<II", 5, 4) + b"abcd", 2, 1),
        stepping(b"", 1, 0xFFFF),
        stepping(b"", 1, 0, op=1),
    ],
    ids=["more than the arena", "4 GB", "short", "long", "flag", "count", "another op"],
)
def test_a_step_that_lies_is_a_bad_answer(
    connect: Connect, answer: Callable[[int, int, bytes], bytes]
) -> None:
    client = greeted(connect, answer)
    with pytest.raises(BadAnswer):
        client.step(0)


def test_every_invocation_has_an_id_of_its_own(connect: Connect) -> None:
    ids: list[int] = []

    def count(kind: int, seq: int, payload: bytes) -> bytes:
        ids.append(struct.unpack_from("<I", payload)[0])
        return ok(kind, seq, payload[:4] + struct.pack("<IQ", 0, 0) + hashlib.sha256().digest()[:16])

    for _ in range(2):
        client = greeted(connect, count)
        client.invoke(stepped=True)
        client.invoke(stepped=True)
    assert len(set(ids)) == 4


@pytest.mark.parametrize("name", ["wire.jsonl", "wire.txt"])
def test_the_wire_log_holds_every_frame_both_ways(
    device_of: Callable[[Script], ScriptedDevice], tmp_path: Path, name: str
) -> None:
    device = device_of(
        answering(lambda kind, seq, payload: b"\0junk" + ok(kind, seq, read_body(payload, b"123456")))
    )
    with closing(SerialLine(device.path)) as line, WireLog(tmp_path / name) as log:
        client = Client(line, pace=QUICK, wire_log=log)
        client.hello()
        client.read(1, 6)
    lines = (tmp_path / name).read_text().splitlines()
    assert len(lines) == 5
    if name.endswith("jsonl"):
        records = [json.loads(text) for text in lines]
        assert [(r["dir"], r["type"]) for r in records] == [
            ("host", "HELLO"),
            ("device", "HELLO="),
            ("host", "READ"),
            ("device", "DAMAGED"),
            ("device", "READ="),
        ]  # fmt: skip
        assert records[3]["payload"] == b"junk".hex()
        assert records[4]["payload"].endswith(b"123456".hex())


def test_a_wire_log_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="wire log"):
        WireLog(tmp_path / "absent" / "log.txt")
