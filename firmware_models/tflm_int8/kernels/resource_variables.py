"""VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE and CALL_ONCE: what streaming networks keep between invocations.

A variable has a name; a read or an assignment refers to it by a handle. It starts with the zero point of the
first tensor assigned to it in every byte (zeros when that is not quantized), to which a reset brings it back.
CALL_ONCE may assign just this value, as converters let it: it does nothing then. TFLM does not run it again
after a reset, so that any other value would make a reset differ from a start; that is refused.
Source: TFLM micro/kernels/var_handle.cc, read_variable.cc, assign_variable.cc, call_once.cc,
micro_resource_variable.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tflm_int8.kernels.memory import Memory, Remembering
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.model import Model, Operator, Tensor
from tflm_int8.node import Node

Array = NDArray[Any]

_CALL_ONCE_OPTIONS = 103
_VAR_HANDLE_OPTIONS = 111
_CONTAINER, _NAME = 0, 1
"""Slots of a VAR_HANDLE's options."""


@dataclass(frozen=True)
class Inert:
    """A VAR_HANDLE, whose output only names a variable, or a CALL_ONCE."""

    node: Node

    def run(self, inputs: list[Array]) -> list[Array]:
        """Zeros for the handle, [1, …]; nothing for a CALL_ONCE."""
        return [np.zeros((1, *self.node.model.tensors[o].shape), np.int32) for o in self.node.op.outputs]


@dataclass(frozen=True)
class Variable(Remembering):
    """A READ_VARIABLE or ASSIGN_VARIABLE; key: the variable's first handle; start: its value at the start."""

    shared: ClassVar[bool] = True

    key: int
    start: Array

    def variables(self) -> tuple[Tensor, ...]:
        """No tensors."""
        return ()

    def initial(self) -> Memory:
        """The variable."""
        return {self.key: self.start}

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """Read: → [N, output shape]. Assign: the handle and [N, shape] → nothing."""
        if self.node.op.name == "ASSIGN_VARIABLE":
            memory[self.key] = inputs[1]
            return []
        value = memory[self.key]
        return [value.reshape(len(value), *self.node.output.shape)]


def prepare_handle(node: Node) -> Inert:
    """Check a VAR_HANDLE."""
    why = _no_handle(node)
    if why:
        node.refuse(why)
    return Inert(node)


def _no_handle(node: Node) -> str:
    """Why a VAR_HANDLE is refused; "": it is not."""
    node.arity(range(1))
    if node.output.dtype != "resource" or node.output.size != 1:
        return f"the handle is {node.output.dtype} {list(node.output.shape)}"
    if node.option_list(_VAR_HANDLE_OPTIONS, _CONTAINER, "<u1"):
        return "its variable is in a container"
    if not _has(node.op, _NAME):  # TFLM would compare with what is behind a null pointer
        return "its variable has no name"
    if b"\0" in node.model.variables.get(node.output.index, b""):  # where TFLM's name ends
        return "its variable's name has a zero byte"
    earlier = [op for op in _before(node) if op.name == "VAR_HANDLE"]
    if _has(node.op, _CONTAINER) and not all(_has(op, _CONTAINER) for op in earlier):
        return "its container is empty, and an earlier handle has none"  # a null pointer likewise
    return ""


def _before(node: Node) -> list[Operator]:
    """The operators before this one."""
    return [op for op in node.model.operators if op.index < node.op.index]


def _has(op: Operator, slot: int) -> bool:
    """Whether a VAR_HANDLE has the option."""
    return op.options is not None and op.options.has(slot)


def prepare_read(node: Node) -> Variable:
    """Check a READ_VARIABLE."""
    node.arity(range(1, 2))
    return _variable(node, node.output)


def prepare_assign(node: Node) -> Variable:
    """Check an ASSIGN_VARIABLE."""
    node.arity(range(2, 3), outputs=0)
    return _variable(node, node.input(1))


def called_graph(node: Node) -> int:
    """The number of the graph that a CALL_ONCE runs."""
    return node.option(_CALL_ONCE_OPTIONS, 0, "<i")


def prepare_call_once(node: Node) -> Inert:
    """Check a CALL_ONCE: its subgraph assigns what the variables hold at the start; nothing precedes it."""
    node.arity(range(1), outputs=0)
    if any(op.name in ("ASSIGN_VARIABLE", "CALL_ONCE") for op in _before(node)):
        node.refuse("it runs after an assignment, or after another one")
    graph = node.model.subgraph(called_graph(node))
    if sum(graph.tensors[i].size for op in graph.operators for i in op.inputs if i >= 0) > 8 * MAX_ELEMENTS:
        node.refuse("its subgraph assigns too much")
    for op in graph.operators:
        if op.name != "VAR_HANDLE":
            _check_assignment(node, graph, op)
        elif why := _no_handle(Node(graph, op, node.variant)):
            node.refuse(f"of its subgraph's handle {op.outputs[0]}: {why}")
    return Inert(node)


def _check_assignment(node: Node, graph: Model, op: Operator) -> None:
    """Refuse an operator of CALL_ONCE's graph unless it assigns a variable what it holds anyway."""
    value = graph.tensors[op.inputs[1]] if op.name == "ASSIGN_VARIABLE" and len(op.inputs) == 2 else None
    if value is None or value.data is None:
        node.refuse(f"its subgraph has an operator {op.name} that assigns no constant")
    if op.inputs[0] not in graph.variables:
        node.refuse(f"its subgraph assigns by tensor {op.inputs[0]}, which is no handle of a variable")
    assigned = node.model.assigned.get(graph.variables[op.inputs[0]])
    if assigned is None:
        return
    start = np.full(value.size, _zero(node, assigned), value.data.dtype)  # its bytes: -0.0 is not 0.0
    same = value.dtype == assigned.dtype and value.size == assigned.size
    if not same or value.data.tobytes() != start.tobytes():
        node.refuse("it assigns another value than a variable holds after a reset")


def _variable(node: Node, value: Tensor) -> Variable:
    name = node.model.variables.get(node.op.inputs[0])
    assigned = None if name is None else node.model.assigned.get(name)
    if name is None or assigned is None:
        node.refuse("its variable has no name, or no operator that assigns it")
    if value.dtype != assigned.dtype or value.size != assigned.size or not 0 < value.size <= MAX_ELEMENTS:
        node.refuse(f"the variable is {assigned.dtype} {list(assigned.shape)}, not {list(value.shape)}")
    key = next(handle for handle, other in node.model.variables.items() if other == name)
    return Variable(node, key, np.full(assigned.shape, _zero(node, assigned), assigned.dtype))


def _zero(node: Node, assigned: Tensor) -> int:
    """What a variable holds at the start in every element, given the tensor that is assigned to it first."""
    zero = 0 if assigned.quantization is None else assigned.quantization.zero_point
    known = assigned.dtype not in ("resource", "int4")
    if not known or (zero and assigned.dtype != "int8") or not -128 <= zero <= 127:
        node.refuse(f"the variable is {assigned.dtype} with the zero point {zero}")
    return zero
