"""`coverify report DIR`: every result in a folder becomes one result.json, one junit.xml and one report.html.

Reads each *.json of the result schema in the folder and one level below; merged results (verb "report") are
output, never input, so a second run changes nothing. Other JSON files are left alone; a file that is no JSON,
or a result that does not fit the schema, stops the report, and so does a witness that no result names (of a
run whose result was replaced): a part must not vanish from it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coverify.report.errors import ForgottenWitness, NoResults, ResultInTheWay
from coverify.report.junit import junit_xml
from coverify.report.merge import Source, base_name, merge
from coverify.report.page import html
from coverify.report.result import parse_json, parse_result, read_bounded, write_atomically, write_result
from coverify.report.verdict import Verdict


@dataclass(frozen=True)
class ReportPaths:
    """The three files of a report and its verdict."""

    result: Path
    junit: Path
    html: Path
    verdict: Verdict


def make_report(folder: Path) -> ReportPaths:
    """Merge the results in `folder` and write the report there; ReportError or OSError."""
    sources = load(folder)
    merged = merge(sources)
    page, xml = html(sources, merged, title=folder.resolve().name), junit_xml(sources)
    _keep_verbs_own_result(folder)
    result_path = write_result(folder / "result.json", merged)
    write_atomically(folder / "junit.xml", xml)
    write_atomically(folder / "report.html", page)
    return ReportPaths(result_path, folder / "junit.xml", folder / "report.html", merged.verdict)


def load(folder: Path) -> list[Source]:
    """The results in a folder and its direct subfolders, by file name; NoResults if there is none."""
    files = sorted(
        path for pattern in ("*.json", "*/*.json") for path in folder.glob(pattern) if path.is_file()
    )
    found = [source for path in files if (source := _load(folder, path)) is not None]
    if not found:
        raise NoResults(folder)
    _check_witnesses(folder, found)
    return sorted(
        found, key=lambda source: (source.file.count("/"), source.result.started is None, source.file)
    )


def _load(folder: Path, path: Path) -> Source | None:
    data = read_bounded(path)
    value: Any = parse_json(path, data)
    named = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(named, str) or not named.startswith("coverify-result/"):
        return None
    if value.get("verb") == "report":
        return None
    result = parse_result(path, data)
    file = path.relative_to(folder).as_posix()
    if file == "result.json":
        file = f"{result.verb}.json"
    return Source(file, hashlib.sha256(data).hexdigest(), result)


def _check_witnesses(folder: Path, sources: list[Source]) -> None:
    """ForgottenWitness for a witness file that no result of the folder names."""
    results = [source.result for source in sources]
    named = {base_name(q.witness) for r in results for q in r.queries or () if q.witness}
    named |= {base_name(row.witness) for r in results for row in r.radii or () if row.witness}
    named |= {base_name(replay.witness) for r in results for replay in r.replays or ()}
    for path in sorted((*folder.glob("witness-*.zip"), *folder.glob("*/witness-*.zip"))):
        if path.name not in named:
            raise ForgottenWitness(path)


def _keep_verbs_own_result(folder: Path) -> None:
    """A verb's result that was written to result.json moves to <verb>.json, so that nothing is lost."""
    path = folder / "result.json"
    if not path.exists() or parse_json(path, read_bounded(path)).get("verb") == "report":
        return
    kept = folder / f"{parse_result(path, read_bounded(path)).verb}.json"
    if kept.exists():
        raise ResultInTheWay(path, kept)
    path.replace(kept)
