"""Witness files: written once, read back the same, and refused when anything in them is not right."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from coverify.verify.breach import Breach
from coverify.verify.errors import BadWitness
from coverify.verify.property.formula import AnyOf, ClassIs
from coverify.verify.witness import Witness

WITNESS = Witness(
    model=b"a network",
    model_name="net.tflite",
    profile="tflm",
    x0=np.array([[1, 2]], np.int8),
    x=np.array([[2, 1]], np.int8),
    label=1,
    predicted=0,
    eps=1,
    tensors={7: np.array([[3, -4, 5]], np.int8), 3: np.array([1 << 20], np.int32)},
    engine="z3",
    index=12,
    versions={"coverify": "0.1.0"},
)


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(WITNESS.to_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, parts: dict[str, bytes]):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def document(**changes) -> bytes:
    return json.dumps({**json.loads(members()["witness.json"]), **changes}).encode()


def test_a_witness_is_read_back_the_same(tmp_path):
    path = tmp_path / "w.zip"
    WITNESS.write(path)
    again = Witness.read(path)
    assert again.to_bytes() == WITNESS.to_bytes() == path.read_bytes()
    assert again.tensors[7].tolist() == [[3, -4, 5]]
    assert again.tensors[3].dtype == np.int32


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def test_a_fixed_point_networks_witness_holds_pixels_and_is_read_back_the_same(tmp_path):
    pixels = [np.array([v], np.int16) for v in ([254, 0], [255, 1])]
    witness = dataclasses.replace(WITNESS, kind="npz", x0=pixels[0], x=pixels[1])
    witness.write(tmp_path / "w.zip")
    again = Witness.read(tmp_path / "w.zip")
    assert again.to_bytes() == witness.to_bytes()
    assert (again.kind, again.x.tolist()) == ("npz", [[255, 1]])


def test_inputs_of_the_wrong_type_are_not_written():
    with pytest.raises(BadWitness):
        dataclasses.replace(WITNESS, kind="npz").to_bytes()


BAD = {
    "another model": {"model.tflite": b"another"},
    "two models": {"model.npz": b"a network"},
    "pixels for int8": {"input.npy": npy(np.array([[2, 1]], np.int16))},
    "a foreign member": {"../evil": b""},
    "an extra key": {"witness.json": document(extra=1)},
    "another schema": {"witness.json": document(schema="coverify-witness/2")},
    "JSON that is none": {"witness.json": b"{"},
    "a pickle": {"input.npy": npy(np.array([[object(), 1]], dtype=object))},
    "a float input": {"input.npy": npy(np.zeros((1, 2)))},
    "a lying header": {"input.npy": npy(np.zeros((1, 2), np.int8))[:-1]},
    "a label that stays": {"witness.json": document(got=1)},
    "a key twice": {"witness.json": document().replace(b'"engine"', b'"engine": "bab", "engine"')},
    "a key twice below": {"witness.json": document().replace(b'"label"', b'"label": 2, "label"')},
    "an unlisted tensor": {"expected/t9.npy": npy(np.zeros(1, np.int8))},
}


@pytest.mark.parametrize("why", BAD)
def test_a_file_with_something_wrong_is_refused(tmp_path, why):
    with pytest.raises(BadWitness):
        Witness.read(written(tmp_path / "w.zip", {**members(), **BAD[why]}))


def test_what_is_no_json_is_said_without_a_place(tmp_path):
    with pytest.raises(BadWitness, match=r"not a witness: witness\.json: Invalid JSON"):
        Witness.read(written(tmp_path / "w.zip", {**members(), "witness.json": b""}))
    with pytest.raises(BadWitness, match=r"witness\.json: schema: Input should be"):
        Witness.read(written(tmp_path / "w.zip", {**members(), "witness.json": document(schema="x")}))


BREACH = Breach("w", ClassIs(1), *(np.full((1, 2), end, np.int16) for end in (-128, 127)))
TRUE = {"kind": "relation", "outputs": [0], "coefficients": [1], "bound": 127}


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ({"kind": "few", "limit": -1, "parts": []}, "greater than or equal to 0"),
        ({"kind": "few", "limit": -1, "parts": [TRUE]}, "greater than or equal to 0"),
        ({"kind": "few", "limit": 1, "parts": [TRUE]}, "at most 1 of 1 parts are false whatever"),
        ({"kind": "few", "limit": 0, "parts": []}, "few of no parts"),
        ({"kind": "all", "parts": []}, "all of no parts"),
        ({"kind": "all", "parts": [TRUE, {"kind": "any", "parts": []}]}, "any of no parts"),
    ],
)
def test_a_formula_that_nobody_writes_is_refused(tmp_path, formula, why):
    path = tmp_path / "w.zip"
    dataclasses.replace(WITNESS, breach=BREACH).write(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    said = json.loads(parts["witness.json"])
    said["property"]["formula"] = formula
    with pytest.raises(BadWitness, match=why):
        Witness.read(written(path, {**parts, "witness.json": json.dumps(said).encode()}))


def test_a_property_of_inputs_alone_is_read_back_the_same(tmp_path):
    """Of a VNN-LIB file that says nothing of the outputs."""
    breach = dataclasses.replace(BREACH, formula=AnyOf(()))
    witness = dataclasses.replace(WITNESS, breach=breach)
    witness.write(tmp_path / "w.zip")
    again = Witness.read(tmp_path / "w.zip")
    assert again.breach.formula == AnyOf(()) and again.to_bytes() == witness.to_bytes()


def test_an_input_beyond_eps_is_refused(tmp_path):
    far = dataclasses.replace(WITNESS, x=np.array([[3, 1]], np.int8))
    far.write(tmp_path / "w.zip")
    with pytest.raises(BadWitness, match="eps"):
        Witness.read(tmp_path / "w.zip")


@pytest.mark.parametrize("cut", range(0, len(WITNESS.to_bytes()), 37))
def test_a_truncated_file_is_refused(tmp_path, cut):
    path = tmp_path / "w.zip"
    path.write_bytes(WITNESS.to_bytes()[:cut])
    with pytest.raises(BadWitness):
        Witness.read(path)


def test_a_damaged_byte_is_refused_or_harmless(tmp_path):
    good, path = WITNESS.to_bytes(), tmp_path / "w.zip"
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        with contextlib.suppress(BadWitness):
            assert Witness.read(path).to_bytes() == good  # timestamps and the like say nothing
