"""What does the host ask a device, and what does it get? Models, inputs, invocations, tensors, as bytes.

One client per line, one thread per client. Every answer is trustworthy or an error: LinkError (none came),
DeviceReset (another boot nonce), DeviceFault (the firmware reported a crash), DeviceRefused (it said no).
Resending, windows and time are exchange.py's.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from coverify.errors import BadAnswer, DeviceRefused, DeviceReset, LinkError
from coverify.link import requests
from coverify.link.checks import Check, Checked, CheckInput, GoOn, Usage, Used, inputs_digest
from coverify.link.deadline import Deadline
from coverify.link.exchange import Exchange, Located
from coverify.link.line import Line
from coverify.link.pace import Pace
from coverify.link.requests import Features, HelloAnswer, Invoked, Plan, Request, Status, TensorSize
from coverify.link.wirelog import WireLog

A = TypeVar("A")
Progress = Callable[[int, int], None]


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
        located: Located = lambda fault: fault,
    ) -> None:
        """`obituary` says why the other end died, if it did (""): it is added to every LinkError. `located`
        adds to a crash where in the firmware it was.
        """
        self.pace = pace or Pace()
        self._exchange = Exchange(line, self.pace, wire_log, located)
        self._obituary = obituary
        # invocations of an earlier session may not be taken for ours
        self._invocation = _nonce()
        self._inputs: dict[int, bytes] = {}
        self._hello: HelloAnswer | None = None
        self._plan: Plan | None = None
        self._preloaded = b""

    @property
    def boot(self) -> int:
        """The boot nonce of this session; 0 before HELLO."""
        return self._exchange.boot

    @boot.setter
    def boot(self, nonce: int) -> None:
        self._exchange.boot = nonce

    @property
    def dropped(self) -> int:
        """Whole frames that answered nothing."""
        return self._exchange.dropped

    @property
    def resends(self) -> int:
        """Requests that were sent again."""
        return self._exchange.resends

    @property
    def damaged(self) -> int:
        """Blocks of bytes from the device that were no frame."""
        return self._exchange.damaged

    def close(self) -> None:
        """Close the line."""
        self._exchange.close()

    # -- requests -------------------------------------------------------------------------------------

    def ask(self, request: Request[A], deadline: Deadline | None = None) -> A:
        """The device's answer to `request`, by `deadline` (None: as the pace says)."""
        return next(self.ask_all([request], 1, deadline))

    def ask_all(
        self, asked: Iterable[Request[A]], window: int | None = None, deadline: Deadline | None = None
    ) -> Iterator[A]:
        """The answers to all requests, in order, up to `window` (None: the device's) under way at once."""
        if window is None:
            window = self._greeted.window
        try:
            yield from self._exchange.answers(asked, window, deadline)
        except DeviceRefused as refused:
            # this client sends what is legal, so the device is not where its last answer has left it
            if refused.status == Status.BAD_STATE and self._plan is not None:
                raise LinkError(f"{refused}; an old request came late, the line mixes them up") from refused
            raise
        except (BadAnswer, DeviceReset):
            raise
        except LinkError as err:
            self._raise_explained(err)
            raise

    def _raise_explained(self, err: LinkError) -> None:
        """The same error with what ended the other end, where that is known."""
        cause = self._obituary()
        if cause:
            raise LinkError(f"{err}; {cause}") from err

    # -- a session ------------------------------------------------------------------------------------

    def hello(self, deadline: Deadline | None = None) -> HelloAnswer:
        """Begin a session, or begin again after DeviceReset: who is there, and what can it hold?"""
        self._plan = None
        try:
            self._exchange.forget_the_past()
        except LinkError as err:
            self._raise_explained(err)
            raise
        self._hello = self.ask(requests.Hello(_nonce()), deadline)
        if self.boot == 0:
            raise BadAnswer("the device keeps boot nonce 0 after HELLO; a reset could not be seen")
        return self._hello

    def ensure_model(self, model: bytes, progress: Progress | None = None) -> Plan:
        """Have `model` loaded, uploading it unless the device has it; `progress(sent, total)` in bytes.

        The device compares the digest of what it holds. Deadlines are per request, so a large model may take
        long, but a device that stands still may not.
        """
        self._plan = None
        self._inputs.clear()
        begin = requests.ModelBegin(len(model), hashlib.sha256(model).digest())
        if not self.ask(begin):
            self._plan = self._claim(begin)
            if self._plan is not None:
                return self._plan
            self._upload(model, progress)
        self._plan = self._end_of_upload()
        return self._plan

    def _end_of_upload(self) -> Plan:
        try:
            return self.ask(requests.ModelEnd())
        except DeviceRefused as refused:
            if refused.status in (Status.BAD_DIGEST, Status.BAD_STATE):
                raise LinkError(f"the upload went wrong: {refused}") from refused
            raise

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
            if refused.status not in (Status.BAD_DIGEST, Status.BAD_STATE):
                raise
            self._preloaded = b""
            self.ask(begin)
            return None

    def _upload(self, model: bytes, progress: Progress | None) -> None:
        size = self._greeted.max_payload - requests.MODEL_DATA_FIELDS
        pieces = (requests.ModelData(at, model[at : at + size]) for at in range(0, len(model), size))
        one_by_one = Features.SLOW_STORE in self._greeted.features
        for number, _ in enumerate(self.ask_all(pieces, 1 if one_by_one else None), 1):
            if progress is not None:
                progress(min(number * size, len(model)), len(model))

    def set_input(self, ordinal: int, data: bytes) -> None:
        """Give the model's input number `ordinal` all its bytes."""
        size = self._greeted.max_payload - requests.INPUT_FIELDS
        pieces = (
            requests.Input(ordinal, at, data[at : at + size]) for at in range(0, max(len(data), 1), size)
        )
        for _ in self.ask_all(pieces):
            pass
        self._inputs[ordinal] = data

    def invoke(
        self, *, stepped: bool = False, before: bytes | None = None, deadline: Deadline | None = None
    ) -> Invoked:
        """Run the network, or (stepped) make it ready for `step`. Every call is a new invocation.

        before: the `inputs` of the invocation that it continues, where the network keeps state; None: the
        state is reset.  Raises StateLost when that one was not the last.
        """
        invoked = self.ask(requests.Invoke(self._next_invocation(), stepped, before), deadline)
        expected = 0 if stepped else self._loaded.n_operators
        if invoked.operators != expected:
            raise BadAnswer(f"INVOKE executed {invoked.operators} operators, must be {expected}")
        self._require(invoked.inputs, [self._inputs[i] for i in sorted(self._inputs)], before)
        return invoked

    def _next_invocation(self) -> int:
        self._invocation = (self._invocation + 1) & 0xFFFFFFFF
        return self._invocation

    def _require(self, digest: bytes, inputs: Sequence[bytes], before: bytes | None) -> None:
        """The line may bring an old request late: what was computed on has to be what was meant."""
        if digest != inputs_digest(inputs, before):
            raise LinkError(
                "the device computed on other inputs than it was sent; the line mixes up requests"
            )

    def check(self, asked: Iterable[tuple[CheckInput, int, tuple[int, ...]]]) -> Iterator[Checked]:
        """Digests for each (input, first operator, tensors that each operator from it on writes).

        Several are under way at once. After each it is as if its last operator had just been stepped.
        """
        return self.ask_all(Check(self._invocation_of(given), first, n, given) for given, first, n in asked)

    def _invocation_of(self, given: CheckInput) -> int:
        return self._invocation if isinstance(given, GoOn) else self._next_invocation()

    def usage(self) -> Used:
        """How much memory the device uses."""
        return self.ask(Usage())

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
            requests.Read(self._invocation, tensor, at, min(size, n_bytes - at))
            for at in range(0, n_bytes, size)
        )
        answers: Iterator[bytes] = self.ask_all(pieces)
        return b"".join(answers)

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
