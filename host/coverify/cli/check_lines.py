"""Which lines of the checker did a check run? What has to be read to trust the certificates at hand.

A check is what its lines did: those that were not run had no part in accepting. A certificate runs a third to
two thirds of them, as networks have few kinds of operators and proofs few kinds of steps.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import coverify.check

FOLDER = Path(coverify.check.__file__).parent
NETWORKS = ("__init__", "integers", "softmax", "tensors", "moves", "operators", "model")
MODULES = (
    *("__init__", "certificate", "proof", "squares", "steps"),
    *(f"networks/{name}" for name in NETWORKS),
)
"""The checker's, in the order in which docs/certificates.md reads them."""
DECORATOR = "reads"
"""Its function that an import calls: it notes which method reads which operator."""
_MODULE_OF = {str(FOLDER / f"{name}.py"): name for name in MODULES}


@dataclass
class Lines:
    """A context in which the lines of the checker that are run are noted, by sys.settrace."""

    hit: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in MODULES})
    _before: Any = None

    def __enter__(self) -> Lines:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        name = _MODULE_OF.get(frame.f_code.co_filename)
        if name is None:
            return None
        lines = self.hit[name]
        lines.add(frame.f_lineno)

        def next_line(inner: FrameType, event: str, arg: object) -> Callable[..., Any]:
            lines.add(inner.f_lineno)
            return next_line

        return next_line

    def listing(self) -> Listing:
        """What was run.  Raises OSError where the checker's source is not there."""
        return Listing([Module.of(name, lines) for name, lines in self.hit.items()])


@dataclass(frozen=True)
class Module:
    """One of the checker's: its text, which lines hold code and which of these were run, numbered from 1."""

    name: str
    text: list[str]
    code: frozenset[int]
    run: frozenset[int]

    @staticmethod
    def of(name: str, hit: set[int]) -> Module:
        """hit: lines that were run after the import.  Raises OSError."""
        source = (FOLDER / f"{name}.py").read_text("utf-8")
        tree, text = ast.parse(source), source.splitlines()
        prose = {line for node in ast.walk(tree) if _is_prose(node) for line in _lines(node)}
        code = {i for i, line in enumerate(text, 1) if i not in prose and line.strip()[:1] not in ("", "#")}
        run = {line for part in _parts(tree.body, 1, True) if part.ran(hit) for line in part.lines}
        return Module(name, text, frozenset(code), frozenset(code & run))

    def told(self) -> Iterator[str]:
        """The lines that were run, with their numbers, and a mark where code between them was not."""
        yield f"== {self.name}.py: {len(self.run)} of {len(self.code)} lines"
        last = 0
        for number in sorted(self.run):
            if not self.code.isdisjoint(range(last + 1, number)):
                yield "      ⋮"
            yield f"{number:5} {self.text[number - 1]}"
            last = number
        yield ""


@dataclass(frozen=True)
class Listing:
    """The lines of code of the checker that were run: no blank ones, comments or docstrings."""

    modules: list[Module]

    @property
    def run(self) -> int:
        return sum(len(module.run) for module in self.modules)

    @property
    def code(self) -> int:
        return sum(len(module.code) for module in self.modules)

    def text(self, subject: str) -> str:
        """What to read, in the order in which to read it."""
        head = [
            f"What the checker ran for {subject}: {self.run} of its {self.code} lines of code,",
            "with those of its import; no blank lines, comments and docstrings. What was not run (⋮) had",
            "no part in the answer. docs/certificates.md holds the mathematics.",
            "",
        ]
        return "\n".join([*head, *(line for module in self.modules for line in module.told())])


def _is_prose(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _lines(node: Any) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


@dataclass(frozen=True)
class _Part:
    """A simple statement, or what stands before the body of another one; imported: is it run by an import?"""

    lines: range
    imported: bool

    def ran(self, hit: set[int]) -> bool:
        return self.imported or not hit.isdisjoint(self.lines)


def _parts(body: list[Any], start: int, imported: bool, called: bool = False) -> Iterator[_Part]:
    """Those of a body, from line `start` on: an `else:` belongs to the first statement behind it.

    called: is it that of a function that an import calls?
    """
    for node in body:
        first = min([start, node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        end = (node.end_lineno or node.lineno) + 1
        fields = (getattr(node, name, []) for name in ("body", "handlers", "orelse", "finalbody"))
        if inner := [part for part in fields if part]:
            within = called or getattr(node, "name", "") == DECORATOR
            below = imported and (within or not isinstance(node, ast.FunctionDef))
            head = max(node.lineno + 1, inner[0][0].lineno)
            yield _Part(range(first, head), below)
            for part in inner:
                yield from _parts(part, head, below, within)
                head = (part[-1].end_lineno or part[-1].lineno) + 1
        else:
            yield _Part(range(first, end), imported)
        start = end
