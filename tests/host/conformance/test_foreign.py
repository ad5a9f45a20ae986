"""Firmware that speaks MLPerf Tiny's commands: a scripted one, and an image of ours on a Cortex-M4."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from coverify.boards.device import open_foreign
from coverify.boards.qemu import PROGRAM, QemuProcess
from coverify.conformance.compare import Comparison, compare
from coverify.conformance.foreign import ForeignRunner, output_code
from coverify.errors import BadAnswer, BadInput, LinkError
from coverify.link.deadline import Deadline
from coverify.link.mlperf_tiny import MlperfTiny
from coverify.link.pace import Pace
from coverify.replay import Claim, replay
from model_builder import Builder
from oracle import NETWORKS, ROOT
from tflm_int8 import Ends, Model, Reference

MODEL = Model.read(NETWORKS / "digits_cnn.tflite")
REFERENCE = Reference(MODEL)
X = np.load(NETWORKS / "digits_cnn.npz", allow_pickle=False)["x"][:6]
QUICK = Pace(resend_s=0.02, answer_s=0.3, compute_s=0.3)


def test_three_digits_tell_every_output_code():
    # what C's printf makes of an exact double; Python's % does the same
    assert [output_code(f"{(q + 128) / 256:.3f}") for q in range(-128, 128)] == list(range(-128, 128))


@pytest.mark.parametrize("text", ["", "0.5", "1.000", "0.501", "-0.500", "nan", "0.50x", "0.998", "5.000"])
def test_what_is_no_probability_of_an_int8_output_is_a_bad_answer(text):
    with pytest.raises(BadAnswer):
        output_code(text)


class ScriptedLine:
    """The far end: `answer(command)` gives the lines of each command."""

    name = "scripted"

    def __init__(self, answer) -> None:
        self.answer, self.out, self.command = answer, b"", ""

    def write(self, data, deadline):
        for char in data.decode():
            self.command += char
            if char == "%":
                lines = self.answer(self.command[:-1])
                self.out += b"".join(line.encode() + b"\r\n" for line in lines)
                self.command = ""
        return True

    def read(self, deadline):
        data, self.out = self.out, b""
        if not data:
            deadline = deadline.sooner(0.01)
            while not deadline.passed:
                pass
        return data

    def close(self):
        pass


def greeting(command):
    known = {"name": ["m-name-dut-[vendor]"], "profile": ["m-profile-[x]", "m-model-[kws01]"]}
    return [*known.get(command, [f"e-[Unknown command: {command}]"]), "m-ready"]


def test_hello_gets_in_step_and_learns_name_and_model():
    device = MlperfTiny(ScriptedLine(greeting), QUICK)
    device.hello()
    assert (device.name, device.model) == ("vendor", "kws01")


@pytest.mark.parametrize("at_once", [1, 1000])
def test_answers_that_a_busy_device_gives_late_are_not_those_to_what_is_asked_then(at_once):
    """Ended twice, as it did not answer at first; the first answer comes together with the name."""

    class Busy(ScriptedLine):
        ended = 0

        def read(self, deadline):
            kept, self.out = self.out[at_once:], self.out[:at_once]
            data = super().read(deadline)
            self.out = kept
            return data

    def answer(command):
        line.ended += command == ""
        if command == "":
            return greeting(command) if line.ended == 2 else []
        late = greeting("") * (line.ended - 1) if command == "name" else []
        return [*late, *greeting(command)]

    line = Busy(answer)
    device = MlperfTiny(line, QUICK)
    device.hello(Deadline.in_s(5))
    assert (device.name, device.model, line.ended) == ("vendor", "kws01", 2)


def test_a_name_that_is_refused_is_told():
    line = ScriptedLine(lambda command: [f"e-[Unknown command: {command}]", "m-ready"])
    with pytest.raises(LinkError, match=r"answers name% with e-\[Unknown command: name\]"):
        MlperfTiny(line, QUICK).hello(Deadline.in_s(5))


@pytest.mark.parametrize(
    "answer",
    [
        lambda c: [],
        lambda c: ["m-ready"],
        lambda c: ["x" * 5000] * 20,
        lambda c: ["m-name-dut-[\x00]", "m-ready"],
    ],
    ids=["silent", "empty", "endless", "unprintable"],
)
def test_what_does_not_speak_the_commands_is_a_link_error(answer):
    with pytest.raises(LinkError):
        MlperfTiny(ScriptedLine(answer), QUICK).hello(Deadline.in_s(0.5))


def test_a_network_whose_output_three_digits_do_not_tell_is_refused():
    device = MlperfTiny(ScriptedLine(greeting), QUICK)
    device.hello()
    with pytest.raises(BadInput, match="1/256"):
        ForeignRunner(device, Model.read(NETWORKS / "digits_mlp.tflite"))


@pytest.fixture(scope="module")
def firmware(tmp_path_factory) -> Path:
    for tool in ("make", "arm-none-eabi-gcc", PROGRAM):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return image(tmp_path_factory.mktemp("mlperf"), NETWORKS / "digits_cnn.tflite")


def image(folder: Path, network: Path, harness: Path = ROOT / "device_harness") -> Path:
    """The program with this network in it; the folder keeps the objects of them all."""
    command = ["make", "-s", "-C", str(harness), "PORT=mps2", "MACHINE=an386"]
    command += [f"MLPERF_TINY={network}", f"BUILD={folder}"]
    subprocess.run(command, check=True, timeout=300)
    return shutil.copy(folder / "coverify-an386.elf", folder / f"{network.stem}.elf")


@pytest.fixture
def device(firmware) -> Iterator[MlperfTiny]:
    with running(firmware) as device:
        yield device


@contextmanager
def running(firmware: Path) -> Iterator[MlperfTiny]:
    process = QemuProcess("mps2-an386", firmware, Deadline.in_s(30))
    try:
        process.go(Deadline.in_s(10))
        with closing(open_foreign(f"mlperf:{process.line_url}")) as device:
            yield device
    finally:
        process.end()


pytest_cross = [pytest.mark.cross, pytest.mark.slow]


class TestOnAnEmulatedCore:
    pytestmark = pytest_cross

    def test_its_outputs_are_those_of_the_reference(self, device):
        assert (device.name, device.model) == ("coverify", "kws01")
        comparison = Comparison(MODEL, MODEL.outputs[:1])
        compare(comparison, REFERENCE, ForeignRunner(device, MODEL), X)
        assert (comparison.verdict, comparison.samples) == ("MATCH", len(X))
        assert comparison.bytes_compared == len(X) * 10, "the output, and nothing else"

    def test_another_network_is_a_mismatch_that_repeats(self, device):
        other = bytearray(MODEL.content)
        weights = np.asarray(MODEL.tensors[MODEL.operators[-2].inputs[1]].data)
        at = MODEL.content.index(weights.tobytes())
        for i in range(0, weights.size, 3):
            other[at + i] ^= 0x20
        changed = Model.from_bytes(bytes(other))
        comparison = Comparison(changed, changed.outputs[:1])
        compare(comparison, Reference(changed), ForeignRunner(device, changed), X)
        assert comparison.verdict == "MISMATCH"
        assert all(mismatch.repeated for mismatch in comparison.mismatches)

    def test_a_witness_is_confirmed_at_the_output(self, device):
        labels = REFERENCE.run(X).reshape(len(X), -1).argmax(1)
        i = next(i for i in range(1, len(X)) if labels[i] != labels[0])
        shape = MODEL.tensors[MODEL.inputs[0]].shape
        tensors = {t: values[0] for t, values in REFERENCE.trace(X[i : i + 1]).items()}
        claim = Claim(X[0].reshape(shape), X[i].reshape(shape), int(labels[0]), tensors)
        done = replay(claim, Ends.of(MODEL), ForeignRunner(device, MODEL))
        assert done.verdict == "CONFIRMED"
        assert [row.tensor for row in done.tensors] == [MODEL.outputs[0]]

    def test_every_inference_of_a_network_that_keeps_state_starts_from_the_reset_state(
        self, firmware, tmp_path
    ):
        b = Builder()
        x = b.input((1, 4), 1 / 256, -128)
        handle = b.op("VAR_HANDLE", [], b.tensor((), "resource"), 111, SharedName="v")
        last = b.op("READ_VARIABLE", [handle], b.like(x, (1, 4)), 112)
        b.op("ASSIGN_VARIABLE", [handle, x], [], 113)
        y = b.op("MAXIMUM", [x, last], b.like(x, (1, 4)))
        (tmp_path / "state.tflite").write_bytes(b.finish(y))
        samples = np.array([[100, -5, 7, 0], [-100, 50, 6, 1]], np.int8)
        with running(image(firmware.parent, tmp_path / "state.tflite")) as device:
            got = [[output_code(text) for text in device.infer(one.tobytes())] for one in samples]
        assert got == samples.tolist(), "not the maximum of both"

    def test_a_device_that_nobody_asks_anything_is_not_taken_for_one_that_hangs(self, tmp_path):
        harness = shutil.copytree(ROOT / "device_harness", tmp_path / "harness")
        header = harness / "ports/mps2/machine.h"
        assert "CV_WATCHDOG_S 25u" in header.read_text()
        header.write_text(header.read_text().replace("CV_WATCHDOG_S 25u", "CV_WATCHDOG_S 1u"))
        with running(image(tmp_path / "built", NETWORKS / "digits_cnn.tflite", harness)) as device:
            time.sleep(3)
            device.hello(Deadline.in_s(5))
            assert device.name == "coverify"

    def test_errors_of_the_protocol_are_link_errors_and_the_device_goes_on(self, device):
        for wrong in ("nonsense", "db load 65", "db 00", "infer 1 0", "infer", "db zz"):
            with pytest.raises(LinkError, match="answers"):
                device.ask(wrong)
        runner = ForeignRunner(device, MODEL)
        np.testing.assert_array_equal(runner.run(X[0]), REFERENCE.run(X[:1]).reshape(1, 10))
