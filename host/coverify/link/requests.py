"""What does each request ask, and what does its answer say? One frozen dataclass per request and per answer.

A request encodes itself and decodes the body of its own answer. A device may lie: every field is checked
against the request and against the bounds of the protocol, and an answer that does not fit is a BadAnswer
that names the field. Nothing is allocated from a size that a device claims.
Layout: device_harness/agent/protocol.h, version 4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import ClassVar, Generic, TypeVar

from coverify.errors import BadAnswer, DeviceFault, DeviceRefused, FaultRegisters
from coverify.link.body import Body
from coverify.link.frames import MAX_PAYLOAD

PROTOCOL_VERSION = 4
ANSWER = 0x80
FAULT = 0xFE
DIGEST_SIZE = 32
#: bytes of SHA-256 that are kept of a tensor
TENSOR_DIGEST_SIZE = 16
#: no tensor on a microcontroller is larger; a claim above it is a lie
MAX_TENSOR_BYTES = 1 << 28
_MIN_DEVICE_PAYLOAD = 64
_PREAMBLE = struct.Struct("<BBHII")
_FAULT = struct.Struct("<14I")
_FAULT_STACK = struct.Struct("<10I")
_MODEL_END = struct.Struct("<IIIHH")
_PAIR = struct.Struct("<II")


class State(IntEnum):
    """The device's state, in every answer."""

    EMPTY = 0
    LOADING = 1
    READY = 2
    STEPPING = 3
    DONE = 4


class Status(IntEnum):
    """How a request went."""

    OK = 0
    BAD_REQUEST = 1
    BAD_STATE = 2
    TOO_BIG = 3
    BAD_DIGEST = 4
    BAD_MODEL = 5
    UNSUPPORTED = 6
    NO_ARENA = 7
    ENGINE = 8
    RANGE = 9
    NOT_NEXT = 10


class Features(IntFlag):
    """What the firmware can do beyond the minimum."""

    TRACE = 1
    CYCLES = 2
    CHECK = 4
    SLOW_STORE = 8


@dataclass(frozen=True)
class TensorSize:
    """A tensor's index in the .tflite file and its size in bytes."""

    index: int
    n_bytes: int


def _tensor_size(body: Body) -> TensorSize:
    index, n_bytes = body.ints(_PAIR)
    return TensorSize(index, body.within(f"size of tensor {index}", n_bytes, 0, MAX_TENSOR_BYTES))


def _received(body: Body, end: int) -> int:
    """Bytes that the device has: up to the end of a piece, or more where pieces after it came before it was
    asked again.
    """
    return body.within("bytes received", body.u32(), end, MAX_TENSOR_BYTES)


A = TypeVar("A")


@dataclass(frozen=True)
class Request(Generic[A]):
    """A question to the device; `A` is the type of its answer."""

    type: ClassVar[int]
    #: the nature of the work: answering may take as long as the network (True) or only the line (False)
    computes: ClassVar[bool] = False

    @property
    def begins_at(self) -> int | None:
        """The offset of a piece of something that comes in order; None for all else.

        CV_RANGE may then only mean that the piece before was lost.
        """
        return None

    @property
    def name(self) -> str:
        """The request's name in protocol.h, without CV_."""
        return NAMES[self.type]

    def payload(self) -> bytes:
        """The request's bytes, without frame."""
        raise NotImplementedError

    def answer(self, body: bytes) -> A:
        """The body of an answer with status OK; BadAnswer when it does not fit."""
        cursor = Body(self.name, body)
        decoded = self._decode(cursor)
        cursor.end()
        return decoded

    def _decode(self, body: Body) -> A:
        raise NotImplementedError


@dataclass(frozen=True)
class HelloAnswer:
    """Who the device is. Sizes in bytes; `model_sha256` is zeros when no model is loaded.

    `counter` is what counts cycles ("" for nothing), `clock_hz` how fast it counts (0: unknown).
    """

    version: int
    window: int
    max_payload: int
    model_capacity: int
    arena_capacity: int
    features: Features
    clock_hz: int
    model_sha256: bytes
    board: str
    core: str
    engine: str
    rounding: str
    compiler: str
    build_id: str
    counter: str


