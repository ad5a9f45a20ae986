"""The firmware itself behind the link: as a host process, with sanitizers, and on an emulated Cortex-M4.

Expected tensors come from tflm_int8, which shares no code with the firmware.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from coverify.boards import build
from coverify.boards.catalog import BUILT_IN
from coverify.boards.device import Device, open_device
from coverify.cli.devices import device_row
from coverify.errors import BoardError, DeviceFault, DeviceRefused, DeviceReset, LinkError
from coverify.link.deadline import Deadline
from coverify.link.requests import PROTOCOL_VERSION, Features
from tflm_int8 import Model, Reference

ROOT = Path(__file__).resolve().parents[3]
NETWORKS = ROOT / "firmware_models" / "networks"
EMULATED = "qemu:mps2-an386"


def missing(*programs: str) -> str:
    absent = [program for program in programs if shutil.which(program) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


HOST_TOOLS = missing("make", "gcc")
CROSS_TOOLS = missing("make", "arm-none-eabi-gcc", "qemu-system-arm")
needs_host_tools = pytest.mark.skipif(bool(HOST_TOOLS), reason=HOST_TOOLS or "all there")
needs_cross_tools = pytest.mark.skipif(bool(CROSS_TOOLS), reason=CROSS_TOOLS or "all there")
DEVICES = [
    pytest.param("native:", None, id="native", marks=needs_host_tools),
    pytest.param("native:", build.NATIVE_SANITIZED, id="native-sanitized", marks=needs_host_tools),
    pytest.param(EMULATED, None, id="mps2-an386", marks=[needs_cross_tools, pytest.mark.cross]),
]
#: olimex-stm32-h405 runs netduinoplus2's image, and not every QEMU has it
OTHER_MACHINES = [
    pytest.param(board.url, None, id=board.target, marks=[needs_cross_tools, pytest.mark.cross])
    for board in BUILT_IN
    if board.kind == "qemu" and board.url not in (EMULATED, "qemu:olimex-stm32-h405")
]


def opened(url: str, target: build.Target | None) -> Device:
    return open_device(url, firmware=build.build(target) if target else None)


@pytest.mark.parametrize("network", ["digits_mlp", "digits_cnn"])
@pytest.mark.parametrize(("url", "target"), DEVICES + OTHER_MACHINES)
def test_every_tensor_of_a_network_comes_back_as_the_reference_says(
    url: str, target: build.Target | None, network: str
) -> None:
    model = Model.read(NETWORKS / f"{network}.tflite")
    x = np.load(NETWORKS / f"{network}.npz", allow_pickle=False)["x"][:3]
    expected = Reference(model).trace(x)
    with opened(url, target) as device:
        plan = device.client.ensure_model(model.content)
        assert plan.n_operators == len(model.operators)
        for i, sample in enumerate(x):
            device.client.set_input(0, sample.tobytes())
            device.client.invoke(stepped=True)
            for op in range(plan.n_operators):
                for output in device.client.step(op).outputs:
                    assert output.data == expected[output.tensor][i].tobytes(), (i, op, output.tensor)
            device.client.set_input(0, sample.tobytes())
            assert device.client.invoke().operators == plan.n_operators
            assert [o.data for o in device.client.outputs()] == [
                expected[t.index][i].tobytes() for t in plan.outputs
            ]


@pytest.mark.parametrize(("url", "target"), DEVICES)
def test_a_model_is_uploaded_once_and_gone_after_a_restart(url: str, target: build.Target | None) -> None:
    content = (NETWORKS / "digits_mlp.tflite").read_bytes()
    seen: list[tuple[int, int]] = []
    with opened(url, target) as device:
        first = device.client.ensure_model(content, lambda *now: seen.append(now))
        assert seen[-1] == (len(content), len(content))
        seen.clear()
        assert device.client.ensure_model(content, lambda *now: seen.append(now)) == first
        assert seen == []
        assert device.client.hello().model_sha256 != bytes(32)
        device.restart()
        assert device.hello.model_sha256 == bytes(32)


@pytest.mark.parametrize(("url", "target"), [*DEVICES[2:], *OTHER_MACHINES])
def test_a_preloaded_model_is_not_sent_and_another_one_is(url: str, target: None) -> None:
    mlp, cnn = ((NETWORKS / f"digits_{name}.tflite").read_bytes() for name in ("mlp", "cnn"))
    seen: list[tuple[int, int]] = []
    with open_device(url, preload=mlp) as device:
        plan = device.client.ensure_model(mlp, lambda *now: seen.append(now))
        assert (plan.n_operators, seen) == (2, [])
        assert device.client.ensure_model(cnn, lambda *now: seen.append(now)).n_operators > 2
        assert seen[-1] == (len(cnn), len(cnn))
        seen.clear()
        assert device.client.ensure_model(mlp, lambda *now: seen.append(now)) == plan
        assert seen[-1] == (len(mlp), len(mlp)), "the other model overwrote it"


@pytest.mark.parametrize(("url", "target"), DEVICES[:2])
def test_what_is_no_model_is_refused_and_the_device_lives_on(url: str, target: build.Target | None) -> None:
    content = (NETWORKS / "digits_mlp.tflite").read_bytes()
    with opened(url, target) as device:
        for bad in (b"x", bytes(1000), content[: len(content) // 2], content[::-1]):
            with pytest.raises(DeviceRefused, match="BAD_MODEL"):
                device.client.ensure_model(bad)
        with pytest.raises(DeviceRefused, match="TOO_BIG"):
            device.client.ensure_model(bytes(device.hello.model_capacity + 1))
        assert device.client.ensure_model(content).n_operators > 0


@pytest.mark.parametrize(("url", "target"), DEVICES)
def test_a_device_that_dies_in_the_middle_is_a_link_error_at_once(
    url: str, target: build.Target | None
) -> None:
    content = (NETWORKS / "digits_mlp.tflite").read_bytes()
    with opened(url, target) as device:
        device.client.ensure_model(content)
        (pid,) = device_pids()
        os.kill(pid, signal.SIGKILL)
        start = time.monotonic()
        with pytest.raises(LinkError, match=r"ended by SIGKILL"):
            device.client.set_input(0, bytes(64))
        assert time.monotonic() - start < 2
        device.restart()
        device.client.ensure_model(content)


@needs_host_tools
def test_a_device_that_is_restarted_behind_our_back_is_a_device_reset() -> None:
    with open_device("native:") as device:
        old = device.client
        boot = old.boot
        device.restart()
        device.client.boot = boot  # as if the line had stayed open through the reset
        with pytest.raises(DeviceReset) as reset:
            device.client.set_input(0, b"")
        assert reset.value.expected == boot


@needs_host_tools
def test_a_device_says_what_a_report_needs() -> None:
    with open_device("native:") as device:
        told, row = device.hello, device_row(device)
    assert (row.url, row.protocol, Features.TRACE in told.features) == ("native:", PROTOCOL_VERSION, True)
    assert all((row.board, row.core, row.engine, row.rounding, row.compiler, row.build_id))


@needs_host_tools
def test_a_wire_log_is_written_while_the_device_is_used(tmp_path: Path) -> None:
    with open_device("native:", wire_log=tmp_path / "wire.txt"):
        assert "HELLO=" in (tmp_path / "wire.txt").read_text()


def test_only_an_emulated_board_takes_a_firmware_file() -> None:
    with pytest.raises(BoardError, match="flash this one"):
        open_device("serial:/dev/absent0", firmware=Path("a.elf"))


@needs_cross_tools
@pytest.mark.cross
def test_an_emulator_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "large.elf").write_bytes(bytes(8 << 20))  # no ELF, and more than the machine's memory there
    with pytest.raises(LinkError, match=r"the emulator of mps2-an386 ended with status 1.*large\.elf"):
        open_device(EMULATED, firmware=tmp_path / "large.elf")
    with pytest.raises(BoardError, match=r"there is no firmware .*absent\.elf"):
        open_device(EMULATED, firmware=tmp_path / "absent.elf")


@needs_cross_tools
@pytest.mark.cross
def test_firmware_with_an_instruction_that_the_core_lacks_is_a_device_fault_that_says_where() -> None:
    with_fpu = build.build(build.machine_target("mps2-an386"))
    content = (NETWORKS / "digits_mlp.tflite").read_bytes()
    with pytest.raises(DeviceFault) as fault, open_device("qemu:mps2-an385", firmware=with_fpu) as device:
        device.client.ensure_model(content)
    # Armv7-M: exception 6 is UsageFault, CFSR bit 16 UNDEFINSTR, bit 19 NOCP (which of them is first is the
    # compiler's choice of instructions); code is in the first 4 MB, xPSR.T is set
    assert fault.value.exception == 6
    assert fault.value.registers.cfsr in (1 << 16, 1 << 19)
    assert 0 < fault.value.registers.pc < 4 << 20
    assert fault.value.registers.xpsr & 1 << 24


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
@pytest.mark.parametrize(("url", "target"), [DEVICES[0], DEVICES[2]])
def test_no_device_outlives_its_host(url: str, target: build.Target | None, how: signal.Signals) -> None:
    text = (
        "import time\nfrom coverify.boards.device import open_device\n"
        f"with open_device({url!r}):\n    print('open', flush=True)\n    time.sleep(1000)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "host")}
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"open\n"
        (pid,) = device_pids(host.pid)
        host.send_signal(how)
        host.wait()
        deadline = Deadline.in_s(5)
        while stat(pid)[0] not in "-Z":
            assert not deadline.passed, f"device process {pid} is still there"
            time.sleep(0.02)


def stat(pid: int) -> tuple[str, int]:
    """A process's state (- when there is none) and its parent, from /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "-", 0
    return fields[0], int(fields[1])


def device_pids(host: int | None = None) -> list[int]:
    """The native devices and emulators that are grandchildren of `host` (this process), guards between."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and stat(stat(int(entry.name))[1])[1] == (host or os.getpid()):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = (entry / "cmdline").read_bytes().split(b"\0")[0]
                if Path(os.fsdecode(command)).name in ("coverify-native", "qemu-system-arm"):
                    found.append(int(entry.name))
    return found


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert device_pids() == []
