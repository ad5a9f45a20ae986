"""A network's outputs are any elements: moved, or written before the last step."""

import numpy as np
import pytest

from certified import certified
from coverify.check import Rejected, check
from coverify.check.certificate import network
from coverify.check.networks.softmax import Softmax
from coverify.check.steps import Highest
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.problem import Problem
from coverify.verify.property.copies import raising
from coverify.verify.property.formula import relation
from coverify.verify.property.question import Question
from coverify.verify.query import Robustness, Verdict
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, lower
from tflm_int8.program.concrete import run

X0 = np.array([7, -30, 12])


def logits(seed: int, n: int = 4) -> tuple[Builder, int]:
    rng, b = np.random.default_rng([seed, 31]), Builder()
    x = b.input((1, 3), 0.05, 0)
    for k in (5, n):
        w, bias = rng.integers(-127, 128, (k, b.tensors[x].shape[1])), rng.integers(-3000, 3000, k)
        x = b.fully_connected(x, w, bias, 0.01, 0.1, int(rng.integers(-9, 9)), int(k == 5))
    return b, x


def turned(b: Builder, x: int) -> int:
    """Of four outputs: 0, 2, 1, 3."""
    square = b.reshape(x, (2, 2))
    return b.op("TRANSPOSE", [square, b.integers([1, 0])], b.like(square, (2, 2)))


def test_proofs_about_outputs_that_are_moved_are_accepted(tmp_path):
    steps = 0
    for seed in range(30):
        b, x = logits(seed)
        content, codes = b.finish(turned(b, x)), np.random.default_rng(seed).integers(-128, 128, (9, 3))
        net, tflm = network(content, "tflm"), Tflm(content)
        expected = [tflm.run(row[None].astype(np.int8)).reshape(-1) for row in codes]
        np.testing.assert_array_equal(net.boxes(codes[None])[0][:, net.outputs], expected)
        for engine, eps in (("interval", 2), ("bab", 2), ("bab", 8)):
            if certified(content, X0, engine, eps, tmp_path / "c.zip"):
                steps += "0 steps" not in check(tmp_path / "c.zip").evidence
    assert steps > 5


def test_outputs_of_two_runs_that_are_moved(tmp_path):
    accepted = 0
    for seed in range(20):
        b, x = logits(seed)
        content = b.finish(turned(b, x))
        plain = lower(Model.from_bytes(content))
        both, x0 = raising(plain, 1), np.append(X0, X0[1] + 5)
        y = run(both, x0[None])[both.output][0]
        low, high = (1, 5) if y[1] <= y[5] else (5, 1)
        query = Robustness(x0.astype(np.int16), 0, 0, x0 - 2, x0 + 2)
        question = Question(plain, query, relation({low: 1, high: -1}, 3), raised=1)
        outcome = solve("bab", Problem(question.plain().program, query), Deadline.in_s(2))
        if outcome.verdict is Verdict.HOLDS:
            claim = question.relation()
            Certificate(content, "tflm", query, outcome.argument, "bab", claim, 1).write(tmp_path / "c.zip")
            accepted += check(tmp_path / "c.zip").raised == 1
    assert accepted > 5


@pytest.mark.parametrize("outputs", ["moved", "of another step"])
def test_bounds_cross_no_softmax_that_is_not_the_output_as_it_is(outputs, tmp_path):
    """They would be about its inputs, in their order."""
    b, x = logits(3)
    plain, soft = b.finish(x), b.softmax(x)
    content = b.finish(turned(b, soft) if outputs == "moved" else x)
    assert isinstance(network(content, "tflm").steps[-1], Softmax)
    program = lower(Model.from_bytes(plain))
    query = Robustness.around(X0, int(run(program, X0[None])[program.output].argmax()), 1)
    outcome = solve("interval", Problem(program, query), Deadline.in_s(5))
    assert outcome.verdict is Verdict.HOLDS
    Certificate(content, "tflm", query, outcome.argument, "interval").write(tmp_path / "c.zip")
    with pytest.raises(Rejected, match="a softmax's outputs"):
        check(tmp_path / "c.zip")
    assert certified(content, X0, "enumerate", 1, tmp_path / "c.zip")


def test_a_softmax_of_moved_elements_that_is_the_output_is_crossed(tmp_path):
    accepted = 0
    for seed in range(12):
        b, x = logits(seed)
        content = b.finish(b.softmax(b.reshape(turned(b, x), (1, 4))))
        accepted += certified(content, X0, "bab", 3, tmp_path / "c.zip")
    assert accepted > 3


def test_a_network_that_writes_more_behind_its_output_is_numbered_to_its_end():
    b, x = logits(5)
    b.op("REDUCE_MAX", [x, b.integers([1])], b.like(x, (1, 1)), 27, KeepDims=True)
    net = network(b.finish(x), "tflm")
    assert isinstance(net.steps[-1], Highest) and net.outputs[-1] < net.steps[-1].out[0] == net.end - 1
    assert net.repeat(net.outputs)[0] == net.steps[-1].out[0] == net.steps[-2].out[0] + 1


def test_an_output_that_is_a_constant_is_refused():
    """Also where a MAXIMUM has made it a step."""
    b = Builder()
    x, c = b.input((1, 2), 0.05, 0), b.constant(np.array([[3, 4]]), 0.05, 0)
    b.op("MAXIMUM", [x, c], b.like(x, (1, 2)))
    with pytest.raises(Rejected, match="no operator writes"):
        network(b.finish(c), "tflm")


UNREAD = {  # operators that no output reads, of an image [1, 3, 5, channels]
    "MEAN": lambda b, x: b.op("MEAN", [x, b.integers([0])], b.like(x, b.tensors[x].shape), 27, KeepDims=True),
    "MAX_POOL_2D": lambda b, x: b.op("MAX_POOL_2D", [x], b.like(x, b.tensors[x].shape), 5, Padding=0,
                                     StrideW=1, StrideH=1, FilterWidth=2, FilterHeight=3),
    "MUL": lambda b, x: b.op("MUL", [x, x], b.activation(b.tensors[x].shape, 0.2, 0), 21),
}  # fmt: skip


@pytest.mark.parametrize("op", UNREAD)
@pytest.mark.parametrize("weighted", [False, True])
def test_what_no_output_reads_has_its_multipliers_too(op, weighted, tmp_path):
    """The claim is behind all steps; its proof is about those before the outputs, or about none."""
    accepted = 0
    for seed in range(8):
        rng, b = np.random.default_rng([seed, 29]), Builder()
        x = b.input((1, 2, 2, 2), 0.05, 0)
        if weighted:
            filters, bias = rng.integers(-90, 91, (3, 2, 2, 2)), rng.integers(-900, 900, 3)
            x = b.conv(x, filters, bias, 0.02, 0.1, -9, padding=0)
        y = b.op("RESIZE_NEAREST_NEIGHBOR", [x, b.integers([3, 5])], b.like(x, (1, 3, 5, 2 + weighted)), 74)
        UNREAD[op](b, y)
        content, codes = b.finish(y), rng.integers(-128, 128, 8)
        for engine, eps in (("interval", 1), ("dual", 4), ("bab", 4)):
            accepted += certified(content, codes, engine, eps, tmp_path / "c.zip")
    assert accepted > 12
