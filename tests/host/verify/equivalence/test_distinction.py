"""Files with an input that tells two networks apart: read back the same, refused when anything is wrong."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from coverify.verify.equivalence.distinction import Computed, Distinction, is_distinction
from coverify.verify.errors import BadWitness

KEPT = Distinction(
    x=np.array([[1, -2]], np.int8),
    first=Computed(b"one", "one.tflite", "tflm", 1, {3: np.array([[0, 5]], np.int8)}),
    second=Computed(b"two", "two.tflite", "tflm", 0, {3: np.array([[6, 5]], np.int8)}),
    question="class",
    tolerance=0,
    engine="search",
    seed=7,
    versions={"coverify": "0.1.0"},
)


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(KEPT.to_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, parts):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def stated(**changes) -> bytes:
    return json.dumps({**json.loads(members()["distinction.json"]), **changes}).encode()


def test_it_is_read_back_the_same(tmp_path):
    path = tmp_path / "d.zip"
    KEPT.write(path)
    assert is_distinction(path)
    assert Distinction.read(path).to_bytes() == KEPT.to_bytes()


def test_one_model_is_stored_once(tmp_path):
    second = dataclasses.replace(KEPT.second, model=b"one", profile="cmsis-nn")
    one = dataclasses.replace(KEPT, second=second)
    one.write(tmp_path / "d.zip")
    assert "second/model.tflite" not in zipfile.ZipFile(tmp_path / "d.zip").namelist()
    assert Distinction.read(tmp_path / "d.zip").second.model == b"one"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("first/model.tflite", b"another"),
        ("second/t3.npy", b"\x93NUMPY"),
        ("../escape", b""),
        ("first/model.npz", b"one"),
        ("input.npy", b""),
        ("distinction.json", b"{}"),
        ("distinction.json", b"not json"),
        ("distinction.json", stated(question="colour")),
        ("distinction.json", stated(more=1)),
        ("distinction.json", stated().replace(b'"engine"', b'"engine": "z3", "engine"')),
        ("distinction.json", stated(tolerance=1)),
        ("distinction.json", stated(question="output", tolerance=256)),
        (
            "distinction.json",
            stated(second={**json.loads(members()["distinction.json"])["second"], "label": 1}),
        ),
    ],
)
def test_a_changed_or_added_member_is_refused(tmp_path, name, data):
    with pytest.raises(BadWitness):
        Distinction.read(written(tmp_path / "d.zip", {**members(), name: data}))


@pytest.mark.parametrize("name", sorted(members()))
def test_a_missing_member_is_refused(tmp_path, name):
    parts = members()
    del parts[name]
    with pytest.raises(BadWitness):
        Distinction.read(written(tmp_path / "d.zip", parts))


def test_pickled_inputs_are_refused(tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.array([[1, object()]], object), allow_pickle=True)
    with pytest.raises(BadWitness):
        Distinction.read(written(tmp_path / "d.zip", {**members(), "input.npy": stream.getvalue()}))


def test_other_files_are_no_distinctions(tmp_path):
    (tmp_path / "text").write_text("hello")
    assert not is_distinction(tmp_path / "text")
    assert not is_distinction(tmp_path / "nothing")
    with pytest.raises(BadWitness):
        Distinction.read(tmp_path / "text")
