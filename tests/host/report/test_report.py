"""Does a folder of results become one report that says no more than they do, and the same each time?"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from rich.console import Console

from coverify.report import (
    Device,
    ForgottenWitness,
    Mismatch,
    ModelRef,
    NoResults,
    Picture,
    Query,
    Replay,
    Result,
    ResultFileError,
    ResultInTheWay,
    Study,
    TensorRow,
    Verdict,
    WidthRow,
    read_result,
    render,
    write_result,
)
from coverify.report.folder import make_report
from coverify.report.picture import EQUAL, HIGHER, LOWER, grid, panels
from coverify.report.verdict import EXIT_CODES

EVIL = (
    "\"'><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>"
    "{{7*7}}[red]\x1b[31m\x00\u202e&"
)
VOID = {"meta", "link", "img", "br", "wbr"}


class Page(HTMLParser):
    """Tags, attributes and text of the page; checks that tags are closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def cases(folder: Path) -> dict[tuple[str, str], object]:
    suites = JUnitXml.fromfile(str(folder / "junit.xml"))
    return {(suite.name, case.name): next(iter(case.result), None) for suite in suites for case in suite}


def text_of(result: Result) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115,PTH123
    render(result, console)
    return console.export_text()


def test_a_report_has_the_worst_verdict_and_names_its_parts(loop: Path) -> None:
    paths = make_report(loop)
    merged = read_result(paths.result)
    assert paths.verdict == merged.verdict == "VIOLATED"
    assert [(part.file, part.verb, part.verdict) for part in merged.parts or ()] == [
        ("conform.json", "conform", "MATCH"),
        ("verify.json", "verify", "VIOLATED"),
        ("replay/replay.json", "replay", "CONFIRMED"),
    ]
    assert (merged.verb, merged.samples, merged.bytes_compared) == ("report", 200, 10_400)
    assert len(merged.queries or ()) == 10
    assert {query.part for query in merged.queries or ()} == {"verify.json"}


def test_what_the_checker_said_is_told_and_is_no_further_query(loop: Path) -> None:
    without = read_result(make_report(loop).result)
    rows = tuple(
        Query(
            verdict=verdict, engine="check", time_s=0.1, certificate=f"certificate-{i}.zip", note=f"said {i}"
        )
        for i, verdict in enumerate(("HOLDS", "HOLDS", "UNKNOWN"))
    )
    write_result(loop, Result(verb="check", verdict="UNKNOWN", message="2 of 3 accepted", queries=rows))
    paths = make_report(loop)
    merged = read_result(paths.result)
    assert merged.queries == without.queries
    assert ("check.json", "UNKNOWN") in {(part.file, part.verdict) for part in merged.parts or ()}
    gaps = [line for line in merged.not_covered if line not in without.not_covered]
    assert gaps == ["1 certificate not accepted: nothing follows from them."]
    text = " ".join(Page(paths.html).text.split())
    assert "10 queries: " in text and "10 queries, one by one" in text
    assert "2 of 3 certificates accepted by the checker." in text and "2 of 3 accepted" in text


def test_a_folder_of_nothing_but_the_checker_s_result_says_what_it_accepted(tmp_path: Path) -> None:
    row = Query(verdict="HOLDS", engine="check", time_s=0.1, certificate="certificate.zip", note="said")
    write_result(tmp_path, Result(verb="check", verdict="HOLDS", queries=(row,)))
    paths = make_report(tmp_path)
    assert (paths.verdict, read_result(paths.result).queries) == ("HOLDS", None)
    text = " ".join(Page(paths.html).text.split())
    assert "1 of 1 certificate accepted by the checker." in text and "1 query" not in text


def test_a_second_report_changes_no_byte(loop: Path) -> None:
    make_report(loop)
    first = files(loop)
    make_report(loop)
    assert files(loop) == first


def test_the_gaps_between_the_parts_are_said(loop: Path) -> None:
    gaps = read_result(make_report(loop).result).not_covered
    # of three VIOLATED queries one has a replayed witness; six HOLDS without certificate; one UNKNOWN
    assert any(line.startswith("2 counterexamples not replayed") for line in gaps)
    assert any(line.startswith("6 proofs without a certificate") for line in gaps)
    assert any(line.startswith("1 query left open") for line in gaps)
    assert not any(line.startswith("No device") for line in gaps)
    (loop / "conform.json").unlink()
    gaps = read_result(make_report(loop).result).not_covered
    assert any(line.startswith("A device was run on 1 witness alone") for line in gaps)
    (loop / "replay" / "replay.json").unlink()
    assert any(line.startswith("No device") for line in read_result(make_report(loop).result).not_covered)


