"""Faults at every byte of an exchange with the real firmware, and at random: right bytes or a LinkError.

The faults sit between the client and the line (faulty_line.py). What a device computes is told by an exchange
without faults, and by the reference, never by the exchange under test.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from faulty_line import LOST, NAMES, REPLAYED, FaultyLine, at_random, nothing, once

from coverify.boards import build
from coverify.boards.native import NativeProcess
from coverify.conformance.compare import Comparison, compare, compare_digests
from coverify.conformance.sequences import Sequences
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import Samples, int8_element, vectors
from coverify.errors import LinkError
from coverify.link.checks import Checked, VectorInput, tensor_digest
from coverify.link.client import Client, OperatorRun
from coverify.link.deadline import Deadline
from coverify.link.frames import Frame, encode
from coverify.link.line import SerialLine
from coverify.link.pace import Pace
from mutants import state
from tflm_int8 import Model, Reference, sample_shape

NETWORKS = Path(__file__).resolve().parents[3] / "firmware_models" / "networks"
QUICK = Pace(resend_s=0.008, growth=1.5, most_sends=12, bytes_per_s=1e6)
STUBBORN = Pace(resend_s=0.02, growth=1.2, most_sends=20, bytes_per_s=1e6, answer_s=4, compute_s=4)
FIRST_SEED = int(os.environ.get("COVERIFY_FAULT_SEED", "0"))
"""Of the random faults; another one for a run of one's own."""


@pytest.fixture(scope="module")
def session() -> Iterator[tuple[FaultyLine, Client]]:
    if shutil.which("make") is None or shutil.which("gcc") is None:
        pytest.skip("make and gcc are not installed")
    process = NativeProcess(build.build(build.NATIVE), Deadline.in_s(10))
    try:
        line = FaultyLine(SerialLine(process.line_url))
        client = Client(line, pace=QUICK)
        client.hello()
        client.ensure_model((NETWORKS / "digits_mlp.tflite").read_bytes())
        yield line, client
        client.close()
    finally:
        process.end()


def exchange(client: Client, x: bytes) -> tuple[OperatorRun, ...]:
    """INPUT, INVOKE, STEP for both operators that digits_mlp begins with."""
    client.set_input(0, x)
    client.invoke(stepped=True)
    return tuple(client.step(op) for op in range(2))


@contextmanager
def old_requests_may_break_the_link(fault: str) -> Iterator[None]:
    """One fault costs a resend at most, unless an old request comes again from beyond the window."""
    try:
        yield
    except LinkError:
        if fault != REPLAYED:
            raise


def checks(client: Client, seed: int) -> list[Checked]:
    """Three CHECKs, under way together."""
    asked = ((VectorInput(seed, number, (int8_element(0),)), 0, (1, 1)) for number in range(3, 6))
    return list(client.check(asked))


def one_fault_at_each(
    places: range,
    line: FaultyLine,
    direction: str,
    name: str,
    answer: Callable[[int], object],
    expected: Sequence[object],
) -> None:
    """One fault at each of these bytes of what goes that way; expected: the answers, in turn."""
    for at in places:
        line.arm(direction, once(at, name))
        with old_requests_may_break_the_link(name):
            assert answer(at) == expected[at % len(expected)], f"byte {at}"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("direction", ["write", "read"])
