"""How does the host get one trustworthy answer out of a device, or know that there is none?

`Client.ask` sends a request, sends it again at growing intervals while nothing comes, drops stale and damaged
frames, and ends at its deadline whatever arrives: with the answer, or with LinkError (nothing trustworthy),
DeviceReset (another boot nonce), DeviceFault (the firmware reported a crash), DeviceRefused (it said no).
The methods above it speak of models, inputs, invocations and tensors as bytes. One client per line, one
thread per client; one request is outstanding at a time.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from coverify.errors import BadAnswer, DeviceRefused, DeviceReset, LinkError
from coverify.link import requests
from coverify.link.deadline import Deadline
from coverify.link.frames import Decoder, Frame, encode
from coverify.link.line import Line
from coverify.link.requests import Answer, HelloAnswer, Invoked, Plan, Request, TensorSize
from coverify.link.wirelog import WireLog

#: a device that talks without end is not waited for any longer than this before HELLO
FORGET_S = 0.2
A = TypeVar("A")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pace:
    """How long to wait, in seconds, on a device of ordinary speed; a board's timeout_scale stretches all.

    `resend_s` and `growth`: a request is sent again after resend_s plus the time its bytes take at
    `bytes_per_s`, then after growth times that, …, at most `most_sends` times. `answer_s` and `compute_s`:
    when to give up on requests that only use the line, and on those that run the network.
    """

    resend_s: float = 0.5
    growth: float = 2.0
    most_sends: int = 8
    bytes_per_s: float = 4000.0
    answer_s: float = 10.0
    compute_s: float = 30.0

    def scaled(self, factor: float) -> Pace:
        """The pace of a device that is `factor` times slower."""
        return Pace(
            self.resend_s * factor,
            self.growth,
            self.most_sends,
            self.bytes_per_s / factor,
            self.answer_s * factor,
            self.compute_s * factor,
        )


@dataclass(frozen=True)
class OperatorOutput:
    """One tensor that an operator wrote."""

    tensor: int
    data: bytes


@dataclass(frozen=True)
class OperatorRun:
    """One operator of a stepped invocation: its index, its cycles (0: not counted), all that it wrote."""

    op: int
    cycles: int
    outputs: tuple[OperatorOutput, ...]


def _nonce() -> int:
    return secrets.randbits(32) or 1


class Client:
    """One session with the device at the other end of `line`. Call `hello` first.

    `dropped` counts frames that were whole but answered nothing, `resends` the requests sent again.
    """

    def __init__(
        self,
        line: Line,
        *,
        pace: Pace | None = None,
        wire_log: WireLog | None = None,
        obituary: Callable[[], str] = str,
    ) -> None:
        """`obituary` says why the other end died, if it did (""): it is added to every LinkError."""
        self.pace = pace or Pace()
        self.boot = 0
        self.dropped = 0
        self.resends = 0
        self._line = line
        self._log = wire_log
        self._obituary = obituary
        self._decoder = Decoder(on_damage=wire_log.damaged if wire_log else None)
        self._inbox: deque[Frame] = deque()
        # neither sequence numbers nor invocations of an earlier session may be taken for ours
        self._seq = secrets.randbits(16)
        self._invocation = _nonce()
        self._hello: HelloAnswer | None = None
        self._plan: Plan | None = None
        self._preloaded = b""

    @property
    def damaged(self) -> int:
        """Blocks of bytes from the device that were no frame."""
        return self._decoder.damaged

    def close(self) -> None:
        """Close the line."""
        self._line.close()

    # -- one request ----------------------------------------------------------------------------------

    def ask(self, request: Request[A], deadline: Deadline | None = None) -> A:
        """The device's answer to `request`, by `deadline` (None: as the pace says)."""
        deadline = deadline or Deadline.in_s(self.pace.compute_s if request.computes else self.pace.answer_s)
        try:
            answer = self._exchange(request, deadline)
            if answer.status is not requests.Status.OK:
                raise answer.refusal(request.name)
            return request.answer(answer.body)
        except (BadAnswer, DeviceReset):
            raise
        except LinkError as err:
            cause = self._obituary()
            if cause:
                raise LinkError(f"{err}; {cause}") from err
            raise

    def _exchange(self, request: Request[A], deadline: Deadline) -> Answer:
        self._seq = (self._seq + 1) & 0xFFFF
        frame = Frame(request.type, self._seq, request.payload())
        wire = encode(frame)
        wait_s = self.pace.resend_s + len(wire) / self.pace.bytes_per_s
        for send in range(self.pace.most_sends):
            self.resends += send > 0
            self._send(frame, wire, deadline)
            last = send == self.pace.most_sends - 1
            answer = self._receive(request, deadline if last else deadline.sooner(wait_s))
            if answer is not None:
                return answer
            if deadline.passed:
                break
            wait_s *= self.pace.growth
        raise LinkError(
            f"no answer to {request.name} from {self._line.name} (sent {send + 1} times; damaged frames: "
            f"{self.damaged}, stale ones: {self.dropped}); does the firmware run, at this baud rate?"
        )

    def _send(self, frame: Frame, wire: bytes, deadline: Deadline) -> None:
        if self._log:
            self._log.frame("host", frame)
        # a frame that is cut short is damaged at the other end, and sent again in time
        self._line.write(wire, deadline)

    def _receive(self, request: Request[A], until: Deadline) -> Answer | None:
        while True:
            while self._inbox:
                answer = self._match(request, self._inbox.popleft())
                if answer is not None:
                    return answer
            if until.passed:
                return None
            self._fetch(until)

    def _fetch(self, until: Deadline) -> None:
        for frame in self._decoder.feed(self._line.read(until)):
            if self._log:
                self._log.frame("device", frame)
            self._inbox.append(frame)

    def _match(self, request: Request[A], frame: Frame) -> Answer | None:
        """The answer in `frame`, None if it answers something else."""
        if frame.type == requests.FAULT:
            raise requests.parse_fault(frame.payload)
        if frame.seq != self._seq or frame.type != request.type | requests.ANSWER:
            self.dropped += 1
            return None
        answer = Answer.parse(request.name, frame.payload)
        if isinstance(request, requests.Hello):
            self.boot = answer.boot
        elif answer.boot != self.boot:
            raise DeviceReset(self.boot, answer.boot)
        return answer

    # -- a session ------------------------------------------------------------------------------------

    def hello(self, deadline: Deadline | None = None) -> HelloAnswer:
        """Begin a session, or begin again after DeviceReset: who is there, and what can it hold?"""
        self._plan = None
        self._forget_the_past()
        self._hello = self.ask(requests.Hello(_nonce()), deadline)
        if self.boot == 0:
            raise BadAnswer("the device keeps boot nonce 0 after HELLO; a reset could not be seen")
        return self._hello

    def _forget_the_past(self) -> None:
        """Drop what has arrived: a crash that was reported before a reset must not count after it."""
        self._inbox.clear()
        patience = Deadline.in_s(FORGET_S)
        while not patience.passed and (data := self._line.read(Deadline.in_s(0))):
            self.dropped += len(self._decoder.feed(data))

    def ensure_model(self, model: bytes, progress: Progress | None = None) -> Plan:
        """Have `model` loaded, uploading it unless the device has it; `progress(sent, total)` in bytes.

        The device compares the digest of what it holds. Deadlines are per request, so a large model may take
        long, but a device that stands still may not.
        """
        self._plan = None
        begin = requests.ModelBegin(len(model), hashlib.sha256(model).digest())
        if not self.ask(begin):
            self._plan = self._claim(begin)
            if self._plan is not None:
                return self._plan
            self._upload(model, progress)
        self._plan = self.ask(requests.ModelEnd())
        return self._plan

    def preloaded(self, model: bytes) -> None:
        """Says that `model` may lie in the device's memory: `ensure_model` then asks before it sends."""
        self._preloaded = hashlib.sha256(model).digest()

    def _claim(self, begin: requests.ModelBegin) -> Plan | None:
        """The plan of a model that lies in the device's memory; None (and begun anew) when it does not."""
        if begin.sha256 != self._preloaded:
            return None
        try:
            return self.ask(requests.ModelEnd())
        except DeviceRefused as refused:
            if refused.status != requests.Status.BAD_DIGEST:
                raise
            self._preloaded = b""
            self.ask(begin)
            return None

    def _upload(self, model: bytes, progress: Progress | None) -> None:
        size = self._greeted.max_payload - requests.MODEL_DATA_FIELDS
        for offset in range(0, len(model), size):
            sent = self.ask(requests.ModelData(offset, model[offset : offset + size]))
            if progress is not None:
                progress(sent, len(model))

    def set_input(self, ordinal: int, data: bytes) -> None:
        """Give the model's input number `ordinal` all its bytes."""
        size = self._greeted.max_payload - requests.INPUT_FIELDS
        for offset in range(0, max(len(data), 1), size):
            self.ask(requests.Input(ordinal, offset, data[offset : offset + size]))

    def invoke(self, *, stepped: bool = False, deadline: Deadline | None = None) -> Invoked:
        """Run the network, or (stepped) make it ready for `step`. Every call is a new invocation."""
        self._invocation = (self._invocation + 1) & 0xFFFFFFFF
        invoked = self.ask(requests.Invoke(self._invocation, stepped), deadline)
        expected = 0 if stepped else self._loaded.n_operators
        if invoked.operators != expected:
            raise BadAnswer(f"INVOKE executed {invoked.operators} operators, must be {expected}")
        return invoked

    def step(self, op: int, deadline: Deadline | None = None) -> OperatorRun:
        """Run operator `op` (0, 1, … in order; the last one may be asked again) and fetch what it wrote."""
        stepped = self.ask(requests.Step(self._invocation, op), deadline)
        if stepped.data is None:
            return OperatorRun(op, stepped.cycles, self._read_all(stepped.outputs, f"operator {op}"))
        pairs = zip(stepped.outputs, stepped.data, strict=True)
        return OperatorRun(
            op, stepped.cycles, tuple(OperatorOutput(size.index, data) for size, data in pairs)
        )

    def read(self, tensor: int, n_bytes: int) -> bytes:
        """The bytes of a tensor that the device still holds (see READ in protocol.h)."""
        size = self._greeted.max_payload - requests.ANSWER_PREAMBLE - requests.READ_FIELDS
        pieces = (
            self.ask(requests.Read(tensor, offset, min(size, n_bytes - offset)))
            for offset in range(0, n_bytes, size)
        )
        return b"".join(pieces)

    def outputs(self) -> tuple[OperatorOutput, ...]:
        """The bytes of all outputs of the last invocation."""
        return self._read_all(self._loaded.outputs, "the model")

    def _read_all(self, tensors: tuple[TensorSize, ...], writer: str) -> tuple[OperatorOutput, ...]:
        total, arena = sum(tensor.n_bytes for tensor in tensors), self._greeted.arena_capacity
        if total > arena:
            raise BadAnswer(f"{writer} is said to have written {total} bytes, but the arena holds {arena}")
        return tuple(
            OperatorOutput(tensor.index, self.read(tensor.index, tensor.n_bytes)) for tensor in tensors
        )

    @property
    def _greeted(self) -> HelloAnswer:
        if self._hello is None:
            raise RuntimeError("call hello() first")
        return self._hello

    @property
    def _loaded(self) -> Plan:
        if self._plan is None:
            raise RuntimeError("call ensure_model() first")
        return self._plan
