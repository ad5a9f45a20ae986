"""Do all tensors of a run agree, in few bytes? CHECK: a digest per tensor; and USAGE: memory used.

An input is named (a vector that the device generates itself), carried in the request, or was sent before. An
invocation starts from the reset state, or follows another one, which it names by its inputs' digest.
Layout: device_harness/agent/protocol.h, version 4.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from coverify.link.body import Body
from coverify.link.requests import ANSWER_PREAMBLE, TENSOR_DIGEST_SIZE, Request

#: a request's fields before its source's bytes
CHECK_FIELDS = 16
_ANSWER_FIELDS = 16 + TENSOR_DIGEST_SIZE
_OPERATOR_FIELDS = 4


def tensor_digest(data: bytes) -> bytes:
    """The digest of a tensor's bytes, as the device takes it."""
    return hashlib.sha256(data).digest()[:TENSOR_DIGEST_SIZE]


def inputs_digest(inputs: Sequence[bytes], before: bytes | None = None) -> bytes:
    """The digest of all inputs of an invocation, and of those `before` it, as the device takes it."""
    each = b"".join(hashlib.sha256(data).digest() for data in inputs)
    return tensor_digest((before or b"") + each)


def fits(outputs: int, max_payload: int) -> bool:
    """Are the digests of an operator of so many outputs no more than an answer holds?"""
    room = max_payload - ANSWER_PREAMBLE - _ANSWER_FIELDS
    return _OPERATOR_FIELDS + outputs * TENSOR_DIGEST_SIZE <= room


def groups(outputs: Sequence[int], max_payload: int) -> list[tuple[int, tuple[int, ...]]]:
    """Operators, each of which `fits`, cut into runs whose digests fit into one answer: each run's first, its
    outputs' counts.
    """
    found: list[tuple[int, tuple[int, ...]]] = []
    first, room = 0, max_payload - ANSWER_PREAMBLE - _ANSWER_FIELDS
    left = room
    for op, n in enumerate(outputs):
        needed = _OPERATOR_FIELDS + n * TENSOR_DIGEST_SIZE
        if needed > left and op > first:
            found.append((first, tuple(outputs[first:op])))
            first, left = op, room
        left -= needed
    return [*found, (first, tuple(outputs[first:]))]


@dataclass(frozen=True)
class Element:
    """What the device makes a model input of: 2**bits values of `width` bytes from `least` on.

    zero: the one of vector 2; exponent: None for integers, else a value v stands for the float32
    v * 2**exponent.
    """

    width: int
    bits: int
    least: int
    zero: int = 0
    exponent: int | None = None

    @property
    def greatest(self) -> int:
        """The last of the values."""
        return self.least + (1 << self.bits) - 1

    def data(self) -> bytes:
        """u8 width, u8 bits, u8 kind, i8 exponent, u32 least, u32 zero."""
        kind = self.exponent is not None
        return struct.pack("<BBBbii", self.width, self.bits, kind, self.exponent or 0, self.least, self.zero)


@dataclass(frozen=True)
class VectorInput:
    """CHECK's source 1: the device makes vector `number` of `seed`, of an element for every model input."""

    source: ClassVar[int] = 1
    seed: int
    number: int
    elements: tuple[Element, ...]
    before: bytes | None = None

    def data(self) -> bytes:
        """u64 seed, u32 number, the elements."""
        return struct.pack("<QI", self.seed, self.number) + b"".join(e.data() for e in self.elements)


@dataclass(frozen=True)
class InlineInput:
    """CHECK's source 2: the bytes of all inputs, one after the other."""

    source: ClassVar[int] = 2
    bytes_: bytes = field(repr=False)
    before: bytes | None = None

    def data(self) -> bytes:
        """The bytes."""
        return self.bytes_


@dataclass(frozen=True)
class SentInput:
    """CHECK's source 0: what INPUT has brought."""

    source: ClassVar[int] = 0
    before: bytes | None = None

    def data(self) -> bytes:
        """Nothing."""
        return b""


@dataclass(frozen=True)
class GoOn:
    """CHECK's source 3: the last CHECK's invocation goes on where it stopped."""

    source: ClassVar[int] = 3
    before: ClassVar[bytes | None] = None

    def data(self) -> bytes:
        """Nothing."""
        return b""


Given = VectorInput | InlineInput | SentInput
"""An invocation's input, and the inputs digest of the one that it follows (None: the state is reset)."""
CheckInput = Given | GoOn


@dataclass(frozen=True)
class Checked:
    """Digests of what operators wrote: of operator first + i, `cycles[i]` and one digest per output.

    `inputs` is the digest of what the device was given (inputs_digest).
    """

    first: int
    inputs: bytes
    cycles: tuple[int, ...]
    digests: tuple[tuple[bytes, ...], ...] = field(repr=False)


@dataclass(frozen=True)
class Check(Request[Checked]):
    """Run operators 0 … first + len(outputs) − 1; answer with digests of what the last of them wrote.

    `outputs` is how many tensors each operator from `first` on writes, as the host's own reading of the model
    says.
    """

    type: ClassVar[int] = 0x09
    computes: ClassVar[bool] = True
    id: int
    first: int
    outputs: tuple[int, ...]
    given: CheckInput

    def payload(self) -> bytes:
        """u32 id, u32 first, u32 n, u8 source, u8 0, u8 follows, u8 0, before, the source's bytes."""
        given, before = self.given, self.given.before
        head = struct.pack(
            "<IIIBBBB",
            self.id,
            self.first,
            len(self.outputs),
            given.source,
            0,
            before is not None,
            0,
        )
        return head + (before or b"") + given.data()

    def _decode(self, body: Body) -> Checked:
        got, executed, _ = body.ints(struct.Struct("<IIQ"))  # and the cycles of all that ran
        body.equal("id", got, self.id)
        body.equal("operators executed", executed, self.first + len(self.outputs))
        inputs = body.take(TENSOR_DIGEST_SIZE)
        cycles, digests = [], []
        for n in self.outputs:
            cycles.append(body.u32())
            digests.append(tuple(body.take(TENSOR_DIGEST_SIZE) for _ in range(n)))
        return Checked(self.first, inputs, tuple(cycles), tuple(digests))


@dataclass(frozen=True)
class Used:
    """Bytes used of the arena, and at most ever of the stack (of `stack_bytes`; 0: not measured)."""

    arena: int
    stack: int
    stack_bytes: int


@dataclass(frozen=True)
class Usage(Request[Used]):
    """How much memory is used?"""

    type: ClassVar[int] = 0x0A

    def payload(self) -> bytes:
        """Empty."""
        return b""

    def _decode(self, body: Body) -> Used:
        return Used(*body.ints(struct.Struct("<III")))