def test_one_fault_at_any_byte_changes_no_answer(
    session: tuple[FaultyLine, Client], direction: str, name: str
) -> None:
    line, client = session
    samples = [x.tobytes() for x in np.load(NETWORKS / "digits_mlp.npz", allow_pickle=False)["x"][:2]]
    line.arm_both(nothing)
    expected = []
    for x in samples:
        line.arm(direction, nothing)
        expected.append([run.outputs for run in exchange(client, x)])
    n_bytes = line.ways[direction].n
    assert n_bytes > 100
    assert expected[0] != expected[1]

    def outputs(at: int) -> object:
        return [run.outputs for run in exchange(client, samples[at % 2])]

    one_fault_at_each(range(n_bytes), line, direction, name, outputs, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("direction", ["write", "read"])
def test_one_fault_at_any_byte_of_requests_under_way_together_changes_no_answer(
    session: tuple[FaultyLine, Client], direction: str, name: str
) -> None:
    line, client = session
    line.arm_both(nothing)
    expected = []
    for seed in (1, 2):
        line.arm(direction, nothing)
        expected.append(checks(client, seed))
    n_bytes = line.ways[direction].n
    assert n_bytes > 100
    assert expected[0] != expected[1]
    one_fault_at_each(range(n_bytes), line, direction, name, lambda at: checks(client, 1 + at % 2), expected)


@pytest.mark.parametrize("name", [LOST, "garbage", "cut", "swapped"])
@pytest.mark.parametrize("direction", ["write", "read"])
def test_a_fault_somewhere_in_an_upload_changes_no_answer(
    session: tuple[FaultyLine, Client], direction: str, name: str
) -> None:
    line, client = session
    x = np.load(NETWORKS / "digits_mlp.npz", allow_pickle=False)["x"][0].tobytes()
    models = [(NETWORKS / f"digits_{name}.tflite").read_bytes() for name in ("cnn", "mlp")]
    line.arm_both(nothing)
    plan = client.ensure_model(models[1])
    expected = exchange(client, x)
    client.ensure_model(models[0])
    line.arm(direction, nothing)
    client.ensure_model(models[1])
    n_bytes = line.ways[direction].n
    for at in range(0, n_bytes, max(1, n_bytes // 30)):
        line.arm_both(nothing)
        client.ensure_model(models[0])
        line.arm(direction, once(at, name))
        assert client.ensure_model(models[1]) == plan
        assert [r.outputs for r in exchange(client, x)] == [r.outputs for r in expected], f"byte {at}"


MODEL = Model.read(NETWORKS / "digits_mlp.tflite")
REFERENCE = Reference(MODEL)
SHAPE = MODEL.tensors[MODEL.inputs[0]].shape[1:]
SAMPLES = Samples(vectors(SHAPE, 12, 9, 0), 0, 9, (int8_element(0),))
MORE = Samples(vectors(SHAPE, 40, 9, 0), 0, 9, (int8_element(0),))


def campaign(client: Client, model: Model, full: bool, samples: Samples = SAMPLES) -> Comparison:
    """A whole comparison of the reference of MODEL with a device that runs `model`."""
    comparison = Comparison(MODEL)
    stepper = Stepper(client, model)
    if full:
        compare(comparison, REFERENCE, stepper, samples.x)
    else:
        compare_digests(comparison, REFERENCE, stepper, samples)
    return comparison


def other_weights() -> Model:
    """MODEL with one weight of each neuron of its first operator changed."""
    content = bytearray(MODEL.content)
    data = MODEL.tensors[MODEL.operators[0].inputs[1]].data
    weights = np.asarray(data)
    at = MODEL.content.index(weights.tobytes())
    for neuron in range(weights.shape[0]):
        content[at + neuron * weights.shape[1] + 20] ^= 0x40
    return Model.from_bytes(bytes(content))


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True], ids=["digests", "full"])
@pytest.mark.parametrize("rate", [0.0005, 0.002, 0.01])
@pytest.mark.parametrize("spoiled", [False, True], ids=["right", "wrong"])
def test_a_campaign_under_random_faults_ends_with_the_right_verdict_or_a_link_error(
    session: tuple[FaultyLine, Client], rate: float, full: bool, spoiled: bool
) -> None:
    line, quick = session
    line.arm_both(nothing)
    client = Client(line, pace=STUBBORN)
    client.hello()
    quick.boot = client.boot
    model = other_weights() if spoiled else MODEL
    Stepper(client, model)  # uploaded without faults: at such rates no frame of 4 KiB comes through
    start, finished = time.monotonic(), 0
    for seed in range(FIRST_SEED, FIRST_SEED + (1 if rate > 0.002 else 2)):
        line.arm_both(at_random(rate, seed))
        try:
            comparison = campaign(client, model, full)
        except LinkError:
            line.arm_both(nothing)
            client.hello()
            continue
        finished += 1
        assert comparison.verdict == ("MISMATCH" if spoiled else "MATCH"), f"seed {seed}"
        assert (comparison.samples, comparison.flaky) == (12, False)
    line.arm_both(nothing)
    assert time.monotonic() - start < 300
    assert finished or rate > 0.002, "at such a rate most frames pass"


STATEFUL = Model.from_bytes(state(), "state.tflite")
STATE = Reference(STATEFUL)
STATE_SHAPE = sample_shape(STATE.input)
SEQUENCES = Samples(vectors(STATE_SHAPE, 18, 9, -5), 0, 9, (int8_element(-5),))


def successive(stepper: Stepper) -> list[dict[int, bytes]]:
    """Digests of four invocations under way together, the first one after a reset."""
    given = [(SEQUENCES.request(i, 4096), SEQUENCES.x[i]) for i in range(4)]
    return [dict(got.tensors) for got in stepper.digests(given, successive=True)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("direction", ["write", "read"])
def test_one_fault_at_any_byte_of_successive_invocations_changes_no_answer(
    session: tuple[FaultyLine, Client], direction: str, name: str
) -> None:
    line, client = session
    line.arm_both(nothing)
    stepper = Stepper(client, STATEFUL)
    trace = STATE.trace(SEQUENCES.x[:4])
    expected = [{t: tensor_digest(v[i].tobytes()) for t, v in trace.items()} for i in range(4)]
    line.arm(direction, nothing)
    assert successive(stepper) == expected
    n_bytes = line.ways[direction].n
    one_fault_at_each(range(0, n_bytes, 13), line, direction, name, lambda _: successive(stepper), [expected])
    line.arm_both(nothing)


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True], ids=["digests", "full"])
@pytest.mark.parametrize("rate", [0.0005, 0.004])
def test_a_campaign_with_state_under_random_faults_ends_with_the_right_verdict_or_a_link_error(
    session: tuple[FaultyLine, Client], rate: float, full: bool
) -> None:
    line, quick = session
    line.arm_both(nothing)
    client = Client(line, pace=STUBBORN)
    client.hello()
    quick.boot = client.boot
    stepper, finished = Stepper(client, STATEFUL), 0
    for seed in range(FIRST_SEED, FIRST_SEED + 2):
        line.arm_both(at_random(rate, seed))
        sequences = Sequences(Comparison(STATEFUL), STATE, stepper, SEQUENCES, 6)
        try:
            (sequences.compare if full else sequences.compare_digests)()
        except LinkError:
            line.arm_both(nothing)
            client.hello()
            continue
        finished += 1
        assert (sequences.comparison.verdict, sequences.comparison.samples) == ("MATCH", 18), f"seed {seed}"
    line.arm_both(nothing)
    assert finished or rate > 0.001, "at such a rate most frames pass"