def test_results_on_two_networks_are_not_passed_off_as_one(
    loop: Path, result_of: Callable[[str], Result]
) -> None:
    other = ModelRef(file="other.tflite", sha256="77" * 32)
    write_result(loop / "other.json", result_of("verify").model_copy(update={"model": other}))
    merged = read_result(make_report(loop).result)
    assert merged.model is None
    assert any("2 different networks" in line for line in merged.not_covered)


def test_a_head_that_says_less_than_its_rows_is_not_believed(tmp_path: Path) -> None:
    row = Mismatch(sample=0, tensor=1, element=(0,), expected=1, got=2)
    write_result(tmp_path, Result(verb="conform", verdict="MATCH", mismatches=(row,)))
    paths = make_report(tmp_path)
    assert paths.verdict == "MISMATCH"
    assert isinstance(cases(tmp_path)["conform.json", "verdict"], Failure)


def test_a_refuted_witness_outweighs_its_violation(tmp_path: Path) -> None:
    query = Query(index=0, eps=1, verdict="VIOLATED", engine="attack", time_s=1.0, replay="REFUTED")
    write_result(tmp_path, Result(verb="verify", verdict="VIOLATED", queries=(query,)))
    assert make_report(tmp_path).verdict == "REFUTED"


def put(folder: Path, result: Result) -> None:
    folder.mkdir(exist_ok=True)
    write_result(folder, result)


def with_witness(verdict: Verdict, digest: str) -> Result:
    """One query whose witness is called as those of other networks are."""
    query = Query(index=0, eps=1, verdict=verdict, engine="attack", time_s=1.0, witness="witness-0-eps1.zip")
    model = ModelRef(file=f"{digest}.tflite", sha256=digest * 32)
    return Result(verb="verify", verdict=verdict, model=model, queries=(query,))


def of_replay(verdict: Verdict, digest: str | None) -> Result:
    row = Replay(
        witness="witness-0-eps1.zip", verdict=verdict, model_sha256=None if digest is None else digest * 32
    )
    return Result(verb="replay", verdict=verdict, replays=(row,))


def test_a_replay_speaks_of_its_own_network_s_witness_and_of_no_other_of_that_name(tmp_path: Path) -> None:
    for digest in ("aa", "bb"):
        put(tmp_path / digest, with_witness("VIOLATED", digest))
    put(tmp_path / "replay", of_replay("CONFIRMED", "aa"))
    gaps = read_result(make_report(tmp_path).result).not_covered
    assert any(line.startswith("1 counterexample not replayed") for line in gaps)


def test_a_replay_that_names_no_network_speaks_of_a_witness_only_where_one_network_has_it(
    tmp_path: Path,
) -> None:
    put(tmp_path / "aa", with_witness("VIOLATED", "aa"))
    put(tmp_path / "replay", of_replay("CONFIRMED", None))
    assert not any("not replayed" in line for line in read_result(make_report(tmp_path).result).not_covered)
    put(tmp_path / "bb", with_witness("VIOLATED", "bb"))
    gaps = read_result(make_report(tmp_path).result).not_covered
    assert any(line.startswith("2 counterexamples not replayed") for line in gaps)


@pytest.mark.parametrize("found", ["HOLDS", "VIOLATED"])
def test_a_replay_that_had_nothing_to_replay_is_not_said_to_be_missing(
    found: Verdict, tmp_path: Path
) -> None:
    rows = (Query(index=0, verdict=found, engine="interval", time_s=0.1),)
    put(tmp_path, Result(verb="verify", verdict=found, queries=rows))
    put(tmp_path, Result(verb="replay", verdict="OK", message="1 HOLDS here", replays=()))
    text = Page(make_report(tmp_path).html).text
    found_since = found == "VIOLATED"
    assert ("no replay result" in text, "nothing to replay" in text) == (found_since, not found_since)


