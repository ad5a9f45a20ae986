"""The firmware on QEMU's Cortex-M machines: the same answers as TFLM, and a last word after a crash."""

from __future__ import annotations

import functools
import select
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

import random_elementwise
import random_movement
from coverify.boards.build import build, machine_target
from coverify.boards.qemu import PROGRAM, QemuProcess
from coverify.errors import DeviceFault
from coverify.link.client import Client, Pace
from coverify.link.deadline import Deadline
from coverify.link.line import SerialLine
from oracle import NETWORKS, SHARED, Tflm, shared
from random_graphs import images, network
from tflm_int8 import Model

#: machine -> its board and core as HELLO names them, the least model and arena memory, what counts cycles
MACHINES = {
    "mps2-an385": ("mps2-an385", "cortex-m3", 2 << 20, 8 << 20, "SysTick"),
    "mps2-an386": ("mps2-an386", "cortex-m4f", 2 << 20, 8 << 20, "SysTick"),
    "mps2-an500": ("mps2-an500", "cortex-m7", 2 << 20, 8 << 20, "SysTick"),
    "mps2-an505": ("mps2-an505", "cortex-m33", 2 << 20, 8 << 20, "SysTick"),
    "mps3-an547": ("mps3-an547", "cortex-m55", 2 << 20, 8 << 20, "SysTick"),
    "netduinoplus2": ("stm32f4", "cortex-m4f", 56 << 10, 48 << 10, "SysTick"),
    "olimex-stm32-h405": ("stm32f4", "cortex-m4f", 56 << 10, 48 << 10, "SysTick"),
    "microbit": ("microbit", "cortex-m0", 128 << 10, 10 << 10, "TIMER0"),
}
LARGE = [machine for machine in MACHINES if machine.startswith("mps")]
PACE = Pace().scaled(8)

pytestmark = pytest.mark.cross


@functools.cache
def machines_of_qemu() -> set[str]:
    told = subprocess.run([PROGRAM, "-machine", "help"], capture_output=True, text=True, check=True)
    return {line.partition(" ")[0] for line in told.stdout.splitlines()}


@pytest.fixture
def firmware(machine):
    for tool in ("make", "arm-none-eabi-gcc", PROGRAM):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if machine not in machines_of_qemu():
        pytest.skip(f"this QEMU has no {machine} (QEMU 8.0 has)")
    return build(machine_target(machine))


@pytest.fixture
def client(machine, firmware):
    process = QemuProcess(machine, firmware, Deadline.in_s(30))
    client = Client(SerialLine(process.line_url), pace=PACE, obituary=process.obituary)
    process.go(Deadline.in_s(10))
    client.hello()
    yield client
    client.close()
    process.end()


def assert_every_tensor_equal(client: Client, content: bytes, samples: np.ndarray) -> None:
    plan = client.ensure_model(content)
    oracle = Tflm(content)
    for x in samples:
        oracle.run(x)
        client.set_input(0, x.tobytes())
        client.invoke(stepped=True)
        for op in range(plan.n_operators):
            for output in client.step(op).outputs:
                assert output.data == oracle.tensor(output.tensor).tobytes(), f"op {op}"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_says_what_it_is_and_agrees_with_tflm_on_every_tensor(machine, client):
    hello = client.hello()
    board, core, model, arena, _ = MACHINES[machine]
    assert (hello.board, hello.core, hello.engine) == (board, core, "coverify-kernels")
    assert hello.model_capacity >= model and hello.arena_capacity >= arena
    digits = (NETWORKS / "digits_cnn.tflite").read_bytes()
    assert_every_tensor_equal(client, digits, images(1, (1, 8, 8, 1), 6))
    for seed in range(3):
        content = network(seed)
        import tflite

        graph = tflite.Model.GetRootAs(content).Subgraphs(0)
        shape = tuple(int(d) for d in graph.Tensors(graph.Inputs(0)).ShapeAsNumpy())
        assert_every_tensor_equal(client, content, images(seed, shape, 4))


ON_A_CORE = (
    "ARG_MAX", "BATCH_MATMUL", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CUMSUM", "DEPTH_TO_SPACE", "GATHER",
    "MIRROR_PAD", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH",
)  # fmt: skip


