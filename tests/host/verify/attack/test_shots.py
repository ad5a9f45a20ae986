"""Random points find what a fraction of a region breaks; of two runs most are of inputs that are near."""

import numpy as np
import pytest

from coverify.verify.attack.runner import Found
from coverify.verify.attack.search import Attack
from coverify.verify.attack.shots import shoot
from coverify.verify.deadline import Deadline
from coverify.verify.property.copies import raised_feature, raising
from coverify.verify.property.document import PropertyDocument
from coverify.verify.property.property import Property
from coverify.verify.property.quantity import Scale
from coverify.verify.property.subject import Subject
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, lower

SCALE = Scale(1, 0)


def question_of(model, tmp_path):
    """Raising input 1 never lowers the output, of any input."""
    claim = {"kind": "monotone", "feature": 1, "output": 0, "direction": "rises"}
    document = PropertyDocument.model_validate({"region": {}, "claim": claim})
    n_in = model.tensors[model.inputs[0]].shape[-1]
    subject = Subject(lower(model), (n_in,), SCALE, SCALE)
    (question,) = Property.from_document(document, subject, tmp_path).questions(None, 0)
    return question


def shot(problem) -> None:
    shoot(Attack.of(problem, Deadline.never(), 0).runner, np.random.default_rng(0))


def falling_by_rounding(down: int) -> Model:
    """y = 8 a − 7 b, a and b being half of x1, rounded; b also hangs on x0, so that it steps elsewhere."""
    b = Builder()
    x = b.input((1, 2), 1.0, 0)
    w1 = np.array([[0, 64], [down, 64]])
    h = b.fully_connected(x, w1, np.zeros(2, np.int64), np.full(1, 1 / 128), 1.0, 0, 0, 0)
    y = b.fully_connected(h, np.array([[8, -7]]), np.zeros(1, np.int64), np.full(1, 1.0), 1.0, 0, 0, 0)
    return Model.from_bytes(b.finish(y))


def test_a_pair_of_near_inputs_is_found(tmp_path):
    model = falling_by_rounding(40)
    question = question_of(model, tmp_path)
    problem = question.problem(Deadline.never())
    assert raised_feature(problem.program) == 1
    with pytest.raises(Found) as hit:
        shot(problem)
    tflm = Tflm(model.content, 1 << 18)
    low, high = (int(tflm.run(x.astype(np.int8)[None])[0, 0]) for x in question.inputs(hit.value.x))
    assert low > high


def test_what_holds_is_not_broken(tmp_path):
    problem = question_of(falling_by_rounding(0), tmp_path).problem(Deadline.never())
    shot(problem)  # raises Found where an input breaks it


@pytest.mark.parametrize("feature", [0, 1])
def test_the_feature_that_is_raised_is_seen(feature):
    program = lower(falling_by_rounding(0))
    assert raised_feature(raising(program, feature)) == feature
    assert raised_feature(program) is None