def study_folder(tmp_path: Path, measured: Verdict, verdict: Verdict = "OK") -> None:
    """A study of one width, whose query has this verdict."""
    row = WidthRow(
        scheme="affine", bits=4, model=ModelRef(file="aa.tflite", sha256="aa" * 32), samples=1, right=1,
        wrong=0, robust=0, broken=1, open=0, folder="affine-b4",
    )  # fmt: skip
    study = Study(kind="bits", eps=1, widths=(row,))
    write_result(tmp_path, Result(verb="study-bits", verdict=verdict, study=study))
    put(tmp_path / "affine-b4", with_witness(measured, "aa"))


def test_a_counterexample_that_a_study_measured_does_not_fail_it(tmp_path: Path) -> None:
    study_folder(tmp_path, "VIOLATED")
    assert make_report(tmp_path).verdict == "OK"
    assert not any(isinstance(result, Failure) for result in cases(tmp_path).values())


def test_a_counterexample_beside_a_study_fails_as_ever(tmp_path: Path) -> None:
    study_folder(tmp_path, "VIOLATED")
    put(tmp_path / "other", with_witness("VIOLATED", "bb"))
    assert make_report(tmp_path).verdict == "VIOLATED"


@pytest.mark.parametrize("verdict", ["MISMATCH", "UNKNOWN"])
def test_a_study_that_is_contradicted_or_open_says_so_itself(verdict: Verdict, tmp_path: Path) -> None:
    study_folder(tmp_path, "VIOLATED", verdict)
    assert make_report(tmp_path).verdict == verdict


def test_a_device_s_contradiction_of_a_study_s_witness_counts(tmp_path: Path) -> None:
    study_folder(tmp_path, "VIOLATED")
    put(tmp_path / "replay", of_replay("REFUTED", "aa"))
    assert make_report(tmp_path).verdict == "REFUTED"


def test_an_open_query_is_not_counted_as_decided(loop: Path) -> None:
    assert "9 of 10 queries decided" in Page(make_report(loop).html).text


def test_a_result_named_result_json_is_kept_under_its_verb(
    tmp_path: Path, result_of: Callable[[str], Result]
) -> None:
    write_result(tmp_path / "result.json", result_of("verify"))
    make_report(tmp_path)
    assert read_result(tmp_path / "verify.json") == result_of("verify")
    first = files(tmp_path)
    make_report(tmp_path)
    assert files(tmp_path) == first


def test_a_result_in_the_way_is_not_overwritten(tmp_path: Path, result_of: Callable[[str], Result]) -> None:
    write_result(tmp_path / "result.json", result_of("verify"))
    write_result(tmp_path, result_of("verify"))
    before = files(tmp_path)
    with pytest.raises(ResultInTheWay, match=r"verify\.json"):
        make_report(tmp_path)
    assert files(tmp_path) == before


def test_a_counterexample_whose_result_was_replaced_stops_the_report(loop: Path) -> None:
    (loop / "witness-99-eps1.zip").write_bytes(b"of an earlier run")
    with pytest.raises(ForgottenWitness, match=r"witness-99-eps1\.zip"):
        make_report(loop)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text('{"schema": "something else"}')
    with pytest.raises(NoResults):
        make_report(tmp_path)


@pytest.mark.parametrize("text", ["{", '{"schema": "coverify-result/9"}', '{"schema": "coverify-result/1"}'])
def test_a_damaged_part_stops_the_report(loop: Path, text: str) -> None:
    (loop / "damaged.json").write_text(text)
    with pytest.raises(ResultFileError, match="damaged"):
        make_report(loop)
    assert not (loop / "report.html").exists()


def test_junit_has_a_case_per_tensor_query_and_replay(loop: Path) -> None:
    make_report(loop)
    found = cases(loop)
    outcome = {key: type(value).__name__ for key, value in found.items()}
    assert len(found) == 3 + 10 + 1
    assert sorted(set(outcome.values())) == ["Failure", "NoneType", "Skipped"]
    assert sum(isinstance(value, Failure) for value in found.values()) == 3
    assert [key for key, value in found.items() if isinstance(value, Skipped)] == [
        ("verify.json", "9: sample 9, eps 4")
    ]
    suites = {suite.name: suite for suite in JUnitXml.fromfile(str(loop / "junit.xml"))}
    suite: Any = suites["conform.json"]
    known = {prop.name: prop.value for prop in suite.properties()}
    assert known["model.sha256"] == "3f" * 32
    assert (known["seed"], known["device.url"], known["version.numpy"]) == ("7", "qemu:mps2-an386", "1.26.4")


