"""What has been decided already? An SQLite file in the campaign's folder, one row per answer, never changed.

A row is committed (fsync and all) when its query is known and its files are written, so that a killed process
or a power cut loses the queries under way and nothing else. `campaign` says what the journal is about: model,
inputs, property, engine, version; another campaign is refused with what differs. `journal.lock` is held while
a process is at work; the journal itself may be read by others all the time. It is untrusted when it is read:
schema, digests and every value are checked.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from coverify.campaign.entry import EVIDENCE, Entry, Step, remove_begun
from coverify.campaign.errors import (
    Difference,
    JournalBusy,
    JournalDamaged,
    JournalDiffers,
    JournalInTheWay,
    JournalUnwritable,
)
from coverify.report import Query, ResultFileError, read_result

NAME: Final = "journal.sqlite"
LOCK: Final = "journal.lock"
RESULT: Final = "verify.json"
"""What a campaign's result is called."""
PLOTS: Final = ("accuracy.svg", "cactus.svg")
ABOUT: Final = ("check.json", "replay.json")
"""Results about evidence, which `--fresh` removes with it."""
APPLICATION: Final = 0x636F7631
"""SQLite's application_id of our files: "cov1"."""
VERSION: Final = 1
MAX_VALUE: Final = 1 << 24
"""Longest text of a row, in characters."""

Identity = Mapping[str, str]
"""What two runs of one campaign agree on, by name."""

_SCHEMA: Final = (
    "CREATE TABLE campaign (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE answers (number INTEGER PRIMARY KEY AUTOINCREMENT, sample INTEGER NOT NULL, "
    "eps INTEGER NOT NULL, step TEXT NOT NULL, verdict TEXT NOT NULL, engine TEXT NOT NULL, "
    "time_s REAL NOT NULL, timeout_s REAL NOT NULL, query TEXT NOT NULL, row TEXT NOT NULL, "
    "files TEXT NOT NULL, digest TEXT NOT NULL)",
)
_BEGUN: Final = "CREATE TABLE begun (name TEXT PRIMARY KEY)"
"""Whose evidence was to be written, by Work.name: what of it no answer names may be removed, nothing else.
Journals of earlier versions have no such table.
"""
_STARTED: Final = "started"
_HEAD: Final = b"SQLite format 3\0"
_FILES: Final = TypeAdapter(dict[str, str])
_STEP: Final[TypeAdapter[Step]] = TypeAdapter(Step)


