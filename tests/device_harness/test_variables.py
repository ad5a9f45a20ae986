"""Resource variables on the device: what is refused by name, as by the reference.

Their bytes are held to TFLM's by test_state.py, on random windows over time in sequences of invocations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from coverify.conformance.oracles import Oracle, OracleError
from coverify.errors import DeviceRefused
from coverify.link.requests import Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, TflmError, UnsupportedModel


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
    name: str | None = "v"
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
        named = {} if self.name is None else {"SharedName": self.name}
        named |= {"Container": self.container} if self.container else {}
        return b.op("VAR_HANDLE", [], b.tensor((), "resource"), 111, **named)


UNSUPPORTED, BAD = Status.UNSUPPORTED, Status.BAD_MODEL
REFUSED = [
    (Window(assigned=False), UNSUPPORTED, "op 1 READ_VARIABLE: a variable that no operator assigns"),
    (Window(read_shape=(1, 4)), UNSUPPORTED, "op 2 ASSIGN_VARIABLE: tensor 0: has not the type or the size"),
    (Window(read_dtype="int16"), UNSUPPORTED, "op 2 ASSIGN_VARIABLE: tensor 0: has not the type or the size"),
    (Window(by_handle=False), UNSUPPORTED, "op 1 READ_VARIABLE: tensor 0: is no handle of a variable"),
    (Window(container="c"), UNSUPPORTED, "op 0 VAR_HANDLE: a variable in a container"),
    (Window(name=None), UNSUPPORTED, "op 0 VAR_HANDLE: a variable without a name"),
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


@pytest.mark.parametrize("options", [[{}, {}], [{"SharedName": "v"}, {"SharedName": "v", "Container": ""}]])
def test_where_tflm_follows_a_null_pointer_the_model_is_refused(client, options):
    """Two handles without a name; an empty container after none: strcmp of what is not there."""
    b = Builder()
    x = b.input((1, 3), 0.5, 7)
    handles = [b.op("VAR_HANDLE", [], b.tensor((), "resource"), 111, **given) for given in options]
    kept = b.op("READ_VARIABLE", [handles[0]], b.activation((1, 3), 0.5, 7), 112)
    b.op("ASSIGN_VARIABLE", [handles[1], x], [], 113)
    model = Model.from_bytes(b.finish(b.op("QUANTIZE", [kept], b.activation((1, 3), 0.6, 7))))
    with pytest.raises(OracleError, match="died"):
        Oracle("tflm", model)
    with pytest.raises(TflmError, match=r"no name|an earlier handle has none"):
        Reference(model)
    with pytest.raises(DeviceRefused, match=r"VAR_HANDLE: (a variable without a name|an empty container)"):
        client.ensure_model(model.content)


@pytest.mark.parametrize("first", [True, False])
def test_a_handle_as_output_of_the_network_has_no_value_and_is_refused(first):
    b = Builder()
    x = b.input((1, 2), 0.5, 0)
    handle = named(b, "v")
    y = b.op("RESHAPE", [x, b.integers([2])], b.like(x, (2,)))
    model = Model.from_bytes(b.finish(*([handle, y] if first else [y, handle])))
    with pytest.raises(UnsupportedModel, match=f"its output {0 if first else 1} is the handle of a variable"):
        Reference(model)


def named(graph: Builder, name: str, handle: int | None = None) -> int:
    """A VAR_HANDLE that writes `handle`, or a tensor of its own."""
    output = graph.tensor((), "resource") if handle is None else handle
    return graph.op("VAR_HANDLE", [], output, 111, SharedName=name)


def contained(graph: Builder) -> int:
    return graph.op("VAR_HANDLE", [], graph.tensor((), "resource"), 111, SharedName="v", Container="c")


def given(graph: Builder) -> int:
    graph.inputs.append(graph.tensor((), "resource"))
    return graph.inputs[-1]


NO_HANDLE, TWO = (
    "its subgraph assigns by what is no handle",
    "its subgraph has a handle that is none, or of two",
)
HANDLES: list[tuple[Callable[[Builder], int], str, bool]] = [
    (lambda g: g.tensor((), "int32", data=np.array(0, np.int32)), NO_HANDLE, True),
    (lambda g: named(g, "v\0w"), "a variable's name with a zero byte", True),
    (lambda g: named(g, "v", named(g, "u")), TWO, True),
    (lambda g: named(g, "v", g.variable((), 1.0, 0, "int32")), TWO, False),
    (contained, "a variable in a container", False),
    (given, NO_HANDLE, False),
    (lambda g: -1, NO_HANDLE, False),
]


@pytest.mark.parametrize(("handle", "why", "tflm_runs"), HANDLES)
def test_a_handle_of_call_once_that_may_be_of_another_variable_is_refused(client, handle, why, tflm_runs):
    """The number of a variable, half a name, the last of two: TFLM assigns 50, not the 7 of the start."""
    b, init = Builder(), Builder()
    x = b.input((1, 3), 0.5, 7)
    b.op("CALL_ONCE", [], [], 103, InitSubgraphIndex=1)
    variable = named(b, "v")
    kept = b.op("READ_VARIABLE", [variable], b.activation((1, 3), 0.5, 7), 112)
    b.op("ASSIGN_VARIABLE", [variable, x], [], 113)
    value = init.constant(np.full((1, 3), 50), 0.5, 7)
    init.op("ASSIGN_VARIABLE", [handle(init), value], [], 113)
    b.subgraphs.append(init)
    content = b.finish(b.op("QUANTIZE", [kept], b.activation((1, 3), 0.5, 7)))
    with pytest.raises(TflmError):
        Reference(Model.from_bytes(content))
    with pytest.raises(DeviceRefused, match=f"op 0 CALL_ONCE: {why}") as refused:
        client.ensure_model(content)
    assert refused.value.status == UNSUPPORTED
    if tflm_runs:
        assert Tflm(content).run(np.zeros((1, 3), np.int8)).tolist() == [[50, 50, 50]]


def test_a_negative_zero_is_another_value_than_zero_bytes(client):
    """Of a float variable: TFLM reads -0.0 after the start and 0.0 after a reset."""
    b, init = Builder(), Builder()
    x = b.input((1, 3), 0.5, 7)
    b.op("CALL_ONCE", [], [], 103, InitSubgraphIndex=1)
    variable = named(b, "v")
    kept = b.op("READ_VARIABLE", [variable], b.tensor((1, 3), "float32"), 112)
    new = b.op("DEQUANTIZE", [x], b.tensor((1, 3), "float32"))
    b.op("ASSIGN_VARIABLE", [variable, new], [], 113)
    value = init.tensor((1, 3), "float32", data=np.full((1, 3), -0.0, np.float32))
    init.op("ASSIGN_VARIABLE", [named(init, "v"), value], [], 113)
    b.subgraphs.append(init)
    content = b.finish(kept)
    with pytest.raises(TflmError, match="it assigns another value"):
        Reference(Model.from_bytes(content))
    with pytest.raises(DeviceRefused, match="op 0 CALL_ONCE: it assigns another value"):
        client.ensure_model(content)
    tflm, one = Tflm(content), np.zeros((1, 3), np.int8)
    assert np.signbit(tflm.run(one)).all()
    tflm.reset()
    assert not np.signbit(tflm.run(one)).any()
