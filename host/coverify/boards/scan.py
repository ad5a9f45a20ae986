"""Which boards hang on this machine's serial ports? A draft of a board file for each.

Every port is described by its USB ids (usb.py) and, if wanted, asked HELLO at the usual baud rates: where our
firmware answers, core, board and baud rate are its own words. A port that does not answer is drafted as well,
with what is to be filled in. Opening a port may reset the board behind it (many wire DTR to reset). The
drafts are board files as they stand (board_file.py); nothing that exists is overwritten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from coverify.boards.usb import UsbIds, adapter_of
from coverify.errors import BoardError, DeviceFault, DeviceRefused, LinkError
from coverify.files import replace_file
from coverify.link.client import Client
from coverify.link.deadline import Deadline
from coverify.link.line import LineUrl, SerialLine
from coverify.link.pace import Pace
from coverify.link.requests import HelloAnswer

BAUD_RATES = (115200, 921600)
"""Those that are tried: the rate that our ports start with, then the fastest that common bridges take."""
ANSWER_S = 1.5
"""How long a port may take to answer at one rate; a board that is reset by the opening boots first."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Found:
    """A serial port; `baud` is the rate at which `hello` came, `said` why there is none."""

    port: ListPortInfo
    hello: HelloAnswer | None = None
    baud: int | None = None
    said: str = "not asked"


def scan(more: Iterable[str] = (), *, ask: bool = True, progress: Progress | None = None) -> list[Found]:
    """The machine's serial ports and `more` (paths, socket:// or rfc2217:// lines), each asked if `ask`.

    BadInput for a line in `more` that cannot be one.
    """
    ports = sorted(list_ports.comports())
    known = {port.device for port in ports}
    for url in more:
        where = LineUrl.parse(url).port
        if where not in known:
            known.add(where)
            ports.append(_other(where))
    found = []
    for i, port in enumerate(ports):
        found.append(_asked(port) if ask else Found(port))
        if progress is not None:
            progress(i + 1, len(ports))
    return found


def _other(url: str) -> ListPortInfo:
    port = ListPortInfo(url)
    port.description = url
    return port


def _asked(port: ListPortInfo) -> Found:
    network = LineUrl.parse(port.device).is_network
    said = ""
    for baud in (None,) if network else BAUD_RATES:
        try:
            hello = _hello(port.device if baud is None else f"{port.device}@{baud}")
        except LinkError as err:
            said = str(err)
            if said.startswith("cannot open"):
                break
        except (DeviceFault, DeviceRefused) as err:
            return Found(port, None, baud, str(err))
        else:
            return Found(port, hello, baud, "")
    return Found(port, None, None, said or "no answer")


def _hello(url: str) -> HelloAnswer:
    client = Client(SerialLine(url), pace=Pace(resend_s=0.3))
    try:
        return client.hello(Deadline.in_s(ANSWER_S))
    finally:
        client.close()


def drafts(found: Iterable[Found]) -> Iterator[tuple[str, str]]:
    """(name, text) of a board file for each; names differ."""
    taken: set[str] = set()
    for one in found:
        name = stem = _name(one)
        number = 2
        while name in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name)
        yield name, _draft(name, one)


def _name(found: Found) -> str:
    adapter = adapter_of(found.port)
    what = found.hello.board if found.hello else adapter.name if adapter else found.port.product or "board"
    which = found.port.serial_number or Path(found.port.device).name
    slug = re.sub(r"[^a-z0-9]+", "-", f"{what}-{which[-8:]}".lower()).strip("-")
    return slug if re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug) else "board"


def _draft(name: str, found: Found) -> str:
    """The file's text: a TOML basic string is a JSON string here, as all of it is printable."""
    port, adapter = found.port, adapter_of(found.port)
    ids = UsbIds.of(port)
    lines = [f"# Drafted by `coverify boards --scan` for {_printable(port.device)}; yours to correct."]
    if found.hello is None:
        lines.append(f"# HELLO was not answered: {_printable(found.said)[:200]}")
    lines.append(f"name = {_text(name)}")
    if ids is not None and ids.serial:
        lines.append(f"usb = {_text(str(ids))}")
    else:
        scheme = "" if LineUrl.parse(port.device).is_network else "serial:"
        lines.append(f"url = {_text(scheme + port.device)}")
    lines.append(f"core = {_text(found.hello.core)}" if found.hello else '# core = "Cortex-M4F"')
    if not LineUrl.parse(port.device).is_network:
        lines.append(f"baud = {found.baud}" if found.baud else f"# baud = {BAUD_RATES[0]}")
    about = [adapter.name if adapter else "", port.manufacturer or "", port.product or port.description or ""]
    lines.append(
        f"notes = {_text(', '.join(dict.fromkeys(word for word in about if word and word != 'n/a')))}"
    )
    if adapter is not None and adapter.flash:
        lines.append(f"# flash = {json.dumps(list(adapter.flash))}")
        lines.append('# elf = "coverify.elf"')
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _text(text: str) -> str:
    return json.dumps(_printable(text), ensure_ascii=False)


def write_drafts(folder: Path, named: Iterable[tuple[str, str]]) -> list[Path]:
    """Write each draft as NAME.toml; BoardError before anything is written if one of them exists."""
    files = [(folder / f"{name}.toml", text) for name, text in named]
    for path, _ in files:
        if path.exists():
            raise BoardError(f"{path} exists; move it away, or give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files:
        replace_file(path, text.encode())
    return [path for path, _ in files]
