"""What a report says of a campaign: its radii, its curve and its cactus, from numbers worked out by hand."""

from __future__ import annotations

import io
import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from junitparser import JUnitXml, Skipped
from pydantic import ValidationError
from rich.console import Console

from campaign_entries import entry
from coverify.campaign.curve import cactus, curve
from coverify.report import (
    CactusLine,
    CurvePoint,
    ForgottenWitness,
    ModelRef,
    Query,
    Radius,
    Result,
    campaign_rows,
    curve_plot,
    read_result,
    render,
    write_result,
)
from coverify.report.chart import BOTTOM, LEFT, RIGHT, TOP
from coverify.report.folder import make_report

EVIL = "<script>alert(1)</script>\x1b[31m"
FILES = {"certificate": "certificate-0-eps1.zip", "witness": "witness-0-eps2.zip"}
RADII = (
    Radius(index=0, limit=3, certified=1, attacked=2, closed=True, queries=4, time_s=1.5, label=7,
           predicted=1, engines="bab, attack", **FILES),
    Radius(index=5, limit=3, certified=0, closed=False, queries=6, time_s=90.0, note=EVIL),
    Radius(index=6, limit=3, attacked=0, closed=True, queries=1, time_s=0.1),
)  # fmt: skip
POINTS = tuple(
    CurvePoint(eps=eps, certified=c, attacked=a, open=3 - c - a)
    for eps, c, a in [(0, 2, 1), (1, 1, 1), (2, 0, 2), (3, 0, 2)]
)


def campaign(**more):
    head = {"verb": "verify", "verdict": "UNKNOWN", "model": ModelRef(file="net.tflite", sha256="3f" * 32)}
    return Result(**{**head, "radii": RADII, "curve": POINTS, **more})


def test_the_curve_counts_proofs_downwards_and_counterexamples_upwards():
    entries = [
        entry(0, 1), entry(0, 2, "VIOLATED"), entry(0, 1, "UNKNOWN", "attack"),
        entry(5, 0), entry(5, 2, "UNKNOWN"), entry(6, 0, "VIOLATED"), entry(9, 3),
    ]  # fmt: skip
    assert curve(entries, [0, 5, 6], range(4)) == POINTS


def test_the_cactus_sorts_the_times_of_what_was_decided_by_engine():
    said = [("bab", "HOLDS"), ("attack", "VIOLATED"), ("bab", "UNKNOWN"), ("bab", "VIOLATED")]
    entries = [entry(i, engine=engine, verdict=verdict) for i, (engine, verdict) in enumerate(said)]
    lines = cactus(entries)
    assert [(line.engine, len(line.times_s)) for line in lines] == [("all", 3), ("attack", 1), ("bab", 2)]


def places(line):
    return [tuple(map(float, place.split(","))) for place in line.points.split()]


def test_certified_and_attacked_are_drawn_as_shares_of_all_inputs():
    chart = curve_plot.accuracy(campaign(curve=POINTS))
    height = BOTTOM - TOP
    for line, shares in zip(chart.lines, ([2, 1, 0, 0], [2, 2, 1, 1]), strict=True):
        drawn = [(BOTTOM - y) / height * 3 for _, y in places(line)]
        assert drawn == pytest.approx(shares, abs=0.01)
    assert curve_plot.accuracy(campaign(curve=POINTS[:1])) is None


def test_a_curve_of_a_property_is_no_accuracy():
    label, other = (
        Query(verdict="HOLDS", engine="bab", time_s=0.1, property=asked) for asked in (None, "y0 < 3")
    )
    titles = [curve_plot.accuracy(campaign(queries=(query,))).title for query in (label, other)]
    assert titles == ["Certified accuracy", "Inputs for which the property is certified"]


def test_a_cactus_rises_by_one_at_every_time():
    chart = curve_plot.cactus([CactusLine(engine="bab", times_s=(0.001, 0.1, 10.0))])
    xs = sorted({x for x, _ in places(chart.lines[0])})
    left, right = LEFT, RIGHT
    assert xs == pytest.approx([left, (left + right) / 2, right], abs=0.01)  # a decade is a decade
    assert places(chart.lines[0])[-1][1] == TOP
    assert curve_plot.cactus([]) is None