@pytest.mark.parametrize("verdict", EXIT_CODES)
def test_junit_never_passes_what_is_not_good(verdict: Verdict, tmp_path: Path) -> None:
    expected = {0: type(None), 1: Failure, 2: Error, 3: Error, 4: Skipped if verdict == "UNKNOWN" else Error}
    query = Query(index=0, eps=1, verdict=verdict, engine="z3", time_s=1.0)
    write_result(tmp_path / "query.json", Result(verb="verify", verdict=verdict, queries=(query,)))
    write_result(tmp_path / "bare.json", Result(verb="conform", verdict=verdict))
    replay = Replay(witness="w.zip", verdict=verdict)
    write_result(tmp_path / "replay.json", Result(verb="replay", verdict=verdict, replays=(replay,)))
    make_report(tmp_path)
    assert [type(outcome) for outcome in cases(tmp_path).values()] == [expected[EXIT_CODES[verdict]]] * 3


def hostile() -> Result:
    """Every text in a result is EVIL."""
    rows = (
        TensorRow(
            tensor=1, name=EVIL, op_index=0, op=EVIL, bytes=4, compared_samples=4, mismatching_samples=1
        ),
    )
    return Result(
        verb="conform",
        verdict="MISMATCH",
        message=EVIL,
        model=ModelRef(file=EVIL, sha256="0" * 64),
        device=Device(
            url=EVIL, board=EVIL, core=EVIL, engine=EVIL, rounding=EVIL, build_id=EVIL, protocol=EVIL
        ),
        profile=EVIL,
        tensors=rows,
        mismatches=(
            Mismatch(sample=0, op=EVIL, op_index=0, tensor=1, element=(0,), expected=1, got=2, note=EVIL),
        )
        * 2,
        queries=(
            Query(
                index=0,
                eps=1,
                verdict="VIOLATED",
                engine=EVIL,
                time_s=1.0,
                witness=EVIL,
                certificate=EVIL,
                property=EVIL,
                note=EVIL,
                detail=EVIL,
                picture=Picture(shape=(1,), original=(0,), adversarial=(1,)),
            ),
        ),
        replays=(Replay(witness=EVIL, verdict="FLAKY", device=EVIL, note=EVIL, tensors=rows),),
        not_covered=(EVIL,),
        versions={EVIL: EVIL},
        command=(EVIL, EVIL),
    )


def test_comparisons_of_several_networks_are_told_apart(loop: Path) -> None:
    first = read_result(loop / "conform.json")
    assert first.model is not None
    alone = " ".join(Page(make_report(loop).html).text.split())
    assert "qemu:mps2-an386 computes the reference, byte for byte." in alone
    other = ModelRef(file="models/other.tflite", sha256="0" * 64)
    (loop / "other").mkdir()
    write_result(loop / "other", first.model_copy(update={"model": other}))
    text = " ".join(Page(make_report(loop).html).text.split())
    for name in ("digits_mlp.tflite", "other.tflite"):
        assert f"qemu:mps2-an386 computes the reference of {name}, byte for byte." in text
        assert f"qemu:mps2-an386, {name} against " in text


def test_names_that_converters_join_are_shortened_to_the_first(tmp_path: Path) -> None:
    joined = "net/conv/Relu;net/conv/BiasAdd;net/conv/Conv2D"
    rows = (TensorRow(tensor=3, name=joined, compared_samples=1, bytes=4),)
    write_result(tmp_path, Result(verb="conform", verdict="MATCH", tensors=rows, bytes_compared=4))
    page = Page(make_report(tmp_path).html)
    assert "net/conv/Relu; … (2 more)" in page.text and joined not in page.text
    assert ("span", "title", joined) in page.attributes


def test_hostile_text_adds_no_element_no_attribute_and_no_address(tmp_path: Path) -> None:
    write_result(tmp_path, hostile())
    page = Page(make_report(tmp_path).html)
    assert page.open == []
    assert "script" not in page.tags
    assert page.tags.count("img") == 3
    assert [name for _, name, _ in page.attributes if name.startswith("on")] == []
    assert {value[:15] for _, name, value in page.attributes if name in ("src", "href")} == {
        "data:image/png;",
        "data:,",
    }
    assert "<script>alert(1)</script>" in page.text  # shown as text
    assert "{{7*7}}" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page.text)


