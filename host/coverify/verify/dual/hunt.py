"""Is a counterexample near the inputs at which bounds are greatest?  The attack, in turns with a proof.

Parts that stay open leave an input each. Whenever the attack has had less than its share of the time, it
starts from the last of these (the queue pops the loosest parts first) and runs one more round; what it learns
stays with it.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from coverify.verify.attack.runner import Found
from coverify.verify.attack.search import ROUNDS, Attack
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.concrete import OutsideDomain

SHARE = 0.15
"""Of the processor's time since the proof began."""
FIRST_S = 0.05
"""What the first turn is taken to cost."""
STARTS = 6


@dataclass(eq=False)
class Hunt:
    """One query's attack; `seed` as for attack/search.py."""

    problem: Problem
    deadline: Deadline
    seed: int
    _began: float = field(default_factory=time.process_time, init=False)
    _spent: float = field(default=0.0, init=False)
    _turns: int = field(default=0, init=False)
    _starts: deque[I64Array] = field(default_factory=lambda: deque(maxlen=STARTS), init=False)
    _attack: Attack | None = field(default=None, init=False)

    def note(self, x: F64Array) -> None:
        """An input of an open part: [n]."""
        self._starts.append(x.astype(np.int64))

    def turn(self) -> I64Array | None:
        """A counterexample, int64 [n], or None; at once where it is not yet time.  Raises OutOfTime."""
        start = time.process_time()
        cost = self._spent / self._turns if self._turns else FIRST_S
        if self._turns >= ROUNDS or self._spent + cost > SHARE * (start - self._began):
            return None
        try:
            self._round()
        except Found as found:
            return found.x
        except (CannotDecide, OutsideDomain):
            self._turns = ROUNDS  # not a program that it moves on
        self._turns += 1
        self._spent += time.process_time() - start
        return None

    def _round(self) -> None:
        if self._attack is None:
            if self.problem.query.changes is not None:
                raise CannotDecide("the attack moves every feature")
            self._attack = Attack.of(self.problem, self.deadline, self.seed)
        self._attack.begin(list(reversed(self._starts)))
        self._attack.round(self._turns)
