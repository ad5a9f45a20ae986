"""Where are the stairs of a requantization? The edges, for engines that look at each one.

A rule of more stairs than that (int16 and wider) is a `CannotDecide`: such an engine has no answer there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import MAX_STAIRS, Rule, thresholds


def edges_of(rule: Rule) -> I64Array:
    """`thresholds` of the rule, int64 [channels, hi − lo].  Raises CannotDecide beyond MAX_STAIRS."""
    if rule.hi - rule.lo > MAX_STAIRS:
        raise CannotDecide(f"a staircase of {rule.hi - rule.lo} stairs is not taken apart")
    return thresholds(rule)


@dataclass(eq=False)
class Edges:
    """The edges of a program's rules, each found once."""

    _known: dict[int, I64Array] = field(default_factory=dict)

    def of(self, rule: Rule) -> I64Array:
        """As `edges_of`; the rule must outlive this."""
        if id(rule) not in self._known:
            self._known[id(rule)] = edges_of(rule)
        return self._known[id(rule)]