@dataclass(frozen=True)
class Hello(Request[HelloAnswer]):
    """Who is there? `proposal` becomes the boot nonce of a device that has just started."""

    type: ClassVar[int] = 0x01
    proposal: int

    def payload(self) -> bytes:
        """u32 proposal."""
        return struct.pack("<I", self.proposal)

    def _decode(self, body: Body) -> HelloAnswer:
        version = int.from_bytes(body.take(2), "little")
        if version != PROTOCOL_VERSION:
            raise BadAnswer(
                f"the device speaks version {version} of the link protocol, this host {PROTOCOL_VERSION}: "
                "build and flash the firmware that belongs to this coverify"
            )
        window, most, model, arena, features, clock_hz = body.ints(struct.Struct("<HIIIII"))
        body.within("window", window, 1, 0xFFFF)
        body.within("max payload", most, _MIN_DEVICE_PAYLOAD, MAX_PAYLOAD)
        digest = body.take(DIGEST_SIZE)
        board, core, engine, rounding, compiler, build_id, counter = (body.text() for _ in range(7))
        return HelloAnswer(
            version, window, most, model, arena, Features(features & 15), clock_hz, digest,
            board, core, engine, rounding, compiler, build_id, counter,
        )  # fmt: skip


@dataclass(frozen=True)
class ModelBegin(Request[bool]):
    """A model of `size` bytes follows. The answer is True when the device has it already."""

    type: ClassVar[int] = 0x02
    size: int
    sha256: bytes

    def payload(self) -> bytes:
        """u32 size, the digest."""
        return struct.pack("<I", self.size) + self.sha256

    def _decode(self, body: Body) -> bool:
        return body.within("already", body.u8(), 0, 1) == 1


@dataclass(frozen=True)
class ModelData(Request[int]):
    """A piece of the model. The answer is how many bytes the device has now: all up to this piece's end."""

    type: ClassVar[int] = 0x03
    offset: int
    data: bytes = field(repr=False)

    @property
    def begins_at(self) -> int:
        """Its offset."""
        return self.offset

    def payload(self) -> bytes:
        """u32 offset, bytes."""
        return struct.pack("<I", self.offset) + self.data

    def _decode(self, body: Body) -> int:
        return _received(body, self.offset + len(self.data))


@dataclass(frozen=True)
class Plan:
    """What the device made of the model: counts, arena bytes used, the inputs and outputs in order."""

    n_operators: int
    n_tensors: int
    arena_used: int
    inputs: tuple[TensorSize, ...]
    outputs: tuple[TensorSize, ...]


@dataclass(frozen=True)
class ModelEnd(Request[Plan]):
    """The model is complete: hash it, parse it, plan the arena."""

    type: ClassVar[int] = 0x04
    computes: ClassVar[bool] = True

    def payload(self) -> bytes:
        """Empty."""
        return b""

    def _decode(self, body: Body) -> Plan:
        n_operators, n_tensors, arena_used, n_inputs, n_outputs = body.ints(_MODEL_END)
        inputs = tuple(_tensor_size(body) for _ in range(n_inputs))
        outputs = tuple(_tensor_size(body) for _ in range(n_outputs))
        for tensor in inputs + outputs:
            body.within("tensor index", tensor.index, 0, n_tensors - 1)
        return Plan(n_operators, n_tensors, arena_used, inputs, outputs)


@dataclass(frozen=True)
class Input(Request[int]):
    """A piece of one input. The answer is how many bytes of that input the device has now."""

    type: ClassVar[int] = 0x05
    ordinal: int
    offset: int
    data: bytes = field(repr=False)

    @property
    def begins_at(self) -> int:
        """Its offset."""
        return self.offset

    def payload(self) -> bytes:
        """u16 ordinal, u16 0, u32 offset, bytes."""
        return struct.pack("<HHI", self.ordinal, 0, self.offset) + self.data

    def _decode(self, body: Body) -> int:
        return _received(body, self.offset + len(self.data))


@dataclass(frozen=True)
class Invoked:
    """An invocation: operators executed (0 when it is to be stepped), cycles (0: not counted).

    `inputs` is the digest of what the device was given since its reset (checks.inputs_digest); it names the
    state that the invocation leaves.
    """

    id: int
    operators: int
    cycles: int
    inputs: bytes


@dataclass(frozen=True)
class Invoke(Request[Invoked]):
    """Run the network, or get ready to step through it. The same id again runs nothing.

    `before` is the inputs digest of the invocation that it continues; None: the device resets its state.
    """

    type: ClassVar[int] = 0x06
    computes: ClassVar[bool] = True
    id: int
    stepped: bool
    before: bytes | None = None

    def payload(self) -> bytes:
        """u32 id, u8 mode, u8 follows, u16 0, what it follows."""
        return struct.pack("<IBB2x", self.id, self.stepped, self.before is not None) + (self.before or b"")

    def _decode(self, body: Body) -> Invoked:
        got, operators, cycles = body.ints(struct.Struct("<IIQ"))
        body.equal("id", got, self.id)
        return Invoked(got, operators, cycles, body.take(TENSOR_DIGEST_SIZE))


