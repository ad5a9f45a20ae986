"""How does one get trustworthy answers out of a line that loses and damages, or know that there are none?

Up to a window of requests is under way; the device answers in order. The oldest is sent again at growing
intervals while nothing comes, and at once when the answer to a younger one shows that it was lost. Stale and
damaged frames are dropped, and everything ends at its deadline, whatever arrives: with the answer, or with
LinkError, DeviceReset, DeviceFault or DeviceRefused.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from coverify.errors import DeviceFault, DeviceRefused, DeviceReset, LinkError, StateLost
from coverify.link import requests
from coverify.link.deadline import Deadline
from coverify.link.frames import Decoder, Frame, encode
from coverify.link.line import Line
from coverify.link.pace import Pace
from coverify.link.requests import Answer, Request, Status
from coverify.link.wirelog import WireLog

#: a device that talks without end is not waited for any longer than this before HELLO
FORGET_S = 0.2
A = TypeVar("A")
Located = Callable[[DeviceFault], DeviceFault]


@dataclass
class _Asked:
    """A request that is under way."""

    request: Request[Any]
    frame: Frame
    wire: bytes
    at_s: float
    sends: int = 0
    answer: Answer | None = None
    #: refused only because the piece or the invocation before it was lost
    early: bool = False
    hurried: bool = False


class Exchange:
    """Requests and answers on one line. `boot` is the nonce that answers must carry; HELLO sets it."""

    def __init__(
        self, line: Line, pace: Pace, wire_log: WireLog | None, located: Located = lambda fault: fault
    ) -> None:
        """All frames go to `wire_log`; `located` adds to a crash where in the firmware it was."""
        self._located = located
        self.boot = 0
        self.dropped = 0
        self.resends = 0
        self._line = line
        self._pace = pace
        self._log = wire_log
        self._decoder = Decoder(on_damage=wire_log.damaged if wire_log else None)
        self._inbox: deque[Frame] = deque()
        # sequence numbers of an earlier session may not be taken for ours
        self._seq = secrets.randbits(16)
        #: how long the last computing request took
        self._lap_s = 0.0

    @property
    def damaged(self) -> int:
        """Blocks of bytes from the device that were no frame."""
        return self._decoder.damaged

    def close(self) -> None:
        """Close the line."""
        self._line.close()

    def forget_the_past(self) -> None:
        """Drop what has arrived: a crash that was reported before a reset must not count after it."""
        self._inbox.clear()
        patience = Deadline.in_s(FORGET_S)
        while not patience.passed and (data := self._line.read(Deadline.in_s(0))):
            self.dropped += len(self._decoder.feed(data))

    def answers(
        self, asked: Iterable[Request[A]], window: int, deadline: Deadline | None = None
    ) -> Iterator[A]:
        """The answers to all requests, in order, up to `window` of them under way at once.

        `deadline` is for all of them; None: each has the time that the pace gives it.
        """
        source = iter(asked)
        under_way: deque[_Asked] = deque()
        while True:
            while len(under_way) < window and (request := next(source, None)) is not None:
                under_way.append(self._ask(request, deadline))
            if not under_way:
                return
            before_s = time.monotonic()
            answer = self._oldest(under_way, deadline)
            done = under_way.popleft()
            if done.request.computes:
                self._lap_s = time.monotonic() - max(before_s, done.at_s)
            if answer.status is not Status.OK:
                raise _refusal(done.request, answer)
            yield done.request.answer(answer.body)

    def _ask(self, request: Request[Any], deadline: Deadline | None) -> _Asked:
        self._seq = (self._seq + 1) & 0xFFFF
        frame = Frame(request.type, self._seq, request.payload())
        one = _Asked(request, frame, encode(frame), time.monotonic())
        self._send(one, deadline or self._patience(request))
        return one

    def _patience(self, request: Request[Any]) -> Deadline:
        return Deadline.in_s(self._pace.compute_s if request.computes else self._pace.answer_s)

    def _send(self, one: _Asked, deadline: Deadline) -> None:
        self.resends += one.sends > 0
        one.sends += 1
        one.early = False
        if self._log:
            self._log.frame("host", one.frame)
        # a frame that is cut short is damaged at the other end, and sent again in time
        self._line.write(one.wire, deadline)

    def _oldest(self, under_way: deque[_Asked], deadline: Deadline | None) -> Answer:
        """The answer to the request that was asked first."""
        oldest = under_way[0]
        deadline = deadline or self._patience(oldest.request)
        if oldest.early:
            self._send(oldest, deadline)
        wait_s = self._pace.resend_s + sum(len(one.wire) for one in under_way) / self._pace.bytes_per_s
        if oldest.request.computes:
            wait_s = max(wait_s, 2 * self._lap_s)
        until = self._until(oldest, deadline, wait_s)
        while oldest.answer is None:
            frame = self._frame(until)
            if frame is not None:
                self._take(frame, under_way, deadline)
            elif deadline.passed:
                raise self._nothing(oldest)
            else:
                wait_s *= self._pace.growth
                self._send(oldest, deadline)
                until = self._until(oldest, deadline, wait_s)
        return oldest.answer

    def _until(self, one: _Asked, deadline: Deadline, wait_s: float) -> Deadline:
        """When `one` is sent again; after the last time it is only waited for."""
        return deadline if one.sends >= self._pace.most_sends else deadline.sooner(wait_s)

    def _nothing(self, one: _Asked) -> LinkError:
        return LinkError(
            f"no answer to {one.request.name} from {self._line.name} (sent {one.sends} times; damaged "
            f"frames: {self.damaged}, stale ones: {self.dropped}); does the firmware run, at this baud rate?"
        )

    def _frame(self, until: Deadline) -> Frame | None:
        while not self._inbox:
            if until.passed:
                return None
            for frame in self._decoder.feed(self._line.read(until)):
                if self._log:
                    self._log.frame("device", frame)
                self._inbox.append(frame)
        return self._inbox.popleft()

    def _take(self, frame: Frame, under_way: deque[_Asked], deadline: Deadline) -> None:
        """Give `frame` to the request that it answers."""
        if frame.type == requests.FAULT:
            raise self._located(requests.parse_fault(frame.payload))
        one = next((one for one in under_way if _answers(frame, one)), None)
        if one is None:
            self.dropped += 1
            return
        answer = self._parsed(one.request, frame)
        oldest = under_way[0]
        if one is not oldest and _is_early(one.request, answer):
            one.early = True
        else:
            one.answer = answer
        if one is not oldest and not oldest.hurried and oldest.sends < self._pace.most_sends:
            oldest.hurried = True
            self._send(oldest, deadline)

    def _parsed(self, request: Request[Any], frame: Frame) -> Answer:
        answer = Answer.parse(request.name, frame.payload)
        if isinstance(request, requests.Hello):
            self.boot = answer.boot
        elif answer.boot != self.boot:
            raise DeviceReset(self.boot, answer.boot)
        return answer


def _is_early(request: Request[Any], answer: Answer) -> bool:
    out_of_order = request.begins_at is not None and answer.status is Status.RANGE
    return out_of_order or answer.status is Status.NOT_NEXT


def _refusal(request: Request[Any], answer: Answer) -> DeviceRefused | LinkError:
    refusal = answer.refusal(request.name)
    if answer.status is Status.NOT_NEXT:
        return StateLost(f"{refusal}; the line mixes up requests")
    at = request.begins_at
    if at is not None and answer.status is Status.RANGE and answer.detail < at:
        return LinkError(f"{refusal}; a piece before it is gone again, the line mixes up requests")
    return refusal


def _answers(frame: Frame, one: _Asked) -> bool:
    return (
        one.answer is None and frame.seq == one.frame.seq and frame.type == one.frame.type | requests.ANSWER
    )
