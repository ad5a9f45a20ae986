"""A formula as the text of an SMT-LIB 2 script (QF_BV) that any solver reads.

Variables are declared, what occurs more than once (or would make a line long) is defined once by name, and
every condition is an assertion of its own. The text ends before `(check-sat)`, which `complete` adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from coverify.verify.smt.expressions import Condition, Expression

_LINE = 120
"""An expression whose text is longer gets a name."""


@dataclass(frozen=True)
class Script:
    """variables: name → width, all that the text declares; text: from set-logic to the last assertion."""

    variables: dict[str, int]
    text: str

    @staticmethod
    def of(conditions: Sequence[Condition]) -> Script:
        """The conjunction of the conditions."""
        writer = _Writer([c for c in conditions if c is not True])
        return Script(writer.variables, writer.text())

    def complete(self, comments: Sequence[str], values: Sequence[str]) -> str:
        """The whole file: comments first, at the end check-sat and, where it is sat, the values of names."""
        head = "".join(f"; {line}\n" for line in comments)
        asked = f"; when it is sat:\n; (get-value ({' '.join(values)}))\n" if values else ""
        return f"{head}{self.text}(check-sat)\n{asked}(exit)\n"


@dataclass
class _Writer:
    conditions: list[Condition]
    variables: dict[str, int] = field(default_factory=dict)
    _uses: dict[int, int] = field(default_factory=dict)
    _texts: dict[int, str] = field(default_factory=dict)
    _definitions: list[str] = field(default_factory=list)

    def text(self) -> str:
        roots = [c for c in self.conditions if isinstance(c, Expression)]
        order = self._ordered(roots)
        for node in order:
            self._texts[id(node)] = self._written(node)
        asserted = [f"(assert {self._texts[id(c)]})\n" for c in roots]
        if False in self.conditions:
            asserted.append("(assert false)\n")
        declared = [f"(declare-const {name} (_ BitVec {width}))\n" for name, width in self.variables.items()]
        return "".join(["(set-logic QF_BV)\n", *declared, *self._definitions, *asserted])

    def _ordered(self, roots: list[Expression]) -> list[Expression]:
        """Every node once, after its arguments; counts the uses of each."""
        order: list[Expression] = []
        stack = [(root, False) for root in reversed(roots)]
        for root in roots:
            self._uses[id(root)] = 0
        done: set[int] = set()
        while stack:
            node, expanded = stack.pop()
            if expanded:
                order.append(node)
            elif id(node) not in done:
                done.add(id(node))
                stack.append((node, True))
                for arg in node.args:
                    self._uses[id(arg)] = self._uses.get(id(arg), 0) + 1
                    stack.append((arg, False))
        return order

    def _written(self, node: Expression) -> str:
        if not node.args:
            if not node.operator.startswith("("):
                self.variables[node.operator] = node.width
            return node.operator
        said = f"({node.operator} {' '.join(self._texts[id(arg)] for arg in node.args)})"
        if self._uses[id(node)] < 2 and len(said) <= _LINE:
            return said
        name = f"t{len(self._definitions)}"
        sort = f"(_ BitVec {node.width})" if node.width else "Bool"
        self._definitions.append(f"(define-fun {name} () {sort} {said})\n")
        return name
