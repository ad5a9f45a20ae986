"""Is a result read back as it was written, and is everything else refused with the place named?"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from coverify.cli.outcome import verdict_of
from coverify.report import (
    ModelRef,
    Picture,
    Query,
    Result,
    ResultFileError,
    TensorRow,
    exit_code,
    read_result,
    result,
    schema,
    write_result,
)

LEAST: dict[str, Any] = {
    "schema": "coverify-result/1",
    "verb": "verify",
    "verdict": "HOLDS",
    "model": {"file": "m.tflite", "sha256": "0" * 64},
    "profile": "tflm",
    "not_covered": [],
    "versions": {},
}
QUERY = {"index": 1, "eps": 2, "verdict": "HOLDS", "engine": "z3", "time_s": 0.5}


def changed(**keys: Any) -> dict[str, Any]:
    return {**LEAST, **keys}


def test_the_published_schema_is_the_models_schema() -> None:
    assert json.loads(schema.PATH.read_text(encoding="utf-8")) == schema.schema()


def test_the_contract_names_are_in_the_schema() -> None:
    body = json.loads(schema.PATH.read_text(encoding="utf-8"))
    contract = (
        "schema verb verdict model device profile oracle samples bytes_compared "
        "mismatches queries not_covered versions"
    )
    assert set(contract.split()) <= set(body["properties"])
    assert {"index", "eps", "verdict", "engine", "time_s", "witness", "certificate"} <= set(
        body["$defs"]["Query"]["properties"]
    )


@pytest.mark.parametrize("verb", ["conform", "verify", "replay"])
def test_what_was_written_is_read_back(verb: str, result_of: Callable[[str], Result], tmp_path: Path) -> None:
    path = write_result(tmp_path, result_of(verb))
    assert path == tmp_path / f"{verb}.json"
    assert read_result(path) == result_of(verb)


def test_absent_keys_are_left_out_and_empty_lists_are_kept(tmp_path: Path) -> None:
    path = write_result(tmp_path / "x.json", Result(verb="conform", verdict="MATCH", mismatches=()))
    assert json.loads(path.read_text()) == {
        "schema": "coverify-result/1",
        "verb": "conform",
        "verdict": "MATCH",
        "mismatches": [],
        "not_covered": [],
        "versions": {},
    }


def test_the_least_result_of_the_contract_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(changed(queries=[QUERY])))
    read = read_result(tmp_path / "x.json")
    assert read.queries == (Query(index=1, eps=2, verdict="HOLDS", engine="z3", time_s=0.5),)
    assert read.model == ModelRef(file="m.tflite", sha256="0" * 64)


def test_times_are_written_in_utc(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    path = write_result(tmp_path / "x.json", Result(verb="run", verdict="OK", started=noon))
    assert json.loads(path.read_text())["started"] == "2026-11-21T10:00:00Z"


HOSTILE: list[tuple[str, str, str]] = [
    ("not json", "{", "not JSON"),
    ("empty", "", "not JSON"),
    ("list", "[]", "not a JSON object"),
    ("no schema", "{}", "schema"),
    ("other schema", json.dumps(changed(schema="coverify-result/2")), "schema"),
    ("unknown key", json.dumps(changed(colour="red")), "colour"),
    ("python's name of a key", json.dumps(changed(schema_="coverify-result/1")), "schema_"),
    ("unknown key of a query", json.dumps(changed(queries=[{**QUERY, "sneaky": 1}])), "queries.0.sneaky"),
    ("unknown verdict", json.dumps(changed(verdict="FINE")), "verdict"),
    ("verdict missing", json.dumps({k: v for k, v in LEAST.items() if k != "verdict"}), "verdict"),
    ("text for a number", json.dumps(changed(samples="3")), "samples"),
    ("truth for a number", json.dumps(changed(samples=True)), "samples"),
    ("fraction for an integer", json.dumps(changed(samples=2.0)), "samples"),
    ("negative count", json.dumps(changed(samples=-1)), "samples"),
    ("too large an integer", json.dumps(changed(samples=2**63)), "samples"),
    ("absurdly large integer", '{"samples":' + "9" * 100_000 + "}", "not JSON"),
    ("number for a text", json.dumps(changed(profile=3)), "profile"),
    ("object for a list", json.dumps(changed(queries={})), "queries"),
    ("NaN", json.dumps(changed(queries=[{**QUERY, "time_s": math.nan}])), "NaN"),
    ("infinity", json.dumps(changed(queries=[{**QUERY, "time_s": -math.inf}])), "Infinity"),
    ("overflowing number", json.dumps(changed(queries=[QUERY])).replace("0.5", "1e999"), "queries.0.time_s"),
    ("long text", json.dumps(changed(profile="x" * 5000)), "profile"),
    ("long list", json.dumps(changed(not_covered=["x"] * 1001)), "not_covered"),
    ("bad digest", json.dumps(changed(model={"file": "m", "sha256": "zz"})), "model.sha256"),
    ("deep nesting", "[" * 200_000, "not JSON|nested"),
    ("same key twice", json.dumps(LEAST)[:-1] + ', "verdict": "VIOLATED"}', "twice"),
    ("lone surrogate", json.dumps(changed(profile="\ud800")), "JSON"),
    ("time without a zone", json.dumps(changed(started="2026-11-21T10:00:00")), "started"),
    ("path as verb", json.dumps(changed(verb="../../etc/x")), "verb"),
    (
        "picture that does not fill its shape",
        json.dumps(
            changed(queries=[{**QUERY, "picture": {"shape": [2, 2], "original": [1], "adversarial": [1]}}])
        ),
        "queries.0.picture",
    ),
    (
        "picture of another type",
        json.dumps(
            changed(queries=[{**QUERY, "picture": {"shape": [1], "original": [128], "adversarial": [0]}}])
        ),
        "queries.0.picture.original.0",
    ),
    (
        "picture with a bomb as shape",
        json.dumps(
            changed(queries=[{**QUERY, "picture": {"shape": [4096] * 8, "original": [], "adversarial": []}}])
        ),
        "queries.0.picture",
    ),
]


@pytest.mark.parametrize(("text", "names"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_bad_file_is_refused_and_the_place_is_named(text: str, names: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ResultFileError, match=names) as caught:
        read_result(tmp_path / "bad.json")
    assert "bad.json" in str(caught.value)
    assert len(str(caught.value)) < 2000
    assert exit_code(verdict_of(caught.value)) == 2


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b'{"schema": "\xff\xfe"}')
    with pytest.raises(ResultFileError, match="not JSON"):
        read_result(tmp_path / "bad.json")


def test_a_huge_file_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that takes no room
    with pytest.raises(ResultFileError, match="larger than"):
        read_result(tmp_path / "huge.json")


def test_a_pipe_or_a_missing_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("pipe.json", "missing.json"):
        with pytest.raises(ResultFileError, match="no such file"):
            read_result(tmp_path / name)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_raise_anything_but_the_typed_error(data: bytes) -> None:
    with pytest.raises(ResultFileError):
        result.parse_result(Path("x.json"), data)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*Result.model_json_schema()["properties"], "else"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_any_value_under_any_key_is_read_or_refused(key: str, value: Any) -> None:
    data = json.dumps({**LEAST, key: value}).encode("utf-8", "replace")
    try:
        read = result.parse_result(Path("x.json"), data)
    except ResultFileError:
        return
    assert result.parse_result(Path("x.json"), read.to_json().encode()) == read


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_result(tmp_path / "x.json", Result(verb="run", verdict="OK"))
    old = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_result(path, Result(verb="run", verdict="ERROR"))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_an_overlong_tensor_name_of_a_model_is_cut_not_fatal() -> None:
    row = TensorRow(tensor=0, name="n" * 100_000, bytes=0, compared_samples=0)
    assert row.name == "n" * 199 + "…"


def test_more_mismatching_than_compared_samples_is_refused() -> None:
    with pytest.raises(ValidationError, match="exceeds"):
        TensorRow(tensor=0, bytes=0, compared_samples=1, mismatching_samples=2)


def test_a_picture_is_made_of_small_int8_arrays_only() -> None:
    small, large = np.zeros((8, 8, 1), np.int8), np.zeros((65, 64), np.int8)
    made = Picture.of(small, small + np.int8(3))
    assert made is not None
    assert (made.shape, set(made.original), set(made.adversarial)) == ((8, 8, 1), {0}, {3})
    assert Picture.of(large, large) is None
    with pytest.raises(ValueError, match="int8"):
        Picture.of(small.astype(np.uint8), small.astype(np.uint8))
