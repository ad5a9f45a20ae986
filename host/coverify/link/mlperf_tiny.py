"""How does one talk to firmware that speaks MLPerf Tiny's serial commands? Text, one command at a time.

A command is ASCII and ends with `%`; the device answers with lines and, last, `m-ready`. There is no length,
no checksum and no sequence number anywhere: what the line changes within a digit cannot be seen here, so
whoever finds a difference must ask again. Source: mlcommons/tiny, benchmark/api/internally_implemented.cpp.
"""

from __future__ import annotations

import re

from coverify.errors import LinkError
from coverify.link.deadline import Deadline
from coverify.link.line import Line
from coverify.link.pace import Pace

#: bytes of a `db` command, so that it stays below the 80 characters that a device has room for
PIECE = 31
_READY = b"m-ready\r\n"
_MAX_TEXT = 1 << 16
_RESULTS = re.compile(r"m-results-\[([-+0-9.eE, ]*)\]")
_MODEL = re.compile(r"m-model-\[([a-z0-9]{2,8})\]")
_NAME = re.compile(r"m-name-dut-\[([ -~]*)\]")


class MlperfTiny:
    """A device with one network, at the other end of `line`. Call `hello` first."""

    def __init__(self, line: Line, pace: Pace | None = None) -> None:
        """Nothing is sent yet."""
        self.name = ""
        self.model = ""
        self._line = line
        self._pace = pace or Pace()

    def close(self) -> None:
        """Close the line."""
        self._line.close()

    def hello(self, deadline: Deadline | None = None) -> None:
        """Bring both ends in step; learn the device's `name` and its `model`: kws01, ic01, vww01 or ad01."""
        deadline = deadline or Deadline.in_s(self._pace.answer_s)
        while not deadline.passed:
            self._line.write(b"%", deadline)  # ends what was left of an older command
            if self._lines(deadline.sooner(2 * self._pace.resend_s), strict=False) is not None:
                break
        while self._line.read(deadline.sooner(self._pace.resend_s)):  # answers to older commands, a banner
            if deadline.passed:
                raise LinkError(f"{self._line.name} talks without end")
        self.name = self._field(_NAME, self._first_answer(deadline))
        self.model = self._field(_MODEL, self.ask("profile", deadline))

    def ask(self, command: str, deadline: Deadline | None = None) -> list[str]:
        """The lines of the answer, without `m-ready`; LinkError when there is none or it is an error."""
        deadline = deadline or Deadline.in_s(self._pace.answer_s)
        self._line.write(command.encode("ascii") + b"%", deadline)
        lines = self._lines(deadline, strict=True)
        assert lines is not None
        return self._accepted(command, lines)

    def _accepted(self, command: str, lines: list[str]) -> list[str]:
        """The lines themselves; LinkError where they are an error."""
        wrong = next((line for line in lines if line.startswith("e-[")), None)
        if wrong is not None:
            raise LinkError(f"the device answers {command[:20]}% with {wrong[:80]}")
        return lines

    def _first_answer(self, deadline: Deadline) -> list[str]:
        """The answer to `name`, behind those to the commands that were ended before it: a busy device gives
        them late, and in order.
        """
        self._line.write(b"name%", deadline)
        text, late = b"", ""
        while not deadline.passed and len(text) <= _MAX_TEXT:
            text += self._line.read(deadline)
            *answers, text = text.split(_READY)
            for answer in answers:
                lines = answer.decode("ascii", "replace").split("\r\n")
                late = next((line for line in lines if line.startswith("e-[")), "")
                if not late or "name" in late:
                    return self._accepted("name", lines)
        if late:
            return self._accepted("name", [late])
        raise LinkError(f"no m-ready from {self._line.name}; does it speak MLPerf Tiny's commands?")

    def infer(self, data: bytes) -> tuple[str, ...]:
        """The results that the device prints for one input, as it prints them."""
        self.ask(f"db load {len(data)}")
        lines: list[str] = []
        for start in range(0, len(data), PIECE):
            lines = self.ask(f"db {data[start : start + PIECE].hex()}")
        if not any("load-done" in line for line in lines):
            raise LinkError("the device has not got all bytes of the input")
        lines = self.ask("infer 1 0", Deadline.in_s(self._pace.compute_s))
        return tuple(self._field(_RESULTS, lines).replace(" ", "").split(","))

    def _field(self, pattern: re.Pattern[str], lines: list[str]) -> str:
        for line in lines:
            found = pattern.fullmatch(line)
            if found:
                return str(found[1])
        raise LinkError(
            f"no {pattern.pattern[:12]}… in the device's answer; does it speak MLPerf Tiny's commands?"
        )

    def _lines(self, deadline: Deadline, strict: bool) -> list[str] | None:
        """The lines up to `m-ready`; without it LinkError, or None when not strict."""
        text = b""
        while _READY not in text:
            if deadline.passed or len(text) > _MAX_TEXT:
                if strict:
                    raise LinkError(
                        f"no m-ready from {self._line.name}; does it speak MLPerf Tiny's commands?"
                    )
                return None
            text += self._line.read(deadline)
        lines = text.decode("ascii", "replace").split("\r\n")
        return lines[: lines.index("m-ready")]
