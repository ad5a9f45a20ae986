"""What does a VNN-LIB file say? Its text as expressions; read as untrusted data, bounded in size and depth.

The subset: `declare-const` (or `declare-fun` without arguments) of X_i and Y_j as Real; `assert` of <=, >=,
<, >, = of linear expressions (+, -, * by numbers) joined by `and`, `or`, `not`. Numbers are decimals, exact.
Anything else is a BadProperty that names its line. Source: the VNN-LIB standard, https://www.vnnlib.org.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from coverify.verify.property.errors import BadProperty
from coverify.verify.property.file import text_of

MAX_BYTES = 16 << 20
MAX_DEPTH = 40
MAX_NUMBER = 40
"""Most digits of a number, and most of its exponent."""

_TOKEN = re.compile(r';[^\r\n]*|"[^"]*"|\|[^|]*\||[()]|[^\s();|"]+')
"""A comment, a string or quoted symbol (over lines, perhaps), a parenthesis, or a word."""
_LINE_END = re.compile(r"\r\n?|\n")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_NAME = re.compile(r"([XY])_(0|[1-9][0-9]{0,6})")
_IGNORED = ("set-logic", "set-info", "set-option", "get-model")
_ENDS = ("check-sat", "exit")
"""What a solver answers says nothing of what is asserted after these."""
_COMPARED = ("<=", ">=", "<", ">", "=")

Variable = tuple[str, int]
"""("X", i) or ("Y", j)."""


@dataclass(frozen=True)
class Group:
    """A parenthesised list, and the line where it opens."""

    line: int
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Word:
    """A symbol or number, and its line."""

    line: int
    text: str


Node = Group | Word


@dataclass(frozen=True)
class Atom:
    """Σ coefficient · variable <= bound, or < where strict."""

    line: int
    terms: tuple[tuple[Variable, Fraction], ...]
    bound: Fraction
    strict: bool


@dataclass(frozen=True)
class Join:
    """All (`every`), or some, of the parts."""

    every: bool
    parts: tuple[Said, ...]


Said = Atom | Join


@dataclass(frozen=True)
class Specification:
    """n_x, n_y: how many variables of each kind are declared; asserted: what a counterexample satisfies."""

    n_x: int
    n_y: int
    asserted: tuple[Said, ...]


def read_specification(path: Path) -> Specification:
    """The content of a file that may be anything.  Raises BadProperty."""
    return _Reader(path).read(text_of(path, MAX_BYTES))


@dataclass(frozen=True)
class _Reader:
    path: Path

    def error(self, line: int | None, why: str) -> BadProperty:
        return BadProperty(self.path, line, why)

    def read(self, text: str) -> Specification:
        declared: dict[str, set[int]] = {"X": set(), "Y": set()}
        asserted, ended = [], ""
        for group in self._groups(text):
            head = group.parts[0] if group.parts else None
            command = head.text if isinstance(head, Word) else ""
            if command in _ENDS:
                ended = command
            elif ended and command == "assert":
                raise self.error(group.line, f"an assertion after {ended} is not part of the question")
            elif command in ("declare-const", "declare-fun"):
                kind, number = self._declared(group)
                if number in declared[kind]:
                    raise self.error(group.line, f"{kind}_{number} is declared twice")
                declared[kind].add(number)
            elif command == "assert" and len(group.parts) == 2:
                asserted.append(self._said(group.parts[1], True, declared))
            elif command == "vnnlib-version":
                raise self.error(group.line, "VNN-LIB 2 is not read; version 1 declares X_0, … and Y_0, …")
            elif command not in _IGNORED:
                raise self.error(group.line, f"{command[:40] or '()'} is not a command that is read here")
        if not any(declared.values()):
            raise self.error(None, "it declares no variables X_0, …, Y_0, …: is it empty, or of VNN-LIB 2?")
        for kind, numbers in declared.items():
            if not numbers or numbers != set(range(len(numbers))):
                raise self.error(None, f"the variables {kind}_0, {kind}_1, … are not declared without a gap")
        if not asserted:
            raise self.error(None, "it asserts nothing")
        if not ended and not any(map(_is_of_outputs, asserted)):
            raise self.error(None, "it ends, without check-sat, before it asserts anything of the outputs")
        return Specification(len(declared["X"]), len(declared["Y"]), tuple(asserted))

    def _groups(self, text: str) -> Iterator[Group]:
        """The top-level lists."""
        open_: list[tuple[int, list[Node]]] = []
        for line, token in self._tokens(text):
            if token == "(":
                if len(open_) >= MAX_DEPTH:
                    raise self.error(line, f"nested deeper than {MAX_DEPTH}")
                open_.append((line, []))
            elif not open_:
                raise self.error(line, f"{token[:40]} outside of a command")
            elif token == ")":
                start, parts = open_.pop()
                group = Group(start, tuple(parts))
                if open_:
                    open_[-1][1].append(group)
                else:
                    yield group
            else:
                open_[-1][1].append(Word(line, token))
        if open_:
            raise self.error(open_[-1][0], "a parenthesis is not closed")

    def _tokens(self, text: str) -> Iterator[tuple[int, str]]:
        line, at = 1, 0
        for match in _TOKEN.finditer(text):
            line = self._beyond(text[at : match.start()], line)
            token, at = match[0], match.end()
            if not token.startswith(";"):
                yield line, token
            if token[0] in '|"':
                line += len(_LINE_END.findall(token))
        self._beyond(text[at:], line)

    def _beyond(self, gap: str, line: int) -> int:
        """The line where a gap between tokens ends, which is blank."""
        if left := gap.strip():
            line += len(_LINE_END.findall(gap[: gap.index(left[0])]))
            raise self.error(line, f"{left[:40]!r} is not read here")
        return line + len(_LINE_END.findall(gap))

    def _declared(self, group: Group) -> Variable:
        words = [part.text for part in group.parts if isinstance(part, Word)]
        empty = [part for part in group.parts if part == Group(part.line, ())]
        short = words[0] == "declare-const" and len(group.parts) == 3
        long = words[0] == "declare-fun" and len(group.parts) == 4 and len(empty) == 1
        if not (short or long) or len(words) != 3 or words[2] != "Real":
            raise self.error(group.line, "only constants of the sort Real are declared here")
        return self._variable(Word(group.line, words[1]))

    def _variable(self, word: Word) -> Variable:
        match = _NAME.fullmatch(word.text)
        if match is None:
            raise self.error(
                word.line, f"{word.text[:40]} is not a variable: X_0, X_1, … and Y_0, Y_1, … are"
            )
        return match[1], int(match[2])

    def _said(self, node: Node, wanted: bool, declared: dict[str, set[int]]) -> Said:
        """A formula, or its negation."""
        operator, parts = self._operator(node)
        if operator in ("and", "or") and parts:
            said = tuple(self._said(part, wanted, declared) for part in parts)
            return Join((operator == "and") is wanted, said)
        if operator == "not" and len(parts) == 1:
            return self._said(parts[0], not wanted, declared)
        if operator not in _COMPARED or len(parts) != 2:
            what = f"{operator[:40]} of {len(parts)} arguments"
            raise self.error(node.line, f"{what} is not read here: <=, >=, <, >, = of two, and, or, not are")
        left, right = (self._linear(part, declared) for part in parts)
        difference = _sum(left, right, -1)
        if operator == "=":
            both = tuple(_atom(node.line, difference, sign, False) for sign in (1, -1))
            return Join(wanted, both if wanted else tuple(_opposite(a) for a in both))
        sign = 1 if operator in ("<=", "<") else -1
        atom = _atom(node.line, difference, sign, operator in ("<", ">"))
        return atom if wanted else _opposite(atom)

    def _operator(self, node: Node) -> tuple[str, tuple[Node, ...]]:
        if not isinstance(node, Group) or not node.parts or not isinstance(node.parts[0], Word):
            raise self.error(node.line, "an expression (operator argument …) belongs here")
        return node.parts[0].text, node.parts[1:]

    def _linear(self, node: Node, declared: dict[str, set[int]]) -> _Linear:
        if isinstance(node, Word):
            return self._leaf(node, declared)
        operator, parts = self._operator(node)
        values = [self._linear(part, declared) for part in parts]
        if operator == "+" and values:
            total = values[0]
            for value in values[1:]:
                total = _sum(total, value, 1)
            return total
        if operator == "-" and values:
            if len(values) == 1:
                return _scaled(values[0], Fraction(-1))
            total = values[0]
            for value in values[1:]:
                total = _sum(total, value, -1)
            return total
        if operator == "*" and len(values) == 2:
            for factor, value in (values, values[::-1]):
                if not factor[0]:
                    return _scaled(value, factor[1])
            raise self.error(node.line, "a product of variables is not linear")
        raise self.error(
            node.line, f"{operator[:40]} of {len(values)} arguments is not read here: +, -, * are"
        )

    def _leaf(self, word: Word, declared: dict[str, set[int]]) -> _Linear:
        if _NUMBER.fullmatch(word.text):
            number = Decimal(word.text)
            too_long = len(number.as_tuple().digits) > MAX_NUMBER or abs(number.adjusted()) > MAX_NUMBER
            if number and too_long:
                raise self.error(word.line, f"the number {word.text[:40]} has too many digits")
            return {}, Fraction(number)
        variable = self._variable(word)
        if variable[1] not in declared[variable[0]]:
            raise self.error(word.line, f"{word.text} is not declared")
        return {variable: Fraction(1)}, Fraction(0)


_Linear = tuple[dict[Variable, Fraction], Fraction]
"""Coefficients, and a constant."""


def _sum(a: _Linear, b: _Linear, factor: int) -> _Linear:
    terms = dict(a[0])
    for variable, coefficient in b[0].items():
        terms[variable] = terms.get(variable, Fraction(0)) + factor * coefficient
    return {v: c for v, c in terms.items() if c}, a[1] + factor * b[1]


def _scaled(a: _Linear, factor: Fraction) -> _Linear:
    return {v: c * factor for v, c in a[0].items() if c * factor}, a[1] * factor


def _is_of_outputs(said: Said) -> bool:
    """Is an output named?"""
    if isinstance(said, Atom):
        return any(kind == "Y" for (kind, _), _ in said.terms)
    return any(map(_is_of_outputs, said.parts))


def _atom(line: int, difference: _Linear, sign: int, strict: bool) -> Atom:
    """sign · difference <= 0 (or < 0)."""
    terms, constant = _scaled(difference, Fraction(sign))
    return Atom(line, tuple(sorted(terms.items())), -constant, strict)


def _opposite(atom: Atom) -> Atom:
    """What holds where the atom does not."""
    return Atom(atom.line, tuple((v, -c) for v, c in atom.terms), -atom.bound, not atom.strict)