@pytest.mark.parametrize("n", [1, 2, 999, 1000, 1001, 5000])
def test_a_cactus_of_any_size_starts_at_none_and_ends_at_all(n):
    chart = curve_plot.cactus([CactusLine(engine="z3", times_s=tuple(0.01 * (k + 1) for k in range(n)))])
    drawn = places(chart.lines[0])
    assert (drawn[0][1], drawn[-1][1]) == (BOTTOM, TOP)
    assert len(drawn) < 2100
    assert all(a[0] <= b[0] and a[1] >= b[1] for a, b in itertools.pairwise(drawn))


def test_a_line_of_more_times_than_it_holds_keeps_its_ends_and_its_number(monkeypatch):
    monkeypatch.setattr(campaign_rows, "MAX_ROWS", 100)
    times = [0.01 * (k + 1) for k in range(950)]
    whole, thin = CactusLine(engine="z3", times_s=tuple(times)), CactusLine.of("z3", times[::-1])
    assert (len(thin.times_s), thin.n, thin.times_s[0], thin.times_s[-1]) == (100, 950, 0.01, times[-1])
    (one,), (two,) = (curve_plot.cactus([line]).lines for line in (whole, thin))
    assert one.title == two.title and "950 decided" in two.title
    assert curve_plot.cactus([thin]).y_marks == curve_plot.cactus([whole]).y_marks
    heights = [dict(places(line)) for line in (one, two)]  # of each place the last, which is the highest
    assert all(abs(heights[0][x] - y) < 3 for x, y in heights[1].items() if x in heights[0])
    assert CactusLine.of("z3", times[:100]).decided is None
    with pytest.raises(ValidationError):
        CactusLine(engine="z3", times_s=(0.1, 0.2), decided=1)


def test_the_plots_are_files_that_any_reader_of_svg_parses(tmp_path):
    lines = (CactusLine(engine=EVIL, times_s=(0.5,)),)
    paths = curve_plot.write_plots(tmp_path, campaign(cactus=lines))
    assert [path.name for path in paths] == ["accuracy.svg", "cactus.svg"]
    for path in paths:
        root = ET.fromstring(path.read_text("utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not root.findall(".//{*}script")


def test_radii_are_in_the_page_in_junit_and_in_the_text(tmp_path):
    write_result(tmp_path, campaign(cactus=(CactusLine(engine="bab", times_s=(0.5, 2.0)),)))
    paths = make_report(tmp_path)
    assert paths.verdict == "UNKNOWN"
    page = paths.html.read_text("utf-8")
    assert "Largest radius up to 3 known of 2 of 3\u202f" in page or "of 2 of 3 inputs" in page
    assert "<script" not in page
    assert len(re.findall("<polyline", page)) == 3
    cases = {case.name: case for suite in JUnitXml.fromfile(str(paths.junit)) for case in suite}
    assert not cases["sample 0, radius"].result
    assert isinstance(cases["sample 5, radius"].result[0], Skipped)
    merged = read_result(paths.result)
    assert any("1 input whose largest radius is not known" in gap for gap in merged.not_covered)
    console = Console(record=True, width=150, file=io.StringIO())
    render(merged, console)
    assert re.search(r"\n0 +1 +2 +yes +bab, attack ", console.export_text())


def test_a_witness_that_only_a_radius_names_is_not_forgotten(tmp_path):
    write_result(tmp_path, campaign())
    (tmp_path / "witness-0-eps2.zip").write_bytes(b"")
    make_report(tmp_path)
    (tmp_path / "witness-0-eps3.zip").write_bytes(b"")
    with pytest.raises(ForgottenWitness):
        make_report(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"certified": 2, "attacked": 2, "closed": True},
        {"certified": 1, "attacked": 3, "closed": True},
        {"certified": 1, "attacked": 2, "closed": False},
        {"certified": 2, "closed": True},
    ],
)
def test_a_radius_that_contradicts_itself_is_no_row(wrong):
    with pytest.raises(ValidationError):
        Radius(index=0, limit=3, queries=1, time_s=0, **wrong)