class ResettingLine:
    """A line to native devices: after every `period` bytes written another one has just started."""

    def __init__(self, period: int) -> None:
        self.period, self.written, self.resets = period, 0, -1
        self.name = "a device that restarts"
        self._restart()

    def _restart(self) -> None:
        if self.resets >= 0:
            self.close()
        self.process = NativeProcess(build.build(build.NATIVE), Deadline.in_s(10))
        self.line = SerialLine(self.process.line_url)
        self.resets += 1

    def read(self, deadline: Deadline) -> bytes:
        return self.line.read(deadline)

    def write(self, data: bytes, deadline: Deadline) -> bool:
        self.written += len(data)
        if self.written > self.period:
            self.written = 0
            self._restart()
        return self.line.write(data, deadline)

    def close(self) -> None:
        self.line.close()
        self.process.end()


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True], ids=["digests", "full"])
@pytest.mark.parametrize("spoiled", [False, True], ids=["right", "wrong"])
def test_a_device_that_restarts_in_the_middle_is_noticed_and_the_campaign_goes_on(
    full: bool, spoiled: bool
) -> None:
    if shutil.which("make") is None or shutil.which("gcc") is None:
        pytest.skip("make and gcc are not installed")
    line = ResettingLine(9000 if full or spoiled else 6100)  # an upload takes 5,500 bytes
    try:
        client = Client(line, pace=QUICK)
        client.hello()
        comparison = campaign(client, other_weights() if spoiled else MODEL, full, MORE)
        assert line.resets >= 1
        assert comparison.resets >= 1
        assert comparison.verdict == ("MISMATCH" if spoiled else "MATCH")
        assert comparison.samples == 40
    finally:
        line.close()


def test_garbage_and_mutated_requests_do_not_bring_the_sanitized_firmware_down() -> None:
    if shutil.which("make") is None or shutil.which("gcc") is None:
        pytest.skip("make and gcc are not installed")
    rng = random.Random(20261121 + FIRST_SEED)
    process = NativeProcess(build.build(build.NATIVE_SANITIZED), Deadline.in_s(10))
    try:
        with closing(SerialLine(process.line_url)) as line:
            client = Client(line, obituary=process.obituary)
            client.hello()
            client.ensure_model((NETWORKS / "digits_mlp.tflite").read_bytes())
            for _ in range(3000):
                # MODEL_BEGIN … READ and unknown types with any payload, whole frames; every tenth is noise
                payload = rng.randbytes(rng.choice([0, 4, 8, 12, 36, 100]))
                if rng.random() < 0.5:
                    payload = bytes(byte & rng.choice([0, 1, 3, 255]) for byte in payload)
                frame = encode(Frame(rng.randrange(2, 11), rng.randrange(65536), payload))
                assert line.write(frame if rng.random() < 0.9 else rng.randbytes(50), Deadline.in_s(5))
                line.read(Deadline.in_s(0))
            client.hello()
            assert client.ensure_model((NETWORKS / "digits_mlp.tflite").read_bytes()).n_operators == 2
    finally:
        process.end()