class Journal:
    """The answers of one campaign; a context manager. `started`: seconds since 1970 of its first run."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: sqlite3.Connection | None) -> None:
        self.path, self._connection, self._lock = path, connection, lock
        self._beside: sqlite3.Connection | None = None
        self.started = 0.0

    @staticmethod
    def in_memory() -> Journal:
        """A journal that is gone when it is closed."""
        journal = Journal(Path(":memory:"), sqlite3.connect(":memory:", isolation_level=None), None)
        journal._create({})
        return journal

    @staticmethod
    def open(folder: Path, identity: Identity, fresh: bool = False) -> Journal:
        """The journal in a folder, made if missing; `fresh` forgets what it held, with evidence and result.

        Raises JournalBusy, JournalDamaged, JournalDiffers, JournalInTheWay, JournalUnwritable, OSError.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / NAME
        lock = _locked(folder / LOCK)
        try:
            _plain_file(path)
            if fresh:
                _forget(path)
            was_there = path.exists()
            if not was_there and has_answers(path.with_name(RESULT)):
                raise JournalDamaged(path, f"it is gone, and {RESULT} beside it has answers")
            journal = Journal(path, _connected(path), lock)
        except BaseException:
            lock.close()
            raise
        try:
            with _checked(path):
                journal._begin(identity, was_there)
                journal._beside = _connected(path)
                journal._beside.execute("PRAGMA synchronous=OFF")
        except BaseException:
            journal.close()
            raise
        return journal

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others have it."""
        if self._beside is not None:
            self._beside.close()
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def _begin(self, identity: Identity, was_there: bool) -> None:
        """Make the tables where there are none, else hold them against the identity."""
        ask = self._connection.execute
        ask("PRAGMA trusted_schema=OFF")
        ask("PRAGMA cell_size_check=ON")
        found = [sql for (sql,) in ask("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
        if was_there and not found:
            _check_new(self.path)
        ask("PRAGMA journal_mode=WAL")
        ask("PRAGMA synchronous=FULL")
        if not found:
            self._create(identity)
            return
        application, version = (
            ask(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if application != APPLICATION:
            raise JournalDamaged(self.path, "it was not written by coverify")
        if version != VERSION:
            raise JournalDamaged(self.path, f"this version reads schema {VERSION}, not {version}")
        if tuple(found) not in (_SCHEMA, (*_SCHEMA, _BEGUN)):
            raise JournalDamaged(self.path, "its tables are not those of a journal")
        if [row for (row,) in ask("PRAGMA quick_check(1)")] != ["ok"]:
            raise JournalDamaged(self.path, "SQLite finds it inconsistent")
        self._compare(identity)
        if _BEGUN not in found:
            ask(_BEGUN)

    def _create(self, identity: Identity) -> None:
        self.started = time.time()
        rows = [*identity.items(), (_STARTED, repr(self.started))]
        ask = self._connection.execute
        ask("BEGIN IMMEDIATE")
        for statement in (*_SCHEMA, _BEGUN):
            ask(statement)
        self._connection.executemany("INSERT INTO campaign VALUES (?, ?)", rows)
        ask(f"PRAGMA application_id={APPLICATION}")
        ask(f"PRAGMA user_version={VERSION}")
        ask("COMMIT")

    def _compare(self, identity: Identity) -> None:
        there = {str(name): str(value) for name, value in self._connection.execute("SELECT * FROM campaign")}
        try:
            self.started = float(there.pop(_STARTED))
        except (KeyError, ValueError) as err:
            raise JournalDamaged(self.path, "it does not say when it was started") from err
        names = [*identity, *(name for name in there if name not in identity)]
        differences = [
            Difference(name, there.get(name, ""), identity.get(name, ""))
            for name in names
            if there.get(name) != identity.get(name)
        ]
        if differences:
            raise JournalDiffers(self.path, differences)

    def entries(self, skip: int = 0) -> Iterator[Entry]:
        """Every answer, the oldest first, without the first `skip`.  Raises JournalDamaged."""
        with _checked(self.path):
            columns = "sample, eps, step, verdict, timeout_s, query, row, files, digest"
            wanted = f"SELECT {columns} FROM answers ORDER BY number LIMIT -1 OFFSET ?"
            for row in self._connection.execute(wanted, (skip,)):
                yield self._entry(row)

    def _entry(self, columns: tuple[object, ...]) -> Entry:
        sample, eps, step, verdict, timeout_s, query, row, files, digest = columns
        try:
            if not isinstance(row, str) or not isinstance(files, str) or len(row) + len(files) > MAX_VALUE:
                raise ValueError("no text, or too long")
            entry = Entry(
                Query.model_validate_json(row, strict=True),
                str(query),
                float(str(timeout_s)),
                _STEP.validate_python(step),
                _FILES.validate_json(files),
            )
        except (ValidationError, ValueError) as err:
            raise JournalDamaged(self.path, f"an answer cannot be read: {str(err)[:200]}") from err
        if (entry.index, entry.eps, entry.row.verdict, entry.digest()) != (sample, eps, verdict, digest):
            raise JournalDamaged(self.path, f"the answer of sample {sample}, eps {eps} was changed")
        if not all(EVIDENCE.fullmatch(name) for name in entry.files):
            raise JournalDamaged(self.path, "an answer names a file that is no evidence")
        return entry

    def begin(self, name: str) -> None:
        """Note whose evidence is written next. It need not outlive the machine, only this process, so that a
        connection of its own waits for no disk. Where it cannot be noted, what is written is never removed.
        """
        with contextlib.suppress(sqlite3.Error):
            if self._beside is not None:
                self._beside.execute("INSERT OR IGNORE INTO begun VALUES (?)", (name,))

    def begun(self) -> frozenset[str]:
        """The names of all whose evidence was to be written.  Raises JournalDamaged."""
        with _checked(self.path):
            return frozenset(str(name) for (name,) in self._connection.execute("SELECT name FROM begun"))

    def record(self, entry: Entry) -> None:
        """Commit an answer; its files have been written.  Raises JournalUnwritable."""
        row = entry.row
        values = (entry.index, entry.eps, entry.step, row.verdict, row.engine, row.time_s, entry.timeout_s)
        texts = (entry.query, row.model_dump_json(), json.dumps(dict(entry.files)), entry.digest())
        columns = "sample, eps, step, verdict, engine, time_s, timeout_s, query, row, files, digest"
        marks = ", ".join("?" * (len(values) + len(texts)))
        try:
            self._connection.execute(f"INSERT INTO answers ({columns}) VALUES ({marks})", values + texts)
        except sqlite3.Error as err:
            raise JournalUnwritable(self.path, str(err)) from err


def _locked(path: Path) -> sqlite3.Connection:
    """A connection that holds the lock file until it is closed or its process ends, however it does."""
    _plain_file(path)
    try:
        lock = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as err:
        if "locked" in str(err):
            raise JournalBusy(path.with_name(NAME)) from err
        raise JournalUnwritable(path, str(err)) from err
    except sqlite3.DatabaseError as err:
        raise JournalInTheWay(path, str(err)) from err
    return lock


def _connected(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as err:
        raise JournalUnwritable(path, str(err)) from err


def _plain_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise JournalInTheWay(path, "it is a folder" if path.is_dir() else "it is not a regular file")


def _check_new(path: Path) -> None:
    """JournalDamaged where a journal without tables is not what a killed process leaves that had begun it."""
    with path.open("rb") as file:
        head = file.read(len(_HEAD))
    if head not in (b"", _HEAD):
        raise JournalDamaged(path, "it was not written by coverify")
    for other in sorted(path.parent.iterdir()):
        made = other.name == RESULT and not _of_an_error(other)
        if made or EVIDENCE.fullmatch(other.name):
            raise JournalDamaged(path, f"it is empty, and {other.name} of a campaign lies beside it")


def _told_of(result: Path) -> set[str]:
    """The names of the evidence that a result is about."""
    with contextlib.suppress(ResultFileError):
        found = read_result(result)
        rows = [row.certificate for row in found.queries or ()] + [row.witness for row in found.replays or ()]
        return {Path(name).name for name in rows if name}
    return set()


def has_answers(result: Path) -> bool:
    """Is it a result file with rows of queries or radii?"""
    with contextlib.suppress(ResultFileError):
        found = read_result(result)
        return bool(found.queries or found.radii)
    return False


def _of_an_error(result: Path) -> bool:
    """Does a result say that there is none, as where the journal could not be written?"""
    with contextlib.suppress(ResultFileError):
        return read_result(result).verdict == "ERROR"
    return False


@contextlib.contextmanager
def _checked(path: Path) -> Iterator[None]:
    """What SQLite says of a file that it cannot read, as our error."""
    try:
        yield
    except sqlite3.OperationalError as err:
        if "Could not decode" in str(err):
            raise JournalDamaged(path, "what should be text is not UTF-8") from err
        raise JournalUnwritable(path, str(err)) from err
    except (sqlite3.Error, UnicodeDecodeError) as err:
        raise JournalDamaged(path, str(err)) from err


def _forget(path: Path) -> None:
    """Remove a journal, the evidence that it names or had begun, and the result and the plots made of it;
    where the journal cannot be read, all that is called as evidence is.
    """
    names: set[str] = set()
    if path.is_file():
        try:
            connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            with contextlib.closing(connection):
                for (files,) in connection.execute("SELECT files FROM answers"):
                    names.update(_FILES.validate_json(files))
                with contextlib.suppress(sqlite3.OperationalError):  # of an earlier version
                    begun = [str(name) for (name,) in connection.execute("SELECT name FROM begun")]
                    asked = "SELECT value FROM campaign WHERE name = ?"
                    (since,) = connection.execute(asked, (_STARTED,)).fetchone()
                    remove_begun(path.parent, begun, float(since), ())
        except (sqlite3.Error, ValidationError, UnicodeDecodeError, TypeError, ValueError):
            names.update(other.name for other in path.parent.iterdir() if other.is_file())
    evidence = {name for name in names if EVIDENCE.fullmatch(name)}
    for name in sorted(evidence):
        path.with_name(name).unlink(missing_ok=True)
    about = (name for name in ABOUT if _told_of(path.with_name(name)) & evidence)
    for made in (RESULT, *PLOTS, *about):
        path.with_name(made).unlink(missing_ok=True)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