def test_hostile_text_reaches_neither_xml_nor_the_terminal(tmp_path: Path) -> None:
    write_result(tmp_path, hostile())
    paths = make_report(tmp_path)
    assert any("<script>" in name for _, name in cases(tmp_path))  # parses, and says the name as it is
    for result in (hostile(), read_result(paths.result)):
        shown = text_of(result)
        assert "\x1b" not in shown
        assert "\\x1b[31m" in shown
        assert "[red]" in shown


def test_the_page_loads_nothing_from_elsewhere(loop: Path) -> None:
    path = make_report(loop).html
    page = Page(path)
    assert page.open == []
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert [
        value
        for _, name, value in page.attributes
        if name in ("src", "href") and not value.startswith("data:")
    ] == []
    assert "url(" not in path.read_text(encoding="utf-8")
    assert "@import" not in path.read_text(encoding="utf-8")
    policy = [value for tag, name, value in page.attributes if tag == "meta" and "default-src" in value]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_the_page_says_what_the_results_say(loop: Path) -> None:
    text = Page(make_report(loop).html).text
    for said in (
        "VIOLATED",
        "digits_mlp.tflite",
        "qemu:mps2-an386",
        "What was compared",
        "What was not covered",
        "Inputs other than the 200 that were sent.",
        "sequential/dense_1",
        "witness-6-2.zip",
        "3 → 8",
        "budget of 60 s ended",
        "CONFIRMED",
        "0.dev20261023",
    ):
        assert said in text


def test_the_first_difference_is_on_the_page_and_in_the_terminal(tmp_path: Path) -> None:
    found = Mismatch(
        sample=3, op_index=2, op="CONV_2D", tensor=9, element=(0, 4, 5, 1), expected=-3, got=-2, count=17
    )
    rows = (
        TensorRow(
            tensor=9,
            op_index=2,
            op="CONV_2D",
            bytes=9,
            compared_samples=5,
            mismatching_samples=1,
            max_abs_diff=1,
        ),
    )
    result = Result(verb="conform", verdict="MISMATCH", tensors=rows, mismatches=(found,))
    write_result(tmp_path, result)
    text = Page(make_report(tmp_path).html).text
    assert "op 2 CONV_2D, tensor 9, element [0, 4, 5, 1], sample 3" in text
    assert "sample 3, element [0, 4, 5, 1]: expected -3, got -2" in text_of(result)
    assert (
        "first: sample 3, element [0, 4, 5, 1]: expected -3, got -2" in (tmp_path / "junit.xml").read_text()
    )


def test_long_tables_are_cut_and_say_so(tmp_path: Path) -> None:
    rows = tuple(Query(index=n, eps=n, verdict="HOLDS", engine=f"e{n}", time_s=0.0) for n in range(3000))
    last = Query(index=3000, eps=1, verdict="VIOLATED", engine="z3", time_s=1e9)
    result = Result(verb="verify", verdict="VIOLATED", queries=(*rows, last))
    write_result(tmp_path, result)
    path = make_report(tmp_path).html
    assert path.stat().st_size < 2_000_000
    text = Page(path).text
    assert "The 500 worst are shown; 2501 more are in the result files." in text
    assert "2961 more" in text_of(result).replace("…", "")


def decoded(url: str) -> np.ndarray:  # type: ignore[type-arg]
    """Pixels of an 8-bit RGB PNG without filters, read by hand."""
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    start = data.index(b"IDAT")
    size = int.from_bytes(data[start - 4 : start], "big")
    lines = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + size]), np.uint8).reshape(
        height, 1 + 3 * width
    )
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


