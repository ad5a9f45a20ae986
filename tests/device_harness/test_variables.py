"""Resource variables on the device: what is refused by name, as by the reference.

Their bytes are held to TFLM's by test_state.py, on random windows over time in sequences of invocations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from coverify.errors import DeviceRefused
from coverify.link.requests import Status
from model_builder import Builder
from tflm_int8 import Model, Reference, TflmError


@dataclass
class Window:
    """The input before last: a variable is read, then the input is assigned to it.

    once: what CALL_ONCE assigns (None: there is none); subgraph: the graph that it runs.
    """

    once: int | None = None
    once_shape: tuple[int, ...] = (1, 3)
    subgraph: int = 1
    once_last: bool = False
    once_adds: bool = False
    assigned: bool = True
    read_shape: tuple[int, ...] = (1, 3)
    read_dtype: str = "int8"
    container: str = ""
    name: str = "v"
    by_handle: bool = True

    def content(self) -> bytes:
        b, init = Builder(), Builder()
        x = b.input((1, 3), 0.5, 7)
        if self.once is not None and not self.once_last:
            b.op("CALL_ONCE", [], [], 103, InitSubgraphIndex=self.subgraph)
        handle = self.handle(b)
        kept = b.activation(self.read_shape, 0.5, 7, self.read_dtype)
        b.op("READ_VARIABLE", [handle if self.by_handle else x], kept, 112)
        if self.assigned:
            b.op("ASSIGN_VARIABLE", [handle, x], [], 113)
        if self.once is not None:
            value = init.constant(np.full(self.once_shape, self.once), 0.5, 7)
            if self.once_adds:
                value = init.add(value, value, 0.5, 7)
            init.op("ASSIGN_VARIABLE", [self.handle(init), value], [], 113)
            b.subgraphs.append(init)
            if self.once_last:
                b.op("CALL_ONCE", [], [], 103, InitSubgraphIndex=self.subgraph)
        return b.finish(b.op("QUANTIZE", [kept], b.activation(self.read_shape, 0.6, 7)))

    def handle(self, b: Builder) -> int:
        """A VAR_HANDLE's output."""
        named = {"SharedName": self.name} | ({"Container": self.container} if self.container else {})
        return b.op("VAR_HANDLE", [], b.tensor((), "resource"), 111, **named)


UNSUPPORTED, BAD = Status.UNSUPPORTED, Status.BAD_MODEL
REFUSED = [
    (Window(assigned=False), UNSUPPORTED, "op 1 READ_VARIABLE: a variable that no operator assigns"),
    (Window(read_shape=(1, 4)), UNSUPPORTED, "op 2 ASSIGN_VARIABLE: tensor 0: has not the type or the size"),
    (Window(read_dtype="int16"), UNSUPPORTED, "op 2 ASSIGN_VARIABLE: tensor 0: has not the type or the size"),
    (Window(by_handle=False), UNSUPPORTED, "op 1 READ_VARIABLE: tensor 0: is no handle of a variable"),
    (Window(container="c"), UNSUPPORTED, "op 0 VAR_HANDLE: a variable in a container"),
    (Window(name="v\0w"), UNSUPPORTED, "op 0 VAR_HANDLE: a variable's name with a zero byte"),
    (
        Window(once=8),
        UNSUPPORTED,
        "op 0 CALL_ONCE: it assigns another value than a variable holds after a reset",
    ),
    (Window(once=7, once_shape=(1, 2)), UNSUPPORTED, "op 0 CALL_ONCE: it assigns another value"),
    (Window(once=7, once_adds=True), UNSUPPORTED, "op 0 CALL_ONCE: its subgraph has an operator"),
    (Window(once=7, subgraph=0), UNSUPPORTED, "op 0 CALL_ONCE: its subgraph has an operator"),
    (Window(once=7, subgraph=2), BAD, "op 0 CALL_ONCE: no such subgraph: 2"),
    (Window(once=7, once_last=True), UNSUPPORTED, "op 3 CALL_ONCE: it runs after an assignment"),
]


@pytest.mark.parametrize(("window", "status", "why"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_what_the_reference_refuses_is_refused_with_its_reason(client, window, status, why):
    client.ensure_model(Window(once=7).content())
    with pytest.raises(TflmError):
        Reference(Model.from_bytes(window.content()))
    with pytest.raises(DeviceRefused) as refused:
        client.ensure_model(window.content())
    assert refused.value.status == status
    assert why in str(refused.value)
