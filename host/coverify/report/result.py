"""What did a verb find? `Result` is what every verb writes as JSON; text, JUnit and HTML render it.

Reading is strict: a file that is too large, not JSON, of another schema, or with an unknown or ill-typed key
is a `ResultFileError` that names the place. Writing is atomic: a reader sees the old file or the new one,
never a piece.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from coverify.files import replace_file
from coverify.report.campaign_rows import CactusLine, CurvePoint, Radius
from coverify.report.diagnosis import Diagnosis
from coverify.report.errors import ResultFileError
from coverify.report.kernel_rows import KernelRow
from coverify.report.repair_rows import Repair
from coverify.report.rows import (
    MAX_ROWS,
    BoardRow,
    Check,
    Count,
    Device,
    Int64,
    Mismatch,
    ModelRef,
    OperatorRow,
    OperatorSupport,
    Oracle,
    Part,
    Query,
    Replay,
    Row,
    TensorRow,
    Text,
)
from coverify.report.separations import Separation
from coverify.report.study_rows import Study
from coverify.report.verdict import Verdict

SCHEMA: Literal["coverify-result/1"] = "coverify-result/1"
MAX_BYTES = 64 << 20
"""Largest result file that is read, in bytes."""


def _utc(time: datetime) -> datetime:
    return time.astimezone(timezone.utc)


Time = Annotated[AwareDatetime, AfterValidator(_utc)]
Verb = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


class Result(Row):
    """What one verb found, or (verb "report") what several found together."""

    schema_: Literal["coverify-result/1"] = Field(default=SCHEMA, alias="schema")
    verb: Verb
    verdict: Verdict
    message: Text | None = None
    """Why there is no better verdict, in one sentence."""
    model: ModelRef | None = None
    """None only where no single network is concerned."""
    device: Device | None = None
    profile: Text | None = None
    """Named table operator → kernel variant that the reference followed."""
    oracle: Oracle | None = None
    samples: Count | None = None
    bytes_compared: Count | None = None
    tensors: Annotated[tuple[TensorRow, ...], Field(max_length=MAX_ROWS)] | None = None
    mismatches: Annotated[tuple[Mismatch, ...], Field(max_length=MAX_ROWS)] | None = None
    diagnoses: Annotated[tuple[Diagnosis, ...], Field(max_length=MAX_ROWS)] | None = None
    kernels: Annotated[tuple[KernelRow, ...], Field(max_length=MAX_ROWS)] | None = None
    queries: Annotated[tuple[Query, ...], Field(max_length=MAX_ROWS)] | None = None
    radii: Annotated[tuple[Radius, ...], Field(max_length=MAX_ROWS)] | None = None
    curve: Annotated[tuple[CurvePoint, ...], Field(max_length=MAX_ROWS)] | None = None
    """Of all inputs, how many are certified, attacked and open at each radius."""
    cactus: Annotated[tuple[CactusLine, ...], Field(max_length=1000)] | None = None
    separations: Annotated[tuple[Separation, ...], Field(max_length=MAX_ROWS)] | None = None
    replays: Annotated[tuple[Replay, ...], Field(max_length=MAX_ROWS)] | None = None
    operators: Annotated[tuple[OperatorRow, ...], Field(max_length=MAX_ROWS)] | None = None
    support: Annotated[tuple[OperatorSupport, ...], Field(max_length=MAX_ROWS)] | None = None
    checks: Annotated[tuple[Check, ...], Field(max_length=MAX_ROWS)] | None = None
    boards: Annotated[tuple[BoardRow, ...], Field(max_length=MAX_ROWS)] | None = None
    repair: Repair | None = None
    study: Study | None = None
    parts: Annotated[tuple[Part, ...], Field(max_length=MAX_ROWS)] | None = None
    not_covered: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    versions: Annotated[dict[Text, Text], Field(max_length=100)] = Field(default_factory=dict)
    started: Time | None = None
    finished: Time | None = None
    seed: Int64 | None = None
    command: Annotated[tuple[Text, ...], Field(max_length=1000)] | None = None

    def to_json(self) -> str:
        """The file's text: UTF-8, contract names, keys without a value left out, ends in a newline."""
        return self.model_dump_json(indent=1, exclude_none=True, by_alias=True) + "\n"


def write_result(folder_or_file: Path | str, result: Result) -> Path:
    """Write `result` atomically and return the path: the file itself, or `<verb>.json` in an existing folder.

    In a folder a merged result (verb "report") is named result.json. Raises OSError.
    """
    path = Path(folder_or_file)
    if path.is_dir():
        path = path / ("result.json" if result.verb == "report" else f"{result.verb}.json")
    write_atomically(path, result.to_json())
    return path


def write_atomically(path: Path, text: str) -> None:
    """Put `text` (UTF-8) at `path` through a temporary file beside it; an error leaves the old file."""
    replace_file(path, text.encode())


def read_result(path: Path | str) -> Result:
    """The result in a file; ResultFileError names what is wrong and where."""
    path = Path(path)
    return parse_result(path, read_bounded(path))


def read_bounded(path: Path) -> bytes:
    """The bytes of a regular file of no more than MAX_BYTES, or ResultFileError."""
    if not path.is_file():
        raise ResultFileError(path, "", "no such file, or not a regular one")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise ResultFileError(path, "", f"cannot be read: {err.strerror}") from err
    if len(data) > MAX_BYTES:
        raise ResultFileError(path, "", f"larger than {MAX_BYTES} bytes; no result is that large")
    return data


def parse_result(path: Path, data: bytes) -> Result:
    """The result in `data`, which was read from `path`."""
    check_schema(path, parse_json(path, data))
    try:
        return Result.model_validate_json(data, strict=True)
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False, include_context=False)[0]
        more = f" (and {err.error_count() - 1} more)" if err.error_count() > 1 else ""
        where = ".".join(str(step) for step in first["loc"])[:200]
        raise ResultFileError(path, where, first["msg"][:500] + more) from err


def parse_json(path: Path, data: bytes) -> Any:
    """The JSON value in `data`; NaN, infinities, repeated keys and absurd nesting are errors."""

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = dict(pairs)
        if len(keys) != len(pairs):
            raise ValueError("the same key twice in one object")
        return keys

    try:
        return json.loads(data.decode("utf-8"), parse_constant=constant, object_pairs_hook=unique)
    except RecursionError as err:
        raise ResultFileError(path, "", "nested too deeply") from err
    except ValueError as err:
        raise ResultFileError(path, "", f"not JSON: {err}") from err


def check_schema(path: Path, value: Any) -> None:
    """ResultFileError unless `value` is an object that names the schema of this version."""
    if not isinstance(value, dict):
        raise ResultFileError(path, "", "not a JSON object")
    if value.get("schema") != SCHEMA:
        raise ResultFileError(
            path, "schema", f"this version reads {SCHEMA}, not {str(value.get('schema'))[:100]!r}"
        )
