"""The product of two profiles, and its bounds, on random models of every operator that has a program."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.equivalence.product import joined, joined_on
from coverify.verify.errors import CannotDecide
from one_op import CASES_OF
from tflm_int8 import Model, Reference, TflmError
from tflm_int8.program.concrete import OutsideDomain, run
from tflm_int8.program.lowering import lower_reference

PROFILES = ("tflm-single-rounding", "tflm-2026-08", "litert-ref")


@pytest.mark.parametrize("profile", PROFILES)
def test_both_outputs_are_there_and_no_difference_leaves_its_bounds(profile):
    seen = Counter()
    for op, cases in sorted(CASES_OF.items()):
        for seed in range(3):
            case = cases[seed % len(cases)]
            model = Model.from_bytes(case.model(seed))
            try:
                references = [Reference(model, name) for name in ("tflm", profile)]
                first, second = (lower_reference(r) for r in references)
            except TflmError:
                continue
            n = first.n_input
            x = case.inputs(references[0], seed, 12).reshape(-1, n).astype(np.int64)
            try:
                outputs = [run(p, x)[p.output] for p in (first, second)]
                lo, hi = x.min(axis=0), x.max(axis=0)
                joints = [joined(first, second, Deadline.never())]
                joints.append(joined_on(first, second, lo, hi, Deadline.never()))
            except (CannotDecide, OutsideDomain):
                continue
            for joint in joints:
                wires = run(joint.program, x)
                assert np.array_equal(wires[joint.first], outputs[0]), (op, seed)
                assert np.array_equal(wires[joint.second], outputs[1]), (op, seed)
                for (a, b), box in joint.drifts.items():
                    difference = wires[b] - wires[a]
                    assert np.all((box.lo <= difference) & (difference <= box.hi)), (op, seed)
            seen["one" if joints[0].is_one else "one by bounds" if joints[1].is_one else "two"] += 1
    assert seen["one"] + seen["two"] >= 80 and seen["two"] >= 3, seen
