"""Board files drafted from what hangs on serial ports: real lines for HELLO, pyserial's own rows for USB."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from command import coverify
from coverify.boards import build, usb
from coverify.boards.board_file import read_board_file
from coverify.boards.catalog import resolve
from coverify.boards.device import open_device
from coverify.boards.flash import flash_command
from coverify.boards.native import NativeProcess
from coverify.boards.scan import Found, drafts, scan, write_drafts
from coverify.boards.usb import UsbIds
from coverify.errors import BoardError, LinkError
from coverify.link.deadline import Deadline


def port(device: str, vid: int | None = None, pid: int | None = None, number: str | None = None, **also: str):
    info = ListPortInfo(device)
    info.vid, info.pid, info.serial_number = vid, pid, number
    for key, value in also.items():
        setattr(info, key, value)
    return info


NUCLEO = port(
    "/dev/ttyACM3", 0x0483, 0x374B, "066AFF495157", manufacturer="STMicroelectronics", product="STM32 STLink"
)
TWIN = port("/dev/ttyACM4", 0x0483, 0x374B, "0670FF555254", product="STM32 STLink")
BRIDGE = port("COM7", 0x1A86, 0x7523, product='USB "Serial"\n')
ODD = port("/dev/ttyUSB1", 0x0403, 0x6001, "A B@9", description="FT232R\ud800 \x7f")


@pytest.fixture
def native():
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    process = NativeProcess(build.build(build.NATIVE), Deadline.in_s(20))
    yield process
    process.end()


def test_where_the_firmware_answers_the_draft_is_a_board_file_that_opens_it(native, tmp_path):
    silent, other = os.openpty()
    done = coverify(
        "boards",
        "--scan",
        "--port",
        native.line_url,
        "--port",
        os.ttyname(other),
        "-o",
        tmp_path / "b",
        "--json",
        "-",
    )
    rows = {row["url"]: row for row in done.result["boards"]}
    answered, quiet = rows[native.line_url], rows[os.ttyname(other)]
    for descriptor in (silent, other):
        os.close(descriptor)
    assert (answered["ready"], answered["core"]) == (True, "host")
    assert (quiet["ready"], quiet["core"]) == (False, "unknown")
    path = tmp_path / "b" / f"{answered['name']}.toml"
    assert path.read_text() == answered["draft"]
    with open_device(str(path)) as device:
        assert device.hello.build_id in answered["notes"]


def test_a_draft_overwrites_nothing(tmp_path):
    named = [("first", "1"), ("second", "2")]
    (tmp_path / "second.toml").write_text("mine")
    with pytest.raises(BoardError, match=r"second\.toml exists; move it away"):
        write_drafts(tmp_path, named)
    assert [p.name for p in tmp_path.iterdir()] == ["second.toml"]
    assert (tmp_path / "second.toml").read_text() == "mine"


@pytest.mark.cross
def test_an_emulated_core_is_found_over_its_line():
    """The line of the running emulator is let go and asked anew, by the scan."""
    if shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None:
        pytest.skip("the cross compiler or QEMU is not installed")
    firmware = build.build(build.machine_target("mps2-an386"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none",
               "-kernel", str(firmware), "-serial", f"tcp:127.0.0.1:{number},server=on,wait=off"]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as emulator:
        try:
            url, deadline = f"socket://127.0.0.1:{number}", Deadline.in_s(20)
            found = scan([url])[-1]
            while found.hello is None and not deadline.passed:
                found = scan([url])[-1]
        finally:
            emulator.kill()
    assert found.hello is not None, found.said
    assert found.hello.core == "cortex-m4f"
    _, text = next(drafts([found]))
    assert f'url = "{url}"' in text and "baud" not in text


def test_every_draft_is_a_valid_board_file_and_their_names_differ(tmp_path):
    found = [Found(p) for p in (NUCLEO, TWIN, BRIDGE, ODD, port("/dev/ttyS0"), port("/dev/serial/ttyS0"))]
    named = dict(drafts(found))
    assert len(named) == len(found)
    for name, text in named.items():
        path = tmp_path / f"{name}.toml"
        path.write_text(text, "utf-8")
        file = read_board_file(path)
        assert file.name == name
        assert resolve(str(path)).kind in ("usb", "serial")
    assert read_board_file(tmp_path / "st-link-v2-1-ff495157.toml").url == "usb:0483:374b:066AFF495157"
    assert "ST-LINK/V2-1" in named["st-link-v2-1-ff495157"]
    assert '# flash = ["pyocd"' in named["st-link-v2-1-ff495157"]
    assert 'url = "serial:COM7"' in next(text for text in named.values() if "COM7" in text)


def test_a_commented_flash_command_of_a_draft_is_one_that_a_board_file_takes(tmp_path):
    _, text = next(drafts([Found(NUCLEO)]))
    path = tmp_path / "board.toml"
    path.write_text(text.replace("# flash", "flash").replace("# elf", "elf"))
    assert flash_command(resolve(str(path)), Path("fw.elf"))[-1] == "fw.elf"


def test_usb_ids_find_the_port_whatever_it_is_called():
    ports = [port("/dev/ttyS0"), TWIN, NUCLEO, BRIDGE]
    assert UsbIds.parse("0483:374b:066AFF495157@921600").line_url(ports) == "/dev/ttyACM3@921600"
    assert UsbIds.parse("1A86:7523").line_url(ports) == "COM7"
    with pytest.raises(BoardError, match="ttyACM3, /dev/ttyACM4 have the USB ids 0483:374b"):
        UsbIds.parse("0483:374b").line_url(ports)
    with pytest.raises(LinkError, match="no serial port has the USB ids 0d28:0204; is the board plugged in"):
        UsbIds.parse("0d28:0204").line_url(ports)


def test_a_board_file_may_give_usb_ids_and_a_port_that_moved_is_found_again(tmp_path, monkeypatch):
    path = tmp_path / "nucleo.toml"
    path.write_text('name = "n"\nusb = "0483:374B:066AFF495157"\nbaud = 9600\nflash = ["tool", "{port}"]\n')
    board = resolve(str(path))
    monkeypatch.setattr(usb.list_ports, "comports", lambda: [NUCLEO, TWIN])
    assert board.line_url == "/dev/ttyACM3@9600"
    assert flash_command(board, Path("x.elf")) == ["tool", "/dev/ttyACM3"]
    moved = port("/dev/ttyACM9", NUCLEO.vid, NUCLEO.pid, NUCLEO.serial_number)
    monkeypatch.setattr(usb.list_ports, "comports", lambda: [moved])
    assert board.line_url == "/dev/ttyACM9@9600"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('usb = "0483"', "board.toml:2: usb: '0483': USB ids are VENDOR:PRODUCT"),
        ('usb = "0483:374b"\nurl = "native:"', "board.toml:2: usb: the file gives a url as well"),
        ('usb = "0483:374b@9600"\nbaud = 115200', "the url gives a baud rate already"),
    ],
)
def test_wrong_usb_ids_are_refused_with_file_and_line(tmp_path, lines, says):
    path = tmp_path / "board.toml"
    path.write_text(f'name = "b"\n{lines}\n')
    with pytest.raises(BoardError) as error:
        resolve(str(path))
    assert says in str(error.value)


def test_usb_ids_are_a_device_url_too_and_a_board_that_is_absent_is_a_link_error():
    with pytest.raises(LinkError, match="is the board plugged in"), open_device("usb:0000:ffff"):
        pass


def test_a_port_that_cannot_be_opened_is_described_with_the_reason():
    found = [one for one in scan(["/dev/none-such"]) if one.port.device == "/dev/none-such"]
    assert "cannot open /dev/none-such" in found[0].said
