"""Who asks a solver about one rival after another leaves no time unused while one is open."""

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from coverify.verify.rivals import Answer, search
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Term

TIME_S = 60.0


@pytest.mark.parametrize("needed", [0.6, 2.0])
def test_a_rival_gets_what_another_one_left(needed):
    """The second of two is shown when asked again; the first takes so much of the time, and half is too
    little.
    """
    step = Affine((Term(0, Dense(np.eye(3, dtype=np.int64)), 0),), np.zeros(3, np.int64))
    problem = Problem(Program(3, (step,), 1), Robustness.around(np.zeros(3, np.int8), 0, 50))
    asked = []

    def ask(question):
        asked.append(question.rival)
        if question.rival == 1:
            return Answer.NO if question.deadline.remaining > needed * TIME_S else Answer.OPEN
        return Answer.NO if asked.count(2) == 2 else Answer.OPEN

    outcome = search("z3", ask, problem, Deadline.in_s(TIME_S), 0, parts=False, plain=True)
    if needed < 1:
        assert outcome.verdict is Verdict.HOLDS
        assert asked == [1, 2, 1, 2, 1]
    else:
        assert outcome.verdict is Verdict.UNKNOWN and "1 rival label open" in outcome.note
        assert len(asked) == 5  # once more, and then there is no more to be had
