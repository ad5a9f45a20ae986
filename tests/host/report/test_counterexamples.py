"""Counterexamples of few values in the report: rows of a table, marked where they changed."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from coverify.report import ModelRef, Picture, Query, Result, Values, write_result
from coverify.report.folder import make_report
from coverify.report.signal import marks, signal
from coverify.report.values import changes, inputs_table, outputs_table

MODEL = ModelRef(file="level.tflite", sha256="0" * 64)
ROW = Query(
    index=3,
    verdict="VIOLATED",
    engine="attack",
    time_s=0.1,
    property="raising feature 1 never lowers output 0",
    inputs=Values(base=(-4, 7, 0), counterexample=(-4, 9, 0), scale=0.05, zero_point=-10),
    outputs=Values(base=(37,), counterexample=(-45,), scale=0.25),
)


def page(folder: Path, *rows: Query, **folders: tuple[Query, ...]) -> str:
    """The report of one verify.json, or of one in each folder."""
    for name, found in (folders or {"": rows}).items():
        (folder / name).mkdir(exist_ok=True)
        write_result(
            folder / name, Result(verb="verify", verdict="VIOLATED", model=MODEL, queries=tuple(found))
        )
    return make_report(folder).html.read_text()


def test_rows_say_codes_change_and_real_values() -> None:
    table = inputs_table(ROW)
    assert table is not None and table.real and table.based
    # 0.05 * (7 + 10) = 0.85, 0.05 * (9 + 10) = 0.95
    assert table.lines[1].codes == ("7", "9") and table.lines[1].change == "+2"
    assert table.lines[1].reals == ("0.850", "0.950")
    assert [line.changed for line in table.lines] == [False, True, False]
    outputs = outputs_table(ROW)
    assert outputs is not None
    assert outputs.lines[0].reals == ("9.25", "−11.25")


def test_the_page_shows_a_table_and_no_picture_of_few_values(tmp_path: Path) -> None:
    text = page(tmp_path, ROW)
    assert 'aria-label="Features of sample 3"' in text and 'aria-label="Outputs of sample 3"' in text
    assert text.count('<tr class="differs">') == 2  # the feature and the output
    assert "y 37 → −45" in text
    assert "<img" not in text


def test_of_long_tables_what_changed_comes_first() -> None:
    values = Values(base=(0,) * 40, counterexample=(0,) * 39 + (5,))
    table = inputs_table(ROW.model_copy(update={"inputs": values}))
    assert table is not None
    assert [line.number for line in table.lines] == [39] and len(table.rest) == 39


def test_of_a_picture_the_few_values_that_changed_are_listed_beneath_it(tmp_path: Path) -> None:
    values = Values(at=(3, 700), base=(0, 9), counterexample=(5, -128))
    drawn = Picture(shape=(28, 28), original=(3,) * 784, adversarial=(4,) * 784)
    row = ROW.model_copy(update={"inputs": values, "picture": drawn})
    table = inputs_table(row)
    assert table is not None and table.part
    assert [(line.number, line.codes) for line in table.lines] == [(3, ("0", "5")), (700, ("9", "−128"))]
    text = page(tmp_path, row)
    assert text.count("<img") == 3 and 'aria-label="Features of sample 3"' in text
    assert text.index("<img") < text.index('aria-label="Features of sample 3"')
    assert "not changed</summary>" not in text
    assert changes(row) == "feature 3: 0 → 5, feature 700: 9 → −128; output 0: 37 → −45 (9.25 → −11.25)"


@pytest.mark.parametrize("at", [(1,), tuple(range(17))])
def test_elements_that_are_not_those_of_the_values_are_refused(at: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        Values(at=at, base=(0,) * min(17, len(at) + 1), counterexample=(0,) * min(17, len(at) + 1))


def test_the_label_and_the_class_are_named_among_the_outputs() -> None:
    outputs = Values(base=(5, 9, 1), counterexample=(8, 7, 1))
    table = outputs_table(ROW.model_copy(update={"outputs": outputs, "label": 1, "predicted": 0}))
    assert table is not None and [line.said for line in table.lines] == ["class now", "label", ""]


def test_an_input_that_is_wrong_as_given_is_marked_and_shown_once(tmp_path: Path) -> None:
    row = ROW.model_copy(update={"unchanged": True, "property": None, "eps": 4})
    table = inputs_table(row)
    assert table is not None and not table.based
    text = page(tmp_path, row)
    assert text.count("misclassified as given") == 2  # in its card and in the table of queries


def test_an_input_that_is_wrong_as_given_is_drawn_once_with_its_label_and_class(tmp_path: Path) -> None:
    drawn = Picture(shape=(8, 8), original=(3,) * 64, adversarial=(3,) * 64)
    given = {"inputs": None, "property": None, "eps": 4, "label": 1, "predicted": 0, "picture": drawn}
    text = page(tmp_path, ROW.model_copy(update={**given, "unchanged": True}))
    assert text.count("<img") == 1
    assert "<b>label 1, network says 0</b>as given" in text
    assert "adversarial" not in text and "class 1" not in text
    changed = Picture(shape=(8, 8), original=(3,) * 64, adversarial=(4,) * 64)
    text = page(tmp_path, ROW.model_copy(update={**given, "picture": changed}))
    assert text.count("<img") == 3 and "as given" not in text


def test_cards_are_titled_by_the_property_where_there_is_no_sample(tmp_path: Path) -> None:
    text = page(tmp_path, ROW.model_copy(update={"index": None}))
    assert "<h3>Raising feature 1 never lowers output 0</h3>" in text
    assert "<h3>Query" not in text


def test_cards_name_eps_and_label(tmp_path: Path) -> None:
    text = page(tmp_path, ROW.model_copy(update={"property": None, "eps": 4, "label": 2, "predicted": 0}))
    assert "<h3>Sample 3, ε = 4, label 2</h3>" in text


def test_counterexamples_of_several_folders_name_their_folder(tmp_path: Path) -> None:
    text = page(tmp_path, first=(ROW,), second=(ROW,))
    for name in ("first", "second"):
        assert re.search(rf'<p class="about">[^\n]*<span class="quiet">{name}</span>', text)
        assert f"<tr><td>{name}</td>" in text


def test_only_engines_that_decided_are_named(tmp_path: Path) -> None:
    open_ = Query(index=1, verdict="UNKNOWN", engine="auto", time_s=1.0)
    assert "1 of 2 queries decided on the exact integers of the reference (engine: attack);" in page(
        tmp_path, ROW, open_
    ).replace(" ", " ")


def test_queries_on_real_numbers_are_counted_apart_and_where_decided(tmp_path: Path) -> None:
    real = Query(index=1, verdict="HOLDS", engine="reals", time_s=1.0)
    open_ = Query(index=2, verdict="UNKNOWN", engine="reals", time_s=1.0)
    said = "1 of 4 queries decided on the exact integers of the reference, 2 on exact real numbers (engine:"
    assert said in page(tmp_path, ROW, real, real, open_).replace(" ", " ")


@pytest.mark.parametrize(
    "wrong",
    [{"base": (1, 2)}, {"counterexample": ()}, {"scale": 0.0}, {"counterexample": (0,) * 64}],
    ids=["other lengths", "empty", "no scale", "too many"],
)
def test_values_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Values.model_validate({"base": (1,), "counterexample": (1,), **wrong})


def test_lines_of_a_message_are_lines_of_the_page(tmp_path: Path) -> None:
    found = Result(verb="verify", verdict="HOLDS", model=MODEL, message="what\nand besides", queries=())
    write_result(tmp_path, found)
    assert "<dd>what<br>and besides</dd>" in make_report(tmp_path).html.read_text()


@pytest.mark.parametrize(
    ("shape", "lines"),
    [((64, 1), True), ((1, 64, 1), True), ((187,), True), ((17, 1), True), ((16, 1), False), ((64,), False),
     ((784,), False), ((20,), False), ((8, 8), False), ((1, 28, 28, 1), False), ((64, 3), False)],
)  # fmt: skip
def test_signals_are_drawn_as_lines_and_images_as_pictures(shape, lines) -> None:
    n = math.prod(shape)
    drawn = signal(Picture(shape=shape, original=(3,) * n, adversarial=(4,) * n))
    assert (drawn is not None) == lines


def test_the_lines_of_a_signal_begin_and_end_at_its_axes() -> None:
    """By hand: of 65 values 3 or, one changed, 13, the lower lie at the bottom, 170, the higher at 10."""
    drawn = signal(Picture(shape=(65, 1), original=(3,) * 65, adversarial=(13, *(3,) * 64)))
    assert drawn is not None and (drawn.largest, drawn.n_changed, drawn.n_values) == (10, 1, 65)
    before, after = (points.split() for points in (drawn.original, drawn.adversarial))
    assert (before[0], before[-1], after[0]) == ("46.0,170.0", "418.0,170.0", "46.0,10.0")
    assert after[1:] == before[1:]
    assert [mark.text for mark in drawn.x_marks] == ["0", "10", "20", "30", "40", "50", "60"]
    assert [mark.text for mark in drawn.y_marks] == ["4", "6", "8", "10", "12"]
    assert list(marks(-128, 127, 5)) == [-100, -50, 0, 50, 100]


def test_a_caption_without_classes_says_each_word_once(tmp_path: Path) -> None:
    drawn = Picture(shape=(64, 1), original=(3,) * 64, adversarial=(4,) * 64)
    for index, base in ((3, "original"), (None, "middle of the region")):
        row = ROW.model_copy(update={"inputs": None, "outputs": None, "index": index, "picture": drawn})
        text = page(tmp_path, row)
        assert f"<b>{base}</b></li>" in text and "<b>adversarial</b></li>" in text


def test_verdicts_of_queries_without_eps_are_not_said_to_be_by_eps(tmp_path: Path) -> None:
    text = page(tmp_path, ROW)
    assert "<strong>Verdicts</strong>" in text and ">all</text>" in text and ">other</text>" not in text
    text = page(tmp_path, ROW, ROW.model_copy(update={"eps": 4}))
    assert "<strong>Verdicts by ε</strong>" in text and ">other</text>" in text


def test_the_page_draws_both_lines_of_a_signal_or_one_where_it_is_wrong_as_given(tmp_path: Path) -> None:
    drawn = Picture(shape=(64, 1), original=(3,) * 64, adversarial=(4,) * 64)
    given = {"inputs": None, "property": None, "eps": 4, "label": 1, "predicted": 0, "picture": drawn}
    text = page(tmp_path, ROW.model_copy(update=given))
    assert text.count("<polyline") == 2 and "<img" not in text
    assert "<b>class 1</b>original" in text and "<b>class 0</b>adversarial" in text
    text = page(tmp_path, ROW.model_copy(update={**given, "unchanged": True}))
    assert text.count("<polyline") == 1 and "<b>label 1, network says 0</b>as given" in text