@dataclass(frozen=True)
class Stepped:
    """One operator ran. `data` holds the bytes of each output, or is None when they must be READ."""

    op: int
    cycles: int
    outputs: tuple[TensorSize, ...]
    data: tuple[bytes, ...] | None = field(repr=False)


@dataclass(frozen=True)
class Step(Request[Stepped]):
    """Run operator `op` of the stepped invocation `id`, and say what it wrote."""

    type: ClassVar[int] = 0x07
    computes: ClassVar[bool] = True
    id: int
    op: int

    def payload(self) -> bytes:
        """u32 id, u32 op."""
        return _PAIR.pack(self.id, self.op)

    def _decode(self, body: Body) -> Stepped:
        op, cycles, n_outputs, inlined, zero = body.ints(struct.Struct("<IQHBB"))
        body.equal("op", op, self.op)
        body.within("inlined", inlined, 0, 1)
        body.equal("reserved byte", zero, 0)
        outputs = tuple(_tensor_size(body) for _ in range(n_outputs))
        data = tuple(body.take(tensor.n_bytes) for tensor in outputs) if inlined else None
        return Stepped(op, cycles, outputs, data)


@dataclass(frozen=True)
class Read(Request[bytes]):
    """`n` bytes of a tensor of invocation `id` from `offset` on. The answer is exactly these bytes."""

    type: ClassVar[int] = 0x08
    id: int
    tensor: int
    offset: int
    n: int

    def payload(self) -> bytes:
        """u32 id, u32 tensor, u32 offset, u32 n."""
        return struct.pack("<IIII", self.id, self.tensor, self.offset, self.n)

    def _decode(self, body: Body) -> bytes:
        tensor, offset = body.ints(_PAIR)
        body.equal("tensor", tensor, self.tensor)
        body.equal("offset", offset, self.offset)
        return body.take(self.n)


NAMES = {
    Hello.type: "HELLO",
    ModelBegin.type: "MODEL_BEGIN",
    ModelData.type: "MODEL_DATA",
    ModelEnd.type: "MODEL_END",
    Input.type: "INPUT",
    Invoke.type: "INVOKE",
    Step.type: "STEP",
    Read.type: "READ",
    0x09: "CHECK",  # checks.py
    0x0A: "USAGE",
    FAULT: "FAULT",
}
#: bytes that an answer's preamble and a request's own fields take from a payload
ANSWER_PREAMBLE = _PREAMBLE.size
MODEL_DATA_FIELDS = 4
INPUT_FIELDS = 8
READ_FIELDS = 8


@dataclass(frozen=True)
class Answer:
    """The preamble of every answer, and its body."""

    status: Status
    state: State
    boot: int
    detail: int
    body: bytes = field(repr=False)

    @classmethod
    def parse(cls, request: str, payload: bytes) -> Answer:
        """Split an answer's payload; `request` is its name, for the message of a BadAnswer."""
        cursor = Body(request, payload)
        status, state, zero, boot, detail = cursor.ints(_PREAMBLE)
        cursor.within("status", status, 0, max(Status))
        cursor.within("state", state, 0, max(State))
        cursor.equal("reserved field", zero, 0)
        return cls(Status(status), State(state), boot, detail, cursor.rest())

    def refusal(self, request: str) -> DeviceRefused:
        """The error that a status other than OK stands for; unprintable bytes of its text become `?`."""
        text = "".join(chr(c) if 0x20 <= c < 0x7F else "?" for c in self.body)
        return DeviceRefused(request, self.status, self.status.name, self.state, self.detail, text)


def parse_fault(payload: bytes) -> DeviceFault:
    """The error that a FAULT frame stands for."""
    cursor = Body("a crash", payload)
    boot, exception, *registers = cursor.ints(_FAULT)
    stack = cursor.ints(_FAULT_STACK) if len(payload) > _FAULT.size else (0, 0)
    cursor.end()
    found = FaultRegisters(*registers, sp=stack[0], stack_end=stack[1], trail=tuple(stack[2:]))
    return DeviceFault(boot, exception, found)
