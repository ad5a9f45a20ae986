"""What may stand in a property file? The document as pydantic models: closed, bounded, exact numbers.

Unknown keys are refused, and numbers with a point are read as decimals, never as floats. What each key means
is in docs/properties.md; the JSON schema is published with the package (schema.py writes it).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

MAX_FEATURES = 1 << 20
MAX_PARTS = 1000
"""Most parts of one list of ranges, relations or claims."""
MAX_DEPTH = 40
"""How deep lists and tables may be nested: a claim within a claim takes two."""
_MAX_DIGITS = 40


def _number(number: object) -> int | Decimal:
    """An integer or decimal of few digits, as it stands."""
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        raise ValueError("must be a number")
    if isinstance(number, int):
        if abs(number) >= 10**_MAX_DIGITS:
            raise ValueError("a number of too many digits")
        return number
    if not number.is_finite():
        raise ValueError("must be a finite number")
    if number and (len(number.as_tuple().digits) > _MAX_DIGITS or abs(number.adjusted()) > _MAX_DIGITS):
        raise ValueError(f"must have at most {_MAX_DIGITS} digits before and after the point")
    return number


Number = Annotated[
    int | Decimal, PlainValidator(_number), WithJsonSchema({"type": "number"}, mode="validation")
]


def _not_below_0(number: object) -> int | Decimal:
    """The same, of a distance."""
    if (found := _number(number)) < 0:
        raise ValueError("must be 0 or more")
    return found


Distance = Annotated[
    int | Decimal,
    PlainValidator(_not_below_0),
    WithJsonSchema({"type": "number", "minimum": 0}, mode="validation"),
]
Code = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Text = Annotated[str, Field(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
FileName = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*\.npz$")]
"""A file beside the property file: no folders."""
Features = Annotated[tuple[Count, ...], Field(max_length=MAX_FEATURES)]
Rectangle = tuple[Count, Count, Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
"""top, left, height, width: of an image [height, width, …], with all its channels."""


def fraction(number: int | Decimal) -> Fraction:
    """The number, exactly."""
    return Fraction(number)


class Closed(BaseModel):
    """Base of all parts: frozen, and no key but those declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def one_of(part: BaseModel, *names: str, none: bool = False) -> None:
    """ValueError unless exactly one of the keys is there (or none, where that may be)."""
    given = [name for name in names if getattr(part, name) is not None]
    if len(given) > 1 or (not given and not none):
        raise ValueError(f"needs {'at most ' if none else ''}one of: {', '.join(names)}")


def rising(part: Range | Output) -> None:
    """ValueError where the ends of codes or reals are given the wrong way round."""
    for name, ends in (("codes", part.codes), ("real", part.real)):
        if ends is not None and ends[0] > ends[1]:
            raise ValueError(f"{name} = [least, greatest], but {ends[0]} is above {ends[1]}")


class Range(Closed):
    """Values of some features: in codes, or in real values with the input's scale."""

    features: Features | None = None
    rectangle: Rectangle | None = None
    codes: tuple[Code, Code] | None = None
    real: tuple[Number, Number] | None = None
    rounding: Literal["nearest", "inward", "outward"] = "nearest"

    @model_validator(mode="after")
    def _whole(self) -> Range:
        one_of(self, "features", "rectangle", none=True)
        one_of(self, "codes", "real")
        rising(self)
        return self


class RegionDocument(Closed):
    """Around the input: eps or radius, those features that may move, how many; and ranges for themselves."""

    eps: Count | None = None
    eps_real: Distance | None = None
    rounding: Literal["inward", "outward"] | None = None
    radius: Features | None = None
    radius_file: FileName | None = None
    mask: Features | None = None
    mask_file: FileName | None = None
    mask_rectangle: Rectangle | None = None
    changes: Count | None = None
    range: Annotated[tuple[Range, ...], Field(max_length=MAX_PARTS)] = ()

    @model_validator(mode="after")
    def _whole(self) -> RegionDocument:
        one_of(self, "eps", "eps_real", "radius", "radius_file", none=True)
        if self.rounding is not None and self.eps_real is None:
            raise ValueError("rounding is about eps_real; a range has its own")
        one_of(self, "mask", "mask_file", "mask_rectangle", none=True)
        return self


class Stays(Closed):
    """The class stays the label."""

    kind: Literal["label"]


class Targeted(Closed):
    """The class is none of `classes`."""

    kind: Literal["never"]
    classes: Annotated[tuple[Count, ...], Field(min_length=1, max_length=MAX_PARTS)]


class Top(Closed):
    """The label stays among the `k` first outputs."""

    kind: Literal["top"]
    k: Annotated[int, Field(ge=1, lt=2**31)]


class Output(Closed):
    """An output stays within limits, or near what it is for the input itself, in codes or real values."""

    kind: Literal["output"]
    index: Count
    codes: tuple[Code, Code] | None = None
    real: tuple[Number, Number] | None = None
    within: Count | None = None
    within_real: Distance | None = None

    @model_validator(mode="after")
    def _whole(self) -> Output:
        one_of(self, "codes", "real", "within", "within_real")
        rising(self)
        return self


class Decision(Closed):
    """An output, or each, stays on that side of a threshold on which it is for the input itself: at least the
    threshold, or below it. In real values or as a code.
    """

    kind: Literal["decision"]
    index: Count | None = None
    threshold: Number | None = None
    threshold_code: Code | None = None

    @model_validator(mode="after")
    def _whole(self) -> Decision:
        one_of(self, "threshold", "threshold_code")
        return self


class Linear(Closed):
    """Σ coefficients[k] · y[outputs[k]] <= at_most, in codes or real values."""

    kind: Literal["relation"]
    outputs: Annotated[tuple[Count, ...], Field(min_length=1, max_length=MAX_PARTS)]
    coefficients: Annotated[tuple[Number, ...], Field(min_length=1, max_length=MAX_PARTS)]
    at_most: Number
    units: Literal["codes", "real"] = "codes"

    @model_validator(mode="after")
    def _whole(self) -> Linear:
        if len(self.outputs) != len(self.coefficients) or len(set(self.outputs)) != len(self.outputs):
            raise ValueError("needs as many coefficients as outputs, each output once")
        return self


class Joined(Closed):
    """All, or some, of the claims."""

    kind: Literal["all", "any"]
    claims: Annotated[tuple[ClaimDocument, ...], Field(min_length=1, max_length=MAX_PARTS)]


class Monotone(Closed):
    """Raising a feature, the others being the same, never lowers (raises) an output, or by no more than the
    tolerance, in codes or real values.
    """

    kind: Literal["monotone"]
    feature: Count
    output: Count
    direction: Literal["rises", "falls"] = "rises"
    tolerance: Count | None = None
    tolerance_real: Distance | None = None

    @model_validator(mode="after")
    def _whole(self) -> Monotone:
        one_of(self, "tolerance", "tolerance_real", none=True)
        return self


Joinable = Stays | Targeted | Top | Output | Decision | Linear | Joined
ClaimDocument = Annotated[Joinable, Field(discriminator="kind")]
AnyClaim = Annotated[Joinable | Monotone, Field(discriminator="kind")]


class PropertyDocument(Closed):
    """A property file."""

    name: Text | None = None
    region: RegionDocument = RegionDocument()
    claim: AnyClaim


Joined.model_rebuild()
PropertyDocument.model_rebuild()
