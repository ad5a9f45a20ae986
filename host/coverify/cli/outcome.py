"""How every verb ends: one result object, rendered as text or JSON, its verdict turned into the exit code.

An error that coverify knows becomes a result as well (ERROR, UNSUPPORTED, LINK_ERROR, DEVICE_FAULT) with the
message, never a traceback; Ctrl-C exits with 130, SIGTERM with 143, SIGHUP with 129, after everything that
was started has been ended.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from coverify.errors import CoverifyError, DeviceFault, DeviceRefused, LinkError
from coverify.files import unwritable
from coverify.interrupts import exit_code_of
from coverify.link.requests import Status
from coverify.report import ModelRef, Result, Verdict, exit_code, render, write_result
from coverify.report.errors import ResultFileError
from coverify.report.result import read_result, write_atomically
from coverify.report.verdict import MEANINGS
from tflm_int8 import Model, TflmError, UnsupportedModel, UnsupportedOp

BROKEN_PIPE = 141
PIPE_WIDTH = 120
"""Columns of text that goes into a file or a pipe."""
_STAYS = "is of an earlier call and stays as it was"
_DOES_NOT_FIT = (Status.TOO_BIG, Status.UNSUPPORTED, Status.NO_ARENA)
"""Refusals that are about the model on this board, not about the line."""

JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE|-", help="Write the result as JSON to FILE, or to standard output."),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for the result and its evidence (made if missing)."),
]
ProfileOption = Annotated[str, typer.Option(help="Kernel profile: whose arithmetic the reference follows.")]
HeadOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=9999, help="Of a network with several output tensors: which is asked about, from 0."
    ),
]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP in a verb that has something to show for it: `result` is what is known."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__()


@contextlib.contextmanager
def interruptible(known: Callable[[], Result | None]) -> Iterator[None]:
    """Raises Interrupted where it is interrupted in here; as it is where nothing (None) is known by then."""
    try:
        yield
    except KeyboardInterrupt:
        if (result := known()) is None:
            raise
        raise Interrupted(result) from None


class Shown(Console):
    """A reader that has had enough (`| head`) is no verdict: it ends the verb as SIGPIPE would."""

    def on_broken_pipe(self) -> None:
        _end_unread()


def _end_unread() -> NoReturn:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(BROKEN_PIPE)


def print_json(text: str) -> None:
    """Print JSON, which is UTF-8 whatever the terminal's encoding is.  Raises OSError."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _end_unread()


@dataclass(frozen=True)
class Output:
    """Where a result goes: `json` is a file or "-", `out` a folder that gets <verb>.json."""

    json: str | None = None
    out: Path | None = None

    @property
    def console(self) -> Console:
        """Where text goes: standard output, or standard error when that is taken by the JSON."""
        console = Shown(stderr=self.json == "-", highlight=False)
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = PIPE_WIDTH
        return console

    def emit(self, result: Result) -> None:
        """Write the result, and show it even where it cannot be written.  Raises OSError."""
        try:
            if self.out is not None:
                self.out.mkdir(parents=True, exist_ok=True)
                write_result(self.out, result)
        finally:
            try:
                self.write(result)
            finally:
                if self.json != "-":
                    render(result, self.console)

    def write(self, result: Result) -> None:
        """The JSON alone.  Raises OSError."""
        if self.json == "-":
            print_json(result.to_json())
        elif self._file is not None:
            write_atomically(self._file, result.to_json())

    @property
    def _file(self) -> Path | None:
        return None if self.json in (None, "-") else Path(str(self.json))

    def earlier(self, verb: str) -> Path | None:
        """The result of an earlier call in the folder, where there is one that is not an ERROR."""
        path = None if self.out is None else self.out / f"{verb}.json"
        if path is None or not path.is_file():
            return None
        with contextlib.suppress(ResultFileError):
            return None if read_result(path).verdict == "ERROR" else path
        return path

    def beside(self, kept: Path) -> Output:
        """The same without what would be written over a file."""
        same = self._file is not None and self._file.resolve() == kept.resolve()
        return Output(None if same else self.json)

    def misplaced(self) -> str | None:
        """Why no result can go there, as far as that is seen before anything has been computed."""
        try:
            return self._misplaced()
        except OSError as error:  # a name that is too long, a part of a path that is a file
            return told(error)

    def _misplaced(self) -> str | None:
        if self.out is not None and (gone := _not_there(self.out)) is not None:
            return f"--out {self.out}: there is no folder {gone}"
        if self.out is not None and self.out.exists() and not self.out.is_dir():
            return f"--out {self.out}: it is a file; a folder is wanted"
        if self.out is not None and (why := unwritable(self.out, folder=True)) is not None:
            return f"--out {self.out}: {why}"
        if self._file is None:
            return None
        if self._file.is_dir():
            return f"--json {self._file}: it is a folder; a file is wanted"
        if _is_binary(self._file):
            return f"--json {self._file}: it is no text, so no earlier result, and stays as it was"
        folder = self._file.parent
        made = self.out is not None and folder.resolve() == self.out.resolve()
        if not made and not folder.is_dir():
            return f"--json {self._file}: there is no folder {folder}"
        why = unwritable(self._file)
        return None if why is None else f"--json {self._file}: {why}"


def _is_binary(path: Path) -> bool:
    """Is it a network, an archive, a journal, …?"""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b"\0" in file.read(4096)


def _not_there(path: Path) -> Path | None:
    """The first part of the path that a ".." leads back from and that is no folder."""
    parts = [Path(*path.parts[:k]) for k, part in enumerate(path.parts) if part == ".." and k]
    return next((part for part in parts if not part.is_dir()), None)


