"""What can go wrong between a result file and a report.

One root, `ReportError`; one subclass per thing a caller can do about it. Every message says what is wrong,
where, and what to do next.
"""

from __future__ import annotations

from pathlib import Path

from coverify.errors import CoverifyError


class ReportError(CoverifyError):
    """Root of this package's errors."""


class ResultFileError(ReportError):
    """A result file that cannot be trusted: not JSON, too large, unknown schema, unknown or ill-typed key."""

    def __init__(self, path: Path, where: str, why: str) -> None:
        self.path, self.where, self.why = path, where, why
        super().__init__(f"{path}: {where}: {why}" if where else f"{path}: {why}")


class NoResults(ReportError):
    """A folder without a single result to report on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.is_file():
            super().__init__(f"{folder}: it is a file; the folder of the results is wanted")
            return
        if not folder.is_dir():
            super().__init__(f"{folder}: there is no such folder")
            return
        super().__init__(
            f"{folder}: no result file (*.json with schema coverify-result/1) here or one folder below; "
            "write one with: coverify conform|verify|replay … --out DIR"
        )


class ResultInTheWay(ReportError):
    """A verb's own result has the name of the merged one, and the name it should have is taken."""

    def __init__(self, path: Path, taken: Path) -> None:
        self.path, self.taken = path, taken
        super().__init__(f"{path}: would be overwritten and {taken.name} exists; rename one of them")


class ForgottenWitness(ReportError):
    """A counterexample in the folder that no result there tells of: its run's result was replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path}: no result here names this counterexample (a later run into the folder replaced its "
            "result): replay it into the folder, or move it away; give each run a folder of its own"
        )