@pytest.mark.parametrize("machine", ["mps2-an385"])
def test_a_machine_without_floating_point_agrees_on_operators_around_the_layers(machine, client):
    contents = [random_movement.one_op(name, seed) for name in ON_A_CORE for seed in range(4)]
    contents += [
        random_elementwise.one_op(name, 1) for name in ("ABS", "ELU", "L2_NORMALIZATION", "SELECT_V2")
    ]
    for content in contents:
        tensor = Model.from_bytes(content).tensors[0]
        if tensor.dtype == "int8":
            assert_every_tensor_equal(client, content, random_elementwise.samples(1, tensor.shape, 2))


@pytest.mark.slow
@pytest.mark.parametrize("machine", [*LARGE, "netduinoplus2", "olimex-stm32-h405"])
def test_a_machine_agrees_with_tflm_on_the_keyword_network(machine, client):
    content = shared("models/kws_ref_model.tflite").read_bytes()
    x = np.load(SHARED / "kws/kws01_first500.npz", allow_pickle=False)["x"][:2]
    assert_every_tensor_equal(client, content, x.reshape(2, 1, 49, 10, 1))


# -- a crash -------------------------------------------------------------------------------------------


class UnixLine:
    """A Line over a Unix socket."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._socket = connect(path)

    def read(self, deadline: Deadline) -> bytes:
        ready, _, _ = select.select([self._socket], [], [], max(0.0, deadline.remaining))
        return self._socket.recv(4096) if ready else b""

    def write(self, data: bytes, deadline: Deadline) -> bool:
        self._socket.sendall(data)
        return True

    def close(self) -> None:
        self._socket.close()


def connect(path: Path) -> socket.socket:
    """The path exists before QEMU listens on it, so a refusal is asked again."""
    deadline = Deadline.in_s(20)
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(str(path))
            return client
        except OSError:
            client.close()
            if deadline.passed:
                raise
            select.select([], [], [], 0.02)


def packet(command: str) -> bytes:
    return f"${command}#{sum(command.encode()) % 256:02x}".encode()


def gdb(stub: socket.socket, command: str, reply: bytes) -> None:
    """One packet of gdb's remote protocol; waits for `reply` somewhere in what comes back."""
    stub.sendall(packet(command))
    stub.settimeout(20)
    received = b""
    while reply not in received:
        more = stub.recv(4096)
        assert more, received
        received += more
    stub.sendall(b"+")


def jump(stub: socket.socket, address: int) -> None:
    """Have the core go on at `address`. QEMU takes a register's number only once it has told the numbers."""
    gdb(stub, "?", b"$T")
    gdb(stub, "qXfer:features:read:target.xml:0,800", b"</target>")
    gdb(stub, f"Pf={address.to_bytes(4, 'little').hex()}", b"$OK")
    stub.sendall(packet("c"))  # and nothing after it: any further byte would stop the machine


@pytest.mark.parametrize("machine", MACHINES)
def test_a_crash_is_reported_with_its_registers_and_again_for_every_zero(machine, firmware, tmp_path):
    line, stub = tmp_path / "line", tmp_path / "gdb"
    command = [PROGRAM, "-machine", machine, "-nodefaults", "-display", "none", "-kernel", firmware]
    command += ["-serial", f"unix:{line},server=on,wait=on", "-gdb", f"unix:{stub},server=on,wait=off"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            client = Client(UnixLine(line), pace=PACE)
            client.hello()
            debugger = connect(stub)
            # the default memory map forbids execution at 0xE…; a Cortex-M0 finds no memory at 0x6…
            nowhere = 0x6000_0000 if machine == "microbit" else 0xE000_0000
            jump(debugger, nowhere)
            for _ in range(3):
                with pytest.raises(DeviceFault) as caught:
                    client.hello()
                fault = caught.value
                assert (fault.boot, fault.registers.pc) == (client.boot, nowhere)
                if machine == "microbit":  # Armv6-M has HardFault only, and no status registers
                    assert (fault.exception, fault.registers.cfsr) == (3, 0)
                    continue
                assert fault.registers.cfsr & 1, "IACCVIOL"
                # 4 MemManage; or 3 HardFault by escalation, where the core slept with interrupts masked
                assert fault.exception == 4 or (fault.exception == 3 and fault.registers.hfsr == 1 << 30)
            debugger.close()
            client.close()
        finally:
            process.kill()