def test_the_pictures_show_the_values_and_the_sign_of_the_change() -> None:
    drawn = panels(Picture(shape=(2, 2), original=(-128, 127, 0, 0), adversarial=(-128, 127, 9, -9)))
    original, change = decoded(drawn.original), decoded(drawn.change)
    assert [tuple(original[y, x]) for y, x in ((0, 0), (0, -1), (-1, 0))] == [
        (0,) * 3,
        (255,) * 3,
        (128,) * 3,
    ]
    assert [tuple(change[y, x]) for y, x in ((0, 0), (-1, 0), (-1, -1))] == [EQUAL, HIGHER, LOWER]
    assert (drawn.largest, drawn.n_changed, drawn.n_values) == (9, 2, 4)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 8), (8, 8, 1)),
        ((1, 28, 28, 1), (28, 28, 1)),
        ((32, 32, 3), (32, 32, 3)),
        ((49, 10, 1), (49, 10, 1)),
        ((64,), (8, 8, 1)),
        ((60,), (1, 60, 1)),
        ((1,), (1, 1, 1)),
        ((4, 8, 8, 2), (256, 2, 1)),
        ((1, 1, 3), (1, 3, 1)),
    ],
)
def test_any_shape_is_drawn_as_a_grid(shape: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    assert grid(shape) == expected
    size = int(np.prod(shape))
    panels(Picture(shape=shape, original=(0,) * size, adversarial=(1,) * size))


def test_the_json_of_a_report_is_plain_json(loop: Path) -> None:
    value = json.loads(make_report(loop).result.read_text(encoding="utf-8"))
    assert value["schema"] == "coverify-result/1"
    assert "picture" not in json.dumps(value)


@pytest.mark.parametrize(
    ("url", "title"), [("qemu:mps2-an386", "cycles (emulated)"), ("serial:/dev/ttyACM0", "cycles")]
)
def test_cycles_of_an_emulator_are_said_to_be_emulated(
    tmp_path: Path, result_of: Callable[[str], Result], url: str, title: str
) -> None:
    found = result_of("conform")
    assert found.device is not None
    rows = tuple(row.model_copy(update={"cycles": 1234}) for row in found.tensors or ())
    device = found.device.model_copy(update={"url": url})
    found = found.model_copy(update={"tensors": rows, "device": device})
    assert title in [word.strip() for word in re.split(r"\s{2,}", text_of(found))]
    write_result(tmp_path, found)
    assert f">{title}</th>" in make_report(tmp_path).html.read_text()


def failed() -> Result:
    """A comparison whose device cannot be opened."""
    row = TensorRow(tensor=7, op_index=0, op="ADD", bytes=0, compared_samples=0, mismatching_samples=0)
    return Result(
        verb="conform",
        verdict="LINK_ERROR",
        message="cannot open /dev/nope: No such file\nis it plugged in?",
        model=ModelRef(file="nets/other.tflite", sha256="0" * 64),
        samples=0,
        bytes_compared=0,
        tensors=(row,),
    )


def test_a_comparison_that_compared_nothing_has_no_table_of_zeros(tmp_path: Path) -> None:
    text = text_of(failed())
    assert "cannot open /dev/nope" in text and "is it plugged in?" in text
    assert "Tensors" not in text and "compared" not in text
    write_result(tmp_path, failed())
    assert "Every tensor that was compared" not in make_report(tmp_path).html.read_text()


def test_a_comparison_that_could_not_be_carried_out_says_which_and_why(loop: Path) -> None:
    (loop / "other").mkdir()
    write_result(loop / "other", failed())
    text = " ".join(Page(make_report(loop).html).text.split())
    said = (
        "conform of other.tflite (LINK_ERROR): no trustworthy answer; says nothing of the model: cannot open"
    )
    assert f"{said} /dev/nope: No such file." in text
    assert "The device" not in text


def test_tensors_of_which_nothing_was_compared_are_neither_equal_nor_passed(tmp_path: Path) -> None:
    rows = tuple(
        TensorRow(tensor=i, op_index=i, op="ADD", bytes=0, compared_samples=0, mismatching_samples=0)
        for i in range(2)
    )
    absent = Result(
        verb="conform", verdict="LINK_ERROR", message="gone", samples=0, bytes_compared=0, tensors=rows
    )
    write_result(tmp_path, absent)
    paths = make_report(tmp_path)
    cases = [case for suite in JUnitXml.fromfile(str(paths.junit)) for case in suite]
    assert [type(case.result[0]) for case in cases] == [Skipped, Skipped, Error]
    page = paths.html.read_text()
    assert "every byte</td>" not in page
    assert "not a byte was compared" in page
    assert any(
        "No device was compared with the reference" in gap for gap in read_result(paths.result).not_covered
    )
