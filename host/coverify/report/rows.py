"""What a result consists of: the network, the device, and one row per tensor, mismatch, query, replay, part.

Frozen pydantic models. Unknown keys, NaN, unbounded strings and lists are refused: a result file is untrusted
input. Absent (None) means "does not apply"; an empty list means "looked, and there was none".
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from coverify.report.verdict import Verdict

MAX_TEXT = 4096
"""Longest string, in characters."""
MAX_NAME = 200
"""Longest tensor name kept; a longer one is cut and ends in an ellipsis."""
MAX_ROWS = 100_000
"""Longest list of rows."""
MAX_RANK = 8
"""Most dimensions of a tensor."""
MAX_PICTURE = 4096
"""Most values of one picture."""
MAX_VALUES = 63
MAX_CHANGED = 16
"""Most elements of a tensor of more values that are listed, where they are all that differ."""
"""Most values that are listed one by one: of more, a picture (8 x 8 pixels and up) says more."""


def _encodable(text: Any) -> Any:
    """A name of a file may be any bytes: what UTF-8 cannot say of it is a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8") if isinstance(text, str) else text


def _cut(text: Any) -> Any:
    long = isinstance(text, str) and len(text) > MAX_NAME
    return text[: MAX_NAME - 1] + "…" if long else text


Text = Annotated[str, BeforeValidator(_encodable), Field(max_length=MAX_TEXT)]
Name = Annotated[str, BeforeValidator(_cut), BeforeValidator(_encodable), Field(max_length=MAX_NAME)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Int8 = Annotated[int, Field(ge=-128, le=127)]
Seconds = Annotated[float, Field(ge=0)]
Index = Annotated[tuple[Count, ...], Field(max_length=MAX_RANK)]


class Row(BaseModel):
    """Base of everything in a result: frozen, closed, finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelRef(Row):
    """The network: file name and SHA-256 of the file's bytes."""

    file: Text
    sha256: Sha256


class Device(Row):
    """What answered, in its own words (HELLO), and the URL by which it was reached."""

    url: Text
    board: Text | None = None
    core: Text | None = None
    engine: Text | None = None
    rounding: Text | None = None
    compiler: Text | None = None
    build_id: Text | None = None
    protocol: Count | Text | None = None
    counter: Text | None = None
    """What counts cycles there; of an emulator's SysTick or timer: the emulator's time."""
    arena_bytes: Count | None = None
    stack_bytes: Count | None = None
    """The most bytes of stack ever used."""
    flash_bytes: Count | None = None
    ram_bytes: Count | None = None
    """Code and constants, and data and stacks, of the image, without the model's place and the arena."""

    @property
    def emulated(self) -> bool:
        """Is it QEMU, whose cycles are those of no core?"""
        return self.url.startswith("qemu:")


class Oracle(Row):
    """Who says what is right: an interpreter and its version."""

    name: Text
    version: Text | None = None


class TensorRow(Row):
    """One tensor compared over all samples; `bytes` is the number of bytes compared."""

    tensor: Count
    name: Name | None = None
    op_index: Count | None = None
    op: Text | None = None
    bytes: Count
    compared_samples: Count
    cycles: Count | None = None
    """What the device counted in this tensor's operator, on average over the samples (device.counter)."""
    mismatching_samples: Count = 0
    max_abs_diff: Count | None = None

    @model_validator(mode="after")
    def _no_more_than_compared(self) -> TensorRow:
        if self.mismatching_samples > self.compared_samples:
            raise ValueError("mismatching_samples exceeds compared_samples")
        return self


class Mismatch(Row):
    """The first differing element of one tensor of one sample; `count` elements of that tensor differ."""

    sample: Count
    op_index: Count | None = None
    op: Text | None = None
    tensor: Count
    element: Index
    expected: Int64
    got: Int64
    count: Count | None = None
    repeated: bool | None = None
    """Asked again, did the device give the same bytes?"""
    note: Text | None = None
    part: Text | None = None


class Picture(Row):
    """A sample and what it was changed into: int8, row-major, no more than 4096 values."""

    shape: Annotated[
        tuple[Annotated[int, Field(ge=1, le=MAX_PICTURE)], ...], Field(min_length=1, max_length=MAX_RANK)
    ]
    original: Annotated[tuple[Int8, ...], Field(max_length=MAX_PICTURE)]
    adversarial: Annotated[tuple[Int8, ...], Field(max_length=MAX_PICTURE)]

    @model_validator(mode="after")
    def _fills_its_shape(self) -> Picture:
        n_values = math.prod(self.shape)
        if not n_values == len(self.original) == len(self.adversarial):
            raise ValueError(
                f"shape {list(self.shape)} holds {n_values} values, "
                f"original {len(self.original)}, adversarial {len(self.adversarial)}"
            )
        return self

    @classmethod
    def of(cls, original: npt.NDArray[np.int8], adversarial: npt.NDArray[np.int8]) -> Picture | None:
        """Picture of two int8 arrays of one shape; None if they are larger than a picture may be."""
        if original.shape != adversarial.shape or original.dtype != np.int8 or adversarial.dtype != np.int8:
            raise ValueError("a picture needs two int8 arrays of the same shape")
        if not 1 <= original.size <= MAX_PICTURE or original.ndim > MAX_RANK:
            return None
        return cls(
            shape=original.shape or (1,),
            original=tuple(int(value) for value in original.reshape(-1)),
            adversarial=tuple(int(value) for value in adversarial.reshape(-1)),
        )


class Values(Row):
    """The codes of a tensor of few values at the base input and at the counterexample.

    base: None where the property speaks of no input; scale: None where the tensor has none: a code stands for
    scale * (code - zero_point). at: of a tensor of many values, those elements (counted in C order) that are
    here, which are all that differ; None: these are all of a tensor's.
    """

    at: Annotated[tuple[Count, ...], Field(min_length=1, max_length=MAX_CHANGED)] | None = None
    base: Annotated[tuple[Int64, ...], Field(min_length=1, max_length=MAX_VALUES)] | None = None
    counterexample: Annotated[tuple[Int64, ...], Field(min_length=1, max_length=MAX_VALUES)]
    scale: Annotated[float, Field(gt=0)] | None = None
    zero_point: Int64 = 0

    @model_validator(mode="after")
    def _of_one_tensor(self) -> Values:
        if self.base is not None and len(self.base) != len(self.counterexample):
            raise ValueError(f"base holds {len(self.base)} values, counterexample {len(self.counterexample)}")
        if self.at is not None and (self.base is None or len(self.at) != len(self.base)):
            raise ValueError(f"{len(self.at)} elements, of which base and counterexample hold other numbers")
        return self


class ReasonRow(Row):
    """A fact that the proof of a HOLDS needs: a neuron's `value`, only its `bounds`, or a feature's `range`.

    wire: 0 for the input; op_index: the operator that computes the neuron (None: the input, or the property).
    """

    what: Literal["value", "bounds", "range"]
    wire: Count
    op_index: Count | None = None
    element: Count
    lo: Int64
    hi: Int64


class Query(Row):
    """One property of one sample and how it was decided; `eps` in steps of the int8 input."""

    index: Count | None = None
    eps: Count | None = None
    case: Count | None = None
    """Which of the property's regions, where it has several."""
    verdict: Verdict
    engine: Text
    time_s: Seconds
    witness: Text | None = None
    certificate: Text | None = None
    certificate_against: Text | None = None
    """That of the other network, or profile, where two are compared: both have the same class on one box."""
    label: Int64 | None = None
    """The class that the property wants kept."""
    predicted: Int64 | None = None
    """The class of the counterexample; None where a single output makes no class."""
    unchanged: bool | None = None
    """Is the counterexample the input as it was given, which breaks the property by itself?"""
    inputs: Values | None = None
    outputs: Values | None = None
    property: Text | None = None
    note: Text | None = None
    proof: Text | None = None
    """What a HOLDS rests on: an exact solver, integer bounds, or something that is not proof-grade."""
    bounds: Annotated[tuple[tuple[Int64, Int64], ...], Field(max_length=MAX_PICTURE)] | None = None
    """Proved lowest and highest value of each output."""
    detail: Text | None = None
    reasons: Annotated[tuple[ReasonRow, ...], Field(max_length=MAX_ROWS)] | None = None
    """What the proof of a HOLDS needs, where that was asked."""
    replay: Verdict | None = None
    picture: Picture | None = None
    part: Text | None = None


class Replay(Row):
    """A witness executed on a device, with the tensors that were compared."""

    witness: Text
    verdict: Verdict
    model_sha256: Sha256 | None = None
    """Of the witness's network: several networks may have witnesses of one name."""
    device: Text | None = None
    tensors: Annotated[tuple[TensorRow, ...], Field(max_length=MAX_ROWS)] = ()
    note: Text | None = None
    part: Text | None = None


class Part(Row):
    """One result that went into a merged one."""

    file: Text
    sha256: Sha256
    verb: Text
    verdict: Verdict
    model: ModelRef | None = None
    device: Device | None = None


class Check(Row):
    """Something that a machine has or lacks: a tool, a package; `hint` says what installs it."""

    name: Text
    ok: bool
    needed: bool = False
    """Is coverify of no use without it?"""
    purpose: Text
    found: Text | None = None
    hint: Text | None = None


class BoardRow(Row):
    """A device that can be named; `ready`: are the tools for it here (None: it is outside this machine)?

    Of a scan: a serial port; `ready`: does our firmware answer; `draft`: the text of a board file for it.
    """

    name: Text
    url: Text
    core: Text
    notes: Text = ""
    ready: bool | None = None
    draft: Text = ""


class OperatorRow(Row):
    """One operator of a model: what it reads and writes, its output's quantization, what it is lowered to."""

    op_index: Count
    op: Text
    inputs: Annotated[tuple[Int64, ...], Field(max_length=MAX_ROWS)]
    outputs: Annotated[tuple[Count, ...], Field(max_length=MAX_ROWS)]
    shape: Index = ()
    scale: float | None = None
    zero_point: Int64 | None = None
    lowered_to: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    accumulator: tuple[Int64, Int64] | None = None
    """Least and greatest sum and partial sum of its accumulators over all inputs, proved by intervals."""
    overflow: Literal["impossible", "found", "open"] | None = None
    """Can an accumulator overflow for an input of the declared range? `found`: on an input that was run."""
    overflow_value: Int64 | None = None
    """The sum that overflows there."""
    overflow_input: Text | None = None
    """The file of that input, in the result's folder."""
    refused: Text | None = None
    """Why it is not supported; None when it is."""


class OperatorSupport(Row):
    """What coverify does with an operator of TFLM: run it, lower it to primitives, run it in its firmware."""

    op: Text
    reference: bool
    lowered_to: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    exact: Text | None = None
    """What of it is not lowered but only run, and why."""
    firmware: bool
    checked: Annotated[dict[Text, Count], Field(max_length=100)] = {}
    """Type of its data → random models on which every byte equalled the oracle's (recorded)."""
    variant: Text | None = None
    """Its kernel under the profile, or why the profile refuses it."""
    graphs: Count | None = None
    """Random graphs with it of which every byte equalled the oracle of the profile."""
