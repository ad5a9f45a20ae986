"""One fault at every byte of an exchange with the real firmware, both ways: the right bytes still come.

The faults sit between the client and the line: a byte lost, doubled, flipped, or a 0x00 before it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from coverify.boards import build
from coverify.boards.native import NativeProcess
from coverify.link.client import Client, OperatorRun, Pace
from coverify.link.deadline import Deadline
from coverify.link.frames import Frame, encode
from coverify.link.line import SerialLine

NETWORKS = Path(__file__).resolve().parents[3] / "firmware_models" / "networks"
QUICK = Pace(resend_s=0.008, growth=1.5, most_sends=12, bytes_per_s=1e6)
Fault = Callable[[bytes], bytes]
FAULTS: dict[str, Fault] = {
    "lost": lambda byte: b"",
    "doubled": lambda byte: byte * 2,
    "flipped": lambda byte: bytes([byte[0] ^ 0x10]),
    "split": lambda byte: b"\0" + byte,
}


class FaultyLine:
    """A line that does `fault` to byte number `at` of one direction, counted from `arm` on."""

    def __init__(self, line: SerialLine) -> None:
        self.name = line.name
        self._line = line
        self._counts = {"read": 0, "write": 0}
        self._at = ("none", -1)
        self._fault: Fault = bytes

    def arm(self, direction: str, at: int, fault: Fault) -> None:
        self._counts = {"read": 0, "write": 0}
        self._at, self._fault = (direction, at), fault

    def counted(self, direction: str) -> int:
        return self._counts[direction]

    def _hurt(self, direction: str, data: bytes) -> bytes:
        i = self._at[1] - self._counts[direction]
        self._counts[direction] += len(data)
        if direction != self._at[0] or not 0 <= i < len(data):
            return data
        return data[:i] + self._fault(data[i : i + 1]) + data[i + 1 :]

    def read(self, deadline: Deadline) -> bytes:
        return self._hurt("read", self._line.read(deadline))

    def write(self, data: bytes, deadline: Deadline) -> bool:
        return self._line.write(self._hurt("write", data), deadline)

    def close(self) -> None:
        self._line.close()


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


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("direction", ["write", "read"])
def test_one_fault_at_any_byte_changes_no_answer(
    session: tuple[FaultyLine, Client], direction: str, name: str
) -> None:
    line, client = session
    samples = [x.tobytes() for x in np.load(NETWORKS / "digits_mlp.npz", allow_pickle=False)["x"][:2]]
    expected = []
    for x in samples:
        line.arm("none", -1, bytes)
        runs = exchange(client, x)
        expected.append([run.outputs for run in runs])
    n_bytes = line.counted(direction)
    assert n_bytes > 100
    assert expected[0] != expected[1]
    for at in range(n_bytes):
        line.arm(direction, at, FAULTS[name])
        got = exchange(client, samples[at % 2])
        assert [run.outputs for run in got] == expected[at % 2], f"byte {at}"


@pytest.mark.parametrize("direction", ["write", "read"])
def test_a_fault_somewhere_in_an_upload_changes_no_answer(
    session: tuple[FaultyLine, Client], direction: str
) -> None:
    line, client = session
    x = np.load(NETWORKS / "digits_mlp.npz", allow_pickle=False)["x"][0].tobytes()
    models = [(NETWORKS / f"digits_{name}.tflite").read_bytes() for name in ("cnn", "mlp")]
    line.arm("none", -1, bytes)
    plan = client.ensure_model(models[1])
    expected = exchange(client, x)
    client.ensure_model(models[0])
    line.arm("none", -1, bytes)
    client.ensure_model(models[1])
    n_bytes = line.counted(direction)
    for at in range(0, n_bytes, max(1, n_bytes // 60)):
        line.arm("none", -1, bytes)
        client.ensure_model(models[0])
        line.arm(direction, at, FAULTS["lost"])
        assert client.ensure_model(models[1]) == plan
        assert [r.outputs for r in exchange(client, x)] == [r.outputs for r in expected], f"byte {at}"


def test_garbage_and_mutated_requests_do_not_bring_the_sanitized_firmware_down() -> None:
    if shutil.which("make") is None or shutil.which("gcc") is None:
        pytest.skip("make and gcc are not installed")
    rng = random.Random(20261121)
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
