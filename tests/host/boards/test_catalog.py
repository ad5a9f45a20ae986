"""Device URLs, names and board files: each means one board or is refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from coverify.boards.catalog import BUILT_IN, boards, resolve
from coverify.boards.device import open_device
from coverify.boards.flash import flash, flash_command
from coverify.errors import BadInput, BoardError, BuildError, ToolMissing

GOOD = """\
name = "shelf board"
url = "serial:/dev/ttyACM7"
core = "Cortex-M4F"
baud = 921600
timeout_scale = 3
notes = "by the window"
flash = ["tool-that-is-absent", "--to={port}", "{elf}"]
"""


@pytest.fixture(autouse=True)
def empty_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("native:", "native", ""),
        ("native", "native", ""),
        ("qemu:mps2-an386", "qemu", "mps2-an386"),
        ("qemu:mps3-an547", "qemu", "mps3-an547"),
        ("qemu:microbit", "qemu", "microbit"),
        ("serial:/dev/ttyACM0@921600", "serial", "/dev/ttyACM0@921600"),
        ("serial:COM3", "serial", "COM3"),
        ("/dev/ttyACM0", "serial", "/dev/ttyACM0"),
        ("/dev/ttyACM0@921600", "serial", "/dev/ttyACM0@921600"),
        ("/dev/serial/by-id/usb-board-7:1.0", "serial", "/dev/serial/by-id/usb-board-7:1.0"),
        ("/dev/pts/0", "serial", "/dev/pts/0"),
        ("COM3", "serial", "COM3"),
        ("COM12@9600", "serial", "COM12@9600"),
        ("rfc2217://host:4000", "rfc2217", "rfc2217://host:4000"),
        ("socket://10.0.0.7:4000", "socket", "socket://10.0.0.7:4000"),
    ],
)
def test_a_device_url_is_a_board(text: str, kind: str, target: str) -> None:
    board = resolve(text)
    assert (board.kind, board.target) == (kind, target)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no device: give .*, mlperf:PORT@BAUD"),
        ("unknown-name", "is no device"),
        ("qemu:", "mps2-an386"),
        ("qemu:vexpress-a9", "no such machine"),
        ("native:x", "nothing goes after"),
        ("serial:", "is no device"),
        ("serial:/dev/ttyACM0@fast", "baud rate"),
        ("serial:spy:///dev/ttyS0", "is no device"),
        ("/dev/ttyACM0@fast", "baud rate"),
        ("/dev/", "is no device"),
        ("COMPORT", "is no device"),
        ("socket://host", "host:port"),
        ("ftp://host:1", "is no device"),
        ("absent.toml", "cannot read the board file"),
        ("../../etc/passwd", "is no device"),
    ],
)
def test_what_is_no_device_is_refused(text: str, says: str) -> None:
    with pytest.raises(BoardError, match=says):
        resolve(text)


def test_a_port_and_its_url_are_one_device() -> None:
    assert resolve("/dev/ttyACM0@921600") == resolve("serial:/dev/ttyACM0@921600")
    assert resolve("COM3") == resolve("serial:COM3")


def test_every_built_in_board_is_found_by_its_url() -> None:
    assert [resolve(board.url) for board in BUILT_IN] == list(BUILT_IN)


def test_a_board_file_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "boards" / "shelf.toml", GOOD)
    write(tmp_path / "config" / "coverify" / "boards" / "other.toml", GOOD)
    board = resolve(str(path))
    assert (board.name, board.kind, board.target) == ("shelf board", "serial", "/dev/ttyACM7@921600")
    assert (board.core, board.timeout_scale, board.notes) == ("Cortex-M4F", 3.0, "by the window")
    assert resolve("shelf").target == resolve("other").target == board.target
    assert len(boards()) == len(BUILT_IN) + 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + 'speed = "x"\n', r"b\.toml:8: speed: unknown key"),
        (GOOD + '[server]\nname = "x"\n', r"b\.toml:8: server: unknown key"),
        (GOOD.replace("921600", '"921600"'), r"b\.toml:4: baud: must be a whole number"),
        (GOOD.replace("921600", "true"), r"b\.toml:4: baud"),
        (GOOD.replace("921600", "-1"), r"b\.toml:4: baud"),
        (GOOD.replace("= 3", "= nan"), r"b\.toml:5: timeout_scale"),
        (GOOD.replace("= 3", "= 0.0"), r"b\.toml:5: timeout_scale"),
        (GOOD.replace("= 3", '= "3"'), r"b\.toml:5: timeout_scale: must be a number"),
        (GOOD.replace("{elf}", "{model}"), r"b\.toml:7: flash: \{model\}"),
        (GOOD.replace('"{elf}"', "7"), r"b\.toml:7: flash"),
        (GOOD.replace('name = "shelf board"\n', ""), "name: is missing"),
        (GOOD.replace("shelf board", "a\\nb"), r"b\.toml:1: name: must be printable"),
        (GOOD.replace("serial:/dev/ttyACM7", "usp:7"), "url: .*is no device"),
        (GOOD.replace("serial:/dev/ttyACM7", "usb:7"), "url: .*USB ids are VENDOR:PRODUCT"),
        (GOOD.replace("ttyACM7", "ttyACM7@9600"), "baud rate already"),
        (GOOD.replace("serial:/dev/ttyACM7", "native:"), "has no baud"),
        ("name = oops\n", r"not valid TOML.*line 1"),
        ("x = " + "[" * 100_000, "not valid TOML"),
        ("#" * (1 << 20) + "\n", "no board file"),
    ],
    ids=range(19),
)
def test_a_board_file_that_is_wrong_is_refused_with_file_and_line(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(BoardError, match=says):
        resolve(str(write(tmp_path / "b.toml", text)))


def test_a_board_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BoardError, match="not a text file"):
        resolve("b.toml")


def test_the_flash_command_is_the_template_with_elf_and_port(tmp_path: Path) -> None:
    board = resolve(str(write(tmp_path / "b.toml", GOOD)))
    elf = write(tmp_path / "a file.elf", "")
    assert flash_command(board, elf) == ["tool-that-is-absent", "--to=/dev/ttyACM7", str(elf)]
    with pytest.raises(ToolMissing, match="tool-that-is-absent"):
        flash(board, elf)
    with pytest.raises(BadInput, match="build the firmware"):
        flash(board, tmp_path / "absent.elf")


def test_a_flasher_that_fails_is_quoted(tmp_path: Path) -> None:
    text = GOOD.replace(
        '["tool-that-is-absent", "--to={port}", "{elf}"]', '["sh", "-c", "echo no probe; exit 1"]'
    )
    board = resolve(str(write(tmp_path / "b.toml", text)))
    with pytest.raises(BuildError, match="no probe"):
        flash(board, write(tmp_path / "a.elf", ""))


def test_a_board_without_flash_command_says_so() -> None:
    with pytest.raises(BoardError, match="no flash command"):
        flash_command(resolve("serial:/dev/ttyACM0"), Path("a.elf"))


def test_an_emulated_board_is_started_with_the_image_that_its_url_or_its_board_file_names(
    tmp_path: Path,
) -> None:
    board = resolve("qemu:mps2-an386@some/fw.elf")
    assert (board.kind, board.target, board.elf) == ("qemu", "mps2-an386", Path("some/fw.elf"))
    assert resolve("native:@a@b").elf == Path("a@b")
    with pytest.raises(BoardError, match="there is no firmware"):
        open_device(f"native:@{tmp_path / 'absent'}")
    for wrong in ("qemu:mps2-an386@", "qemu:nothing@fw.elf", "native:fw"):
        with pytest.raises(BoardError):
            resolve(wrong)
