"""What changes between widths. Expected: written down by hand."""

import numpy as np

from coverify.study.widths import Carried, Change, Standing, carried, changes

W, R, B, O = Standing.WRONG, Standing.ROBUST, Standing.BROKEN, Standing.OPEN  # noqa: E741


def test_robust_inputs_that_a_neighbouring_width_breaks_or_misclassifies_are_listed_in_both_directions():
    found = changes(
        [{0: R, 1: B, 2: R, 3: W, 4: R}, {0: B, 1: R, 2: O, 3: R, 4: R}, {0: R, 1: R, 2: B, 3: B}]
    )
    assert found == [Change(0, 0, 1), Change(1, 1, 0), Change(3, 1, 0), Change(0, 2, 1), Change(3, 1, 2)]
    assert [change.lost for change in found] == [True, False, False, False, True]


def test_an_undecided_input_is_never_a_change_nor_is_one_that_is_robust_nowhere():
    assert changes([{0: O, 1: W, 2: R, 3: B}, {0: B, 1: O, 2: O, 3: W}]) == []


def test_a_counterexample_is_tried_where_its_base_is_right_and_counted_where_it_works():
    x = {i: np.array([i]) for i in range(3)}
    standings = [{0: B, 1: B, 2: R}, {0: R, 1: W, 2: B}]
    found = carried(
        [{0: x[0], 1: x[1]}, {2: x[2]}], standings, lambda width, index, _: (width, index) == (1, 0)
    )
    assert found == [Carried(0, 1, 1, 0, (0,)), Carried(1, 0, 1, 1, ())]
