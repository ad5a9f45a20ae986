"""Claims that no output can break: told of exactly those, by every code tried."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from pydantic import TypeAdapter

from coverify.cli.network import read_network
from coverify.verify.property.document import AnyClaim, Joined, Range, RegionDocument
from coverify.verify.property.formula import holds
from coverify.verify.property.idle import idle_notes
from coverify.verify.property.meaning import formula_of
from coverify.verify.property.property import region_of
from coverify.verify.property.quantity import FloatsOut, Scale
from coverify.verify.property.subject import Subject
from fixed_point_networks import content, layers_of
from model_builder import Builder
from tflm_int8 import Model
from tflm_int8.program.lowering import lower

CLAIM = TypeAdapter(AnyClaim)
CODES = np.arange(-128, 128)
TWO = "outputs 0, 1 can represent, -62.5..65 (codes -128..127)"


def unchanged(n: int) -> tuple[Builder, int]:
    """y = x, n codes of scale 0.5 and zero point -3, and the tensor that is y."""
    b = Builder()
    x = b.input((1, n), 0.5, -3)
    return b, b.fully_connected(x, np.eye(n, dtype=np.int64), None, 1.0, 0.5, -3)


def subject_of(n: int, scale: type[Scale] = Scale) -> Subject:
    (b, y), own = unchanged(n), scale(Fraction(1, 2), -3)
    return Subject(lower(Model.from_bytes(b.finish(y))), (n,), own, own)


def claim_of(**said: object) -> AnyClaim:
    return CLAIM.validate_python(_exact(said))


def _exact(said: object) -> object:
    """As a property file is read: decimals, and tuples."""
    if isinstance(said, dict):
        return {key: _exact(value) for key, value in said.items()}
    if isinstance(said, list | tuple):
        return tuple(map(_exact, said))
    return Decimal(said) if isinstance(said, float) else said


def unbroken(said: AnyClaim, subject: Subject) -> bool:
    """Does it hold of every output code, beside inputs of codes at both ends and between them?"""
    return all(
        holds(formula_of(said, 0, subject, np.array([own])), CODES[:, None]).all()
        for own in (-128, -127, 0, 126, 127)
    )


NEAR = [-129, -128, -127, 0, 126, 127, 128]
"""Codes at the ends, by which limits are tried; (code + 3) / 2 is their worth."""
CLAIMS = [
    *({"kind": "output", "index": 0, "codes": (lo, hi)} for lo in NEAR for hi in NEAR if lo <= hi),
    *({"kind": "output", "index": 0, "real": ((lo + 3) / 2, (hi + 3) / 2 - 0.25)}
      for lo in NEAR for hi in NEAR if lo < hi),
    *({"kind": "output", "index": 0, "within": by} for by in (0, 128, 254, 255, 256)),
    *({"kind": "output", "index": 0, "within_real": by} for by in (0.5, 127, 127.25, 127.5, 200)),
    *({"kind": "decision", "threshold_code": at} for at in NEAR),
    *({"kind": "decision", "index": 0, "threshold": (at + 3) / 2 + by}
      for at in NEAR for by in (-0.25, 0, 0.25)),
    *({"kind": "relation", "outputs": [0], "coefficients": [sign], "at_most": at}
      for sign in (-1, 1, -2) for at in (*NEAR, 253, 254, 255, 256)),
    *({"kind": "relation", "outputs": [0], "coefficients": [1], "at_most": at, "units": "real"}
      for at in (64.5, 65, 65.5)),
]  # fmt: skip


@pytest.mark.parametrize("scale", [Scale, FloatsOut])
def test_it_is_told_of_exactly_the_claims_that_no_code_breaks(scale):
    subject, seen = subject_of(1, scale), set()
    for said in map(lambda each: claim_of(**each), CLAIMS):
        told = idle_notes(said, subject)
        assert bool(told) == unbroken(said, subject), said
        seen.add((type(said).__name__, bool(told)))
        for word in ("all", "any"):
            other = claim_of(kind="output", index=0, codes=(-128, 5))
            joined = Joined(kind=word, claims=(other, said))
            assert len(idle_notes(joined, subject)) >= len(told)
    assert len(seen) == 6  # of each kind some and not others


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {"kind": "output", "index": 0, "real": (-63, 66)},
            "every value that output 0 can represent, -62.5..65 (codes -128..127), satisfies this claim",
        ),
        (
            {"kind": "decision", "threshold": 66},
            "the threshold 66 lies outside what each output represents, -62.5..65 (codes -128..127): it can "
            "decide nothing",
        ),
        (
            {"kind": "decision", "index": 1, "threshold_code": -128},
            "the threshold code -128 is the least value of what output 1 represents, -62.5..65 (codes "
            "-128..127): it can decide nothing",
        ),
        (
            {"kind": "relation", "outputs": [0, 1], "coefficients": [1, -1], "at_most": 255},
            f"every value that {TWO}, satisfies this claim",
        ),
        (
            {"kind": "monotone", "feature": 0, "output": 1, "tolerance_real": 127.5},
            "every value that output 1 can represent, -62.5..65 (codes -128..127), satisfies this claim",
        ),
    ],
)
def test_the_note_names_the_output_and_what_it_represents(said, told):
    assert idle_notes(claim_of(**said), subject_of(2)) == [told]


def test_of_an_output_without_a_scale_the_note_names_its_codes():
    subject = Subject(subject_of(2).program, (2,), None, None)
    told = "every value that output 0 can represent, codes -128..127, satisfies this claim"
    assert idle_notes(claim_of(kind="output", index=0, within=255), subject) == [told]


def test_of_joined_claims_each_is_named_and_alternatives_that_leave_nothing_out():
    subject = subject_of(2)
    wide, low, high = (
        {"kind": "output", "index": 1, "codes": ends} for ends in ((-128, 127), (-128, 9), (5, 127))
    )
    label = {"kind": "label"}
    named = "every value that output 1 can represent, -62.5..65 (codes -128..127), satisfies (output 1 stays "
    assert idle_notes(claim_of(kind="all", claims=[label, wide, low]), subject) == [
        f"{named}within -128..127)"
    ]
    told = idle_notes(claim_of(kind="any", claims=[label, wide]), subject)
    assert told[0] == f"{named}within -128..127)"
    assert told[1].startswith("whatever the outputs are, one of these holds: ")
    (told,) = idle_notes(claim_of(kind="any", claims=[low, high]), subject)
    assert told.startswith("whatever the outputs are, one of these holds: ")
    for claims in ([low, low], [low, label], [low, {**high, "index": 0}]):
        assert not idle_notes(claim_of(kind="any", claims=claims), subject)


def test_a_fixed_point_network_has_the_codes_of_its_last_layer(tmp_path):
    (tmp_path / "net.npz").write_bytes(content(layers_of([[[1, -1]]], [[0]], [0], [(-40, 300)])))
    subject = read_network(tmp_path / "net.npz", "tflm", classes=False).subject
    said = {"kind": "output", "index": 0}
    told = "every value that output 0 can represent, -40..300, satisfies this claim"
    for limits in ({"codes": (-40, 300)}, {"real": (-40, 300.5)}, {"within": 340}):
        assert idle_notes(claim_of(**said, **limits), subject) == [told]
    for limits in ({"codes": (-40, 299)}, {"real": (-39.5, 300)}, {"within": 339}):
        assert not idle_notes(claim_of(**said, **limits), subject)


@pytest.mark.parametrize("end", ["uint8", "float32"])
def test_codes_of_an_output_of_uint8_are_its_own_and_floats_have_none_of_their_own(tmp_path, end):
    b, y = unchanged(2)
    if end == "uint8":
        y = b.op("QUANTIZE", [y], b.activation((1, 2), 0.5, 125, "uint8"))
    else:
        y = b.op("DEQUANTIZE", [y], b.tensor((1, 2), "float32"))
    (tmp_path / "net.tflite").write_bytes(b.finish(y))
    subject = read_network(tmp_path / "net.tflite", "tflm").subject
    lo, hi = (0, 255) if end == "uint8" else (-128, 127)
    told = f"every value that output 1 can represent, -62.5..65 (codes {lo}..{hi}), satisfies this claim"
    assert idle_notes(claim_of(kind="output", index=1, codes=(lo, hi)), subject) == [told]
    assert idle_notes(claim_of(kind="output", index=1, real=(-62.5, 65)), subject) == [told]
    assert not idle_notes(claim_of(kind="output", index=1, codes=(lo + 1, hi)), subject)
    assert not idle_notes(claim_of(kind="decision", threshold_code=lo + 1), subject)
    (told,) = idle_notes(claim_of(kind="decision", threshold_code=lo), subject)
    assert told.startswith(f"the threshold code {lo} is the least value")


def test_a_range_beyond_an_input_of_uint8_is_told_in_its_own_codes(tmp_path):
    """Codes 0..255, that is 0.5 * (0 - 125) = -62.5 to 65: 80 is clamped to 255."""
    b = Builder()
    x = b.op("QUANTIZE", [b.input((1, 2), 0.5, 125, "uint8")], b.activation((1, 2), 0.5, -3))
    y = b.fully_connected(x, np.eye(2, dtype=np.int64), None, 1.0, 0.5, -3)
    (tmp_path / "net.tflite").write_bytes(b.finish(y))
    subject = read_network(tmp_path / "net.tflite", "tflm").subject
    part = Range(features=(0,), real=(Decimal(70), Decimal(80)))
    (note,) = region_of(RegionDocument(range=(part,)), subject, tmp_path).notes
    assert "wholly beyond the input's -62.5..65 (codes 0..255): the device clamps it to code 255" in note