def finite(seconds: float) -> float:
    """For options: refuse what is no number of seconds."""
    if not math.isfinite(seconds):
        raise typer.BadParameter(f"{seconds} is not a number of seconds.")
    return seconds


def run_verb(verb: str, output: Output, body: Callable[[], Result], goes_on: str = "") -> NoReturn:
    """Run a verb's body, emit its result (or the error as a result) and exit by its verdict.

    goes_on: what is said where it is interrupted and has a folder.
    """
    started = datetime.now(timezone.utc)
    if (message := output.misplaced()) is not None:
        result = Result(verb=verb, verdict="ERROR", message=plain_text(message), versions=versions())
        _emit(Output("-" if output.json == "-" else None), _stamped(result, started))
        raise typer.Exit(exit_code("ERROR"))
    try:
        result, refused = _ended(verb, body)
        if refused and (kept := output.earlier(verb)) is not None:
            what = _STAYS if _older(kept, started) else "has what was known some time before"
            said = plain_text(f"{result.message}\n{kept} {what}")
            result, output = result.model_copy(update={"message": said}), output.beside(kept)
        _emit(output, _stamped(result, started))
    except KeyboardInterrupt as stop:
        _tell_interrupt(stop, verb, output, started, goes_on)
        raise typer.Exit(exit_code_of(stop)) from None
    raise typer.Exit(exit_code(result.verdict))


def _tell_interrupt(
    stop: KeyboardInterrupt, verb: str, output: Output, started: datetime, goes_on: str
) -> None:
    """Emit what is known, or say that the result in the folder is none of this call."""
    console = Console(stderr=True)
    if isinstance(stop, Interrupted):
        _emit(output, _stamped(stop.result, started))
    elif (kept := output.earlier(verb)) is not None and _older(kept, started):
        console.print(f"{kept} {_STAYS}", markup=False, soft_wrap=True)
    more = f"; {goes_on}" if goes_on and output.out is not None else ""
    console.print(f"interrupted{more}", style="bold", markup=False)


def _older(result: Path, started: datetime) -> bool:
    """Was a result there before this call?"""
    return result.stat().st_mtime < started.timestamp()


def tell_misuse(verb: str, json: str, message: str) -> None:
    """A command line that is none, as a result for --json; people see what typer prints."""
    output = Output(json)
    if output.misplaced() is None:
        result = Result(verb=verb, verdict="ERROR", message=plain_text(message), versions=versions())
        output.write(_stamped(result, datetime.now(timezone.utc)))


def _ended(verb: str, body: Callable[[], Result]) -> tuple[Result, bool]:
    """The body's result, or the error that ended it as a result; and whether it found out nothing at all."""
    try:
        return body(), False
    except (CoverifyError, TflmError, OSError) as error:
        result = Result(verb=verb, verdict=verdict_of(error), message=told(error), versions=versions())
        return result, not _of_a_device(error)
    except typer.Exit:
        raise
    except Exception as error:  # a defect of coverify: said in one line, and never taken for a verdict
        return Result(verb=verb, verdict="ERROR", message=_defect(error), versions=versions()), True


def _defect(error: Exception) -> str:
    """What is said of a defect.  Raises it with COVERIFY_DEBUG."""
    if os.environ.get("COVERIFY_DEBUG"):
        raise error
    said = plain_text(f"internal error: {type(error).__name__}: {error}")[:1000]
    return said + "; please report it (COVERIFY_DEBUG=1 shows where)"


def _emit(output: Output, result: Result) -> None:
    """Emit; what goes wrong here is told, and no result is made of it: one may be written already."""
    try:
        output.emit(result)
        return
    except OSError as error:
        said = f"the result cannot be written: {error}"
    except Exception as error:
        said = _defect(error)
    Console(stderr=True).print(said, style="bold red", markup=False)
    raise typer.Exit(2)


def _stamped(result: Result, started: datetime) -> Result:
    finished = datetime.now(timezone.utc)
    return result.model_copy(
        update={
            "started": started,
            "finished": finished,
            "command": ("coverify", *map(plain_text, sys.argv[1:1000])),
        }
    )


def plain_text(text: str) -> str:
    """The text without what UTF-8 cannot say (file names may be any bytes), at most 4000 characters."""
    return text.encode("utf-8", "replace").decode()[:4000]


def told(error: Exception) -> str:
    """What an error says to people: no number of the system's."""
    if isinstance(error, OSError) and error.strerror:
        said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        return plain_text(said)
    return plain_text(str(error))


def verdict_of(error: Exception) -> Verdict:
    """The verdict that an error stands for."""
    if isinstance(error, UnsupportedOp | UnsupportedModel):
        return "UNSUPPORTED"
    if isinstance(error, DeviceRefused):
        return "UNSUPPORTED" if error.status in _DOES_NOT_FIT else "LINK_ERROR"
    if isinstance(error, DeviceFault):
        return "DEVICE_FAULT"
    if isinstance(error, LinkError):
        return "LINK_ERROR"
    return "ERROR"


def _of_a_device(error: Exception) -> bool:
    """Does an error say something of a device or its line?"""
    return isinstance(error, LinkError | DeviceFault | DeviceRefused)


def noted(message: str | None, verdict: Verdict, notes: Sequence[str]) -> str | None:
    """A message and lines more; its first line stands in the place of what the verdict means."""
    return "\n".join([message or MEANINGS[verdict], *notes]) if notes else message


def model_ref(model: Model) -> ModelRef:
    """The model as a result names it."""
    return ModelRef(file=model.name, sha256=model.sha256)


def versions(*packages: str) -> dict[str, str]:
    """The versions of coverify, Python, the system, numpy and the named packages that are installed."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in ("coverify", "numpy", *packages):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
