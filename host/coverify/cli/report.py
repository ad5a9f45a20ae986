"""coverify report: from a folder of results to result.json, junit.xml and one self-contained report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coverify.cli.outcome import JsonOption, Output, Shown, print_json, run_verb
from coverify.files import replace_file
from coverify.report import Result, exit_code
from coverify.report.folder import make_report


def report(
    folder: Annotated[Path, typer.Argument(help="Folder with the results of other verbs (--out DIR).")],
    json: JsonOption = None,
) -> None:
    """Merge the results in DIR into DIR/result.json, DIR/junit.xml and DIR/report.html.

    Every *.json result in DIR and in its direct subfolders is read; the worst verdict wins, and is the exit
    code: a folder with a counterexample exits with 1. A damaged result stops the report. Running it again
    gives the same files.

    Example: coverify conform … --out run && coverify verify … --out run && coverify report run
    """

    def body() -> Result:
        """Write and tell the report; what is returned by other verbs lies in its file."""
        paths = make_report(folder)
        merged = paths.result.read_bytes()
        if json not in (None, "-"):
            replace_file(Path(str(json)), merged)
        if json == "-":
            print_json(merged.decode())
            raise typer.Exit(exit_code(paths.verdict))
        console = Shown(highlight=False)
        console.print(f"{paths.verdict}  report", markup=False)
        for path in (paths.result, paths.junit, paths.html):
            console.print(f"  {path}", markup=False, soft_wrap=True)
        raise typer.Exit(exit_code(paths.verdict))

    run_verb("report", Output(json), body)
