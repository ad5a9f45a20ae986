"""Property files: what is read, and what hostile ones are refused with."""

import codecs
import json
import random

import numpy as np
import pytest

from coverify.verify.property.document import PropertyDocument
from coverify.verify.property.errors import BadProperty
from coverify.verify.property.file import read_array, read_document
from coverify.verify.property.schema import PATH, text

GOOD = """
name = "a confused digit stays among the first two"
[region]
eps = 8
changes = 3
mask_rectangle = [2, 2, 4, 4]
[[region.range]]
features = [1, 2]
real = [0, 0.95]
[claim]
kind = "any"
claims = [
    {kind = "top", k = 2},
    {kind = "relation", outputs = [0, 1], coefficients = [0.1, -1], at_most = 0.3, units = "real"},
]
"""


def refusal(tmp_path, content):
    path = tmp_path / "p.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadProperty) as raised:
        read_document(path)
    return raised.value


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_file_is_read_and_its_decimals_are_exact(tmp_path, mark):
    path = tmp_path / "p.toml"
    path.write_bytes(mark + GOOD.encode())
    document = read_document(path)
    assert document.region.changes == 3
    relation = document.claim.claims[1]
    assert str(relation.coefficients[0]) == "0.1"  # a float would be 0.1000000000000000055511151231257827


@pytest.mark.parametrize(
    ("changed", "line", "says"),
    [
        (("eps = 8", "epps = 8"), 4, "unknown key"),
        (("eps = 8", 'eps = "eight"'), 4, "integer"),
        (("k = 2", "k = 0"), 13, "greater than or equal to 1"),
        (('kind = "any"', 'kind = "some"'), 11, "kind is one of all, any, label"),
        (("real = [0, 0.95]", "real = [0, nan]"), 9, "finite"),
        (("real = [0, 0.95]", "real = [0, 1e300]"), 9, "digits"),
        (("[region]", "[regions]"), 3, "unknown key"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, changed, line, says):
    error = refusal(tmp_path, GOOD.replace(*changed))
    assert says in str(error)
    assert error.line in (line, line - 1, line + 1)
    assert str(error).startswith(f"{tmp_path / 'p.toml'}:")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe", b"", b"claim", b"x = " + b"[" * 5000, b"a" * (2 << 20), b"[claim]\nkind = 7\n",
        b"[claim]\nkind = 'label'\n[region]\neps = 1" + b"0" * 5000,
        b"[claim]\nkind='all'\nclaims=" + b"[{kind='all',claims=" * 200 + b"[]" + b"}]" * 200,
    ],
)  # fmt: skip
def test_hostile_files_are_refused(tmp_path, content):
    refusal(tmp_path, content)


def test_mutated_files_are_read_or_refused_and_nothing_else(tmp_path):
    rng = random.Random(5)
    path = tmp_path / "p.toml"
    read = 0
    for _ in range(400):
        data = bytearray(GOOD.encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            data[at : at + rng.randint(0, 3)] = bytes(rng.choices(range(32, 127), k=rng.randint(0, 3)))
        path.write_bytes(data)
        try:
            read_document(path)
            read += 1
        except BadProperty:
            pass
    assert 0 < read < 400


def test_arrays_lie_beside_the_file_and_hold_integers(tmp_path):
    np.savez(tmp_path / "m.npz", mask=np.array([[True, False]]), radius=np.array([0.5]))
    assert read_array(tmp_path, "m.npz", "mask").tolist() == [1, 0]
    for name in ("radius", "none"):
        with pytest.raises(BadProperty):
            read_array(tmp_path, "m.npz", name)


def test_the_published_schema_is_that_of_the_models():
    assert PATH.read_text("utf-8") == text()
    assert set(json.loads(text())["properties"]) == set(PropertyDocument.model_fields)
