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
        (("k = 2", "k = 0"), 13, "claim.claims.0.k: must be 1 or more"),
        (('kind = "any"', 'kind = "some"'), 11, "claim.kind: must be one of label, never"),
        (("real = [0, 0.95]", "real = [0, nan]"), 9, "finite"),
        (("real = [0, 0.95]", "real = [0, 1e300]"), 9, "digits"),
        (("[region]", "[regions]"), 3, "unknown key; known are name, region, claim (docs/properties.md)"),
        (("k = 2", "k = 2, kk = 2"), 13, "claim.claims.0.kk: unknown key; known are kind, k (docs"),
        (("eps = 8", "epps = 8"), 4, "region.epps: unknown key; known are eps, eps_real, "),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, changed, line, says):
    error = refusal(tmp_path, GOOD.replace(*changed))
    assert says in str(error)
    assert error.line in (line, line - 1, line + 1)
    assert str(error).startswith(f"{tmp_path / 'p.toml'}:")


LABEL = "[claim]\nkind = 'label'\n"
SECOND = "[[region.range]]\ncodes = [1, 2]\n[[region.range]]\n%s\n" + LABEL


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "claim: is missing"),
        ("[claim]\nclasses = [1]\n", "1: claim.kind: is missing"),
        ("[claim]\nkind = 'never'\n", "1: claim.classes: is missing"),
        ("[claim]\nkind = 'decision'\nthreshold = 'x'\n", "3: claim.threshold: must be a number"),
        ("claim = 3\n", "1: claim: must be a table"),
        ("[claim]\nkind = 'never'\nclasses = 3\n", "3: claim.classes: must be a list"),
        ("[claim]\nkind = 'never'\nclasses = []\n", "3: claim.classes: 0 values are too few: at least 1"),
        ("[claim]\nkind = 'output'\nindex = 0\ncodes = [1]\n", "4: claim.codes: has too few values"),
        ("[claim]\nkind = 'output'\nindex = 0\n", "1: claim: needs one of: codes, real"),
        ("[claim]\nkind = 'monotone'\nfeature = 0\noutput = -1\n", "4: claim.output: must be 0 or more"),
        ("[claim]\nkind = 'any'\nclaims = [{kind = 'monotone'}]", "claims.0.kind: must be one of label, "),
        ("[claim]\nkind = 'any'\nclaims = [\n{kind = 'top', k = 2},\n{kind = 'top', k = 0}]\n",
         "3: claim.claims.1.k: must be 1 or more"),
        ("# eps = 3\n[region]\neps = 1.5\n" + LABEL, "3: region.eps: must be an integer"),
        ("[region]\nmask_file = '../m.npz'\n" + LABEL, "2: region.mask_file: must name an .npz file beside"),
        ("name = 4\n" + LABEL, "1: name: must be a text in quotes"),
        ("name = '''a\nb'''\n" + LABEL, "1: name: must be one line of text"),
        (SECOND % "codes = [1, 9999999999]", "4: region.range.1.codes.1: must be less than 2147483648"),
        (SECOND % "codes = [3, 2]", "3: region.range.1: codes = [least, greatest], but 3 is above 2"),
        (SECOND % "codes = [1, 2]\nrounding = 'up'", "5: region.range.1.rounding: must be 'nearest', "),
        (LABEL + LABEL, "3: not valid TOML: "),
        ("[region]\nmask = [0]\neps_real = -1\n" + LABEL, "3: region.eps_real: must be 0 or more"),
        ("[region]\neps_real = -0.001\n" + LABEL, "2: region.eps_real: must be 0 or more"),
        ("[region]\neps_real = 1e99999999999999999999\n" + LABEL, "a number of too many digits"),
        ("[region]\neps = 1" + "0" * 5000 + "\n" + LABEL, "a number of too many digits"),
    ],
)  # fmt: skip
def test_every_error_is_a_sentence_with_the_key_and_its_line(tmp_path, content, says):
    error = str(refusal(tmp_path, content))
    assert f"{tmp_path / 'p.toml'}:{says}" in error or (not says[0].isdigit() and says in error), error
    assert not any(
        word in error for word in ("Input", "Field", "Tuple", "String", "discriminator", "class '")
    )


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
