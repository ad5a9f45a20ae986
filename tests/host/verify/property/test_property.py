"""Every kind of claim and region of a property file, against TFLM's own outputs on every input of it."""

import itertools
import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from pydantic import ValidationError

from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.errors import BadQuery
from coverify.verify.property.document import PropertyDocument
from coverify.verify.property.property import Property
from coverify.verify.property.quantity import Scale
from coverify.verify.property.question import decide
from coverify.verify.property.subject import Subject
from coverify.verify.property.words import claim_words
from coverify.verify.query import Outcome, Verdict
from coverify.verify.worker import Worker
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, lower

X0 = np.array([10, -40, 3])
N_OUT = 4


class Net:
    """A small network with several outputs and what TFLM makes of an input."""

    def __init__(self, seed):
        rng = np.random.default_rng([seed, 8])
        b = Builder()
        x = b.input((1, 3), 0.0625, int(rng.integers(-20, 20)))
        x = self.layer(rng, b, x, 5)
        x = self.layer(rng, b, x, N_OUT)
        self.model = Model.from_bytes(b.finish(x))
        self.tflm = Tflm(self.model.content, 1 << 18)
        ends = self.model.tensors[self.model.inputs[0]], self.model.tensors[self.model.outputs[0]]
        self.input, self.output = (
            Scale(Fraction(float(t.quantization.scale)), t.quantization.zero_point) for t in ends
        )
        self.subject = Subject(lower(self.model), (3,), self.input, self.output)

    @staticmethod
    def layer(rng, b, x, n):
        n_in = b.tensors[x].shape[-1]
        w, bias = rng.integers(-100, 101, (n, n_in)), rng.integers(-800, 801, n)
        out_scale = float(b.tensors[x].scales[0]) * 0.01 * n_in * 40 / 64
        return b.fully_connected(x, w, bias, np.full(1, 0.01), out_scale, int(rng.integers(-9, 9)), 0, 0)

    def outputs(self, x):
        return self.tflm.run(np.asarray(x, np.int8).reshape(1, 3)).reshape(-1).astype(int).tolist()


def box(lo, hi):
    return list(itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True))))


def around(*radius):
    return box(X0 - np.array(radius), X0 + np.array(radius))


def first_max(y):
    return y.index(max(y))


def documents(net, label, y0):
    """(region, claim, the inputs of the region, what must hold of an input's outputs) of every kind."""
    n = len(y0)
    other = (label + 1) % n
    near = box(X0 - 3, X0 + 3)
    real = [net.output.scale * (v - net.output.zero_point) for v in y0]
    yield {"eps": 3}, {"kind": "label"}, near, lambda y: first_max(y) == label
    yield {"eps": 3}, {"kind": "never", "classes": (other,)}, near, lambda y: first_max(y) != other
    top = {"kind": "top", "k": 2}
    yield {"eps": 3}, top, near, lambda y: sorted(range(n), key=lambda j: (-y[j], j)).index(label) < 2
    limits = (y0[0] - 1, y0[0] + 4)
    out = {"kind": "output", "index": 0, "codes": limits}
    yield {"eps": 3}, out, near, lambda y: limits[0] <= y[0] <= limits[1]
    ends = (round(float(real[1]) - 0.3, 3), round(float(real[1]) + 0.2, 3))
    out = {"kind": "output", "index": 1, "real": ends}
    out = {**out, "real": tuple(map(decimal, ends))}
    yield {"eps": 3}, out, near, lambda y: exact(ends[0]) <= value(net, y[1]) <= exact(ends[1])
    relation = {
        "kind": "relation", "outputs": (0, 1), "coefficients": (decimal(0.75), decimal(-1.5)),
        "at_most": decimal(round(0.75 * y0[0] - 1.5 * y0[1] + 1.2, 2)),
    }  # fmt: skip
    limit = exact(round(0.75 * y0[0] - 1.5 * y0[1] + 1.2, 2))
    yield {"eps": 3}, relation, near, lambda y: exact(0.75) * y[0] - exact(1.5) * y[1] <= limit
    bound = exact(round(float(real[0] - real[1]) + 0.1, 2))
    relation = {
        "kind": "relation", "outputs": (0, 1), "coefficients": (1, -1), "units": "real",
        "at_most": decimal(round(float(real[0] - real[1]) + 0.1, 2)),
    }  # fmt: skip
    yield {"eps": 3}, relation, near, lambda y: value(net, y[0]) - value(net, y[1]) <= bound
    joined = {"kind": "any", "claims": ({"kind": "never", "classes": (label,)}, out)}
    yield (
        {"eps": 3},
        joined,
        near,
        lambda y: first_max(y) != label or exact(ends[0]) <= value(net, y[1]) <= exact(ends[1]),
    )
    own = {"kind": "output", "index": 0, "within": 2}
    yield {"eps": 3}, own, near, lambda y: abs(y[0] - y0[0]) <= 2
    own = {"kind": "output", "index": 1, "within_real": decimal(0.3)}
    yield {"eps": 3}, own, near, lambda y: abs(value(net, y[1]) - value(net, y0[1])) <= exact(0.3)
    threshold = round(float(real[2]) + 0.1, 3)
    side = {"kind": "decision", "index": 2, "threshold": decimal(threshold)}
    yield {"eps": 3}, side, near, lambda y: value(net, y[2]) < exact(threshold)
    side = {"kind": "decision", "threshold_code": y0[1]}
    yield {"eps": 3}, side, near, lambda y: [v >= y0[1] for v in y] == [v >= y0[1] for v in y0]
    stays = {"kind": "label"}
    yield {"eps": 6, "mask": (0, 2)}, stays, around(6, 0, 6), keeps(label)
    yield {"radius": (9, 2, 1)}, stays, around(9, 2, 1), keeps(label)
    few = [x for x in box(X0 - 9, X0 + 9) if sum(a != b for a, b in zip(x, X0, strict=True)) <= 1]
    yield {"eps": 9, "changes": 1}, stays, few, keeps(label)
    step = {"eps_real": decimal(0.25)}  # four codes of 1/16
    yield step, stays, box(X0 - 4, X0 + 4), keeps(label)
    step = {"eps_real": decimal(0.25), "rounding": "outward"}  # halves are rounded away from 0: 5 codes apart
    yield step, stays, box(X0 - 5, X0 + 5), keeps(label)
    step = {"eps_real": decimal(0.2), "rounding": "outward"}  # 3.2 codes: values that become codes 4 apart
    yield step, stays, box(X0 - 4, X0 + 4), keeps(label)
    ranges = ({"features": (0,), "codes": (5, 12)}, {"features": (2,), "codes": (0, 127)})
    yield {"eps": 4, "range": ranges}, stays, box([6, -44, 0], [12, -36, 7]), keeps(label)


def keeps(label):
    return lambda y: first_max(y) == label


def decimal(number):
    from decimal import Decimal

    return Decimal(str(number))


def exact(number):
    return Fraction(str(number))


def value(net, code):
    return net.output.scale * (code - net.output.zero_point)


@pytest.mark.parametrize("seed", range(6))
def test_every_kind_of_property_is_decided_as_tflms_outputs_say(seed, tmp_path):
    net = Net(seed)
    y0 = net.outputs(X0)
    label = first_max(y0)
    known = {}
    for region, claim, inputs, wanted in documents(net, label, y0):
        document = PropertyDocument.model_validate({"region": region, "claim": claim})
        asked = Property.from_document(document, net.subject, tmp_path)
        (question,) = asked.questions(X0, label)
        assert question.region.n_points == len(inputs)
        broken = set()
        for x in inputs:
            if x not in known:
                known[x] = net.outputs(x)
            if not wanted(known[x]):
                broken.add(x)
        for engine in ("bab", "z3", "enumerate"):
            outcome = solve(engine, question.problem(Deadline.never()), Deadline.in_s(30))
            assert outcome.verdict in (Verdict.VIOLATED if broken else Verdict.HOLDS, Verdict.UNKNOWN), claim
            assert engine == "bab" or outcome.verdict is not Verdict.UNKNOWN, (claim, outcome.note)
            if outcome.witness is not None:
                assert tuple(outcome.witness.tolist()) in broken
                assert question.breaks(outcome.witness.astype(np.int64))


@pytest.mark.parametrize("tolerance", [{}, {"tolerance": 2}, {"tolerance_real": 0.3}], ids=str)
@pytest.mark.parametrize("direction", ["rises", "falls"])
@pytest.mark.parametrize("seed", range(5))
def test_monotonicity_is_decided_as_tflms_outputs_say(seed, direction, tolerance, tmp_path):
    net = Net(seed)
    by = tolerance.get("tolerance", 0)
    if "tolerance_real" in tolerance:
        by = int(Fraction("0.3") / net.output.scale)
        tolerance = {"tolerance_real": decimal(0.3)}
    claim = {"kind": "monotone", "feature": 1, "output": 0, "direction": direction, **tolerance}
    ranges = (
        {"features": (0, 2), "codes": (0, 2)},
        {"features": (1,), "codes": (-30, -10)},
    )
    document = PropertyDocument.model_validate({"region": {"range": ranges}, "claim": claim})
    asked = Property.from_document(document, net.subject, tmp_path)
    assert not asked.needs_base
    (question,) = asked.questions(None, 0)
    sign = 1 if direction == "rises" else -1
    rows = [[sign * net.outputs((a, b, c))[0] for b in range(-30, -9)] for a in range(3) for c in range(3)]
    holds = all(low - high <= by for row in rows for low, high in itertools.combinations(row, 2))
    for engine in ("enumerate", "z3", "bab"):
        limit = 3 if engine == "bab" else 30
        outcome = solve(engine, question.problem(Deadline.never()), Deadline.in_s(limit))
        assert outcome.verdict in (Verdict.HOLDS if holds else Verdict.VIOLATED, Verdict.UNKNOWN)
        assert engine == "bab" or outcome.verdict is not Verdict.UNKNOWN, outcome.note
        if outcome.witness is not None:
            low, high = question.inputs(outcome.witness.astype(np.int64))
            assert (low[[0, 2]] == high[[0, 2]]).all() and low[1] < high[1]
            assert sign * net.outputs(low)[0] > sign * net.outputs(high)[0] + by


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (
            {"kind": "output", "index": 0, "codes": (-10, 10)},
            "the bounds leave 2 parts of the property open; 1 part of the",
        ),
        ({"kind": "label"}, "the bounds leave 2 rival labels open; 1 rival label"),
    ],
)
def test_of_a_claim_that_has_no_label_no_rival_labels_are_said_to_be_open(claim, said, tmp_path, monkeypatch):
    net = Net(0)
    document = PropertyDocument.model_validate({"region": {"eps": 9}, "claim": claim})
    problem = Property.from_document(document, net.subject, tmp_path)
    note = "the bounds leave 2 rival labels open; 1 rival label"
    monkeypatch.setattr(Worker, "decide", lambda *asked: Outcome.unknown("interval", note))
    with Worker(net.subject.program) as worker:
        (question,) = (q for q in problem.questions(X0, 0))
        assert decide(worker, question, "interval").note.startswith(said)


def test_what_compares_with_the_input_s_own_outputs_needs_one(tmp_path):
    net = Net(0)
    for claim in ({"kind": "output", "index": 0, "within": 2}, {"kind": "decision", "threshold_code": 0}):
        whole = {"kind": "all", "claims": ({"kind": "label"}, claim)}
        for said in (claim, whole):
            document = PropertyDocument.model_validate({"claim": said})
            asked = Property.from_document(document, net.subject, tmp_path)
            assert asked.needs_base
        with pytest.raises(BadQuery, match="compares outputs with those of a given input"):
            asked.questions(None, 0)


def test_regions_are_told_in_codes_and_features_by_number(tmp_path):
    np.savez(tmp_path / "m.npz", mask=np.array([0, 1, 1]))
    net, stays = Net(0), {"kind": "label"}
    for region, words in (
        ({"eps_real": decimal(0.2)}, "within 0.2 (real: 3 codes)"),
        ({"eps_real": decimal(0.02)}, "within 0.02 (real: 0 codes)"),
        ({"eps_real": decimal(0.02), "rounding": "outward"}, "within 0.02 (real, outward: 1 code)"),
        ({"radius": (9, 0, 1)}, "within each feature's radius (0 to 9 codes)"),
        ({"eps": 2, "mask_file": "m.npz"}, "within 2 codes, the mask's 2 features free"),
        ({"range": ({"features": (2,), "codes": (0, 5)},)}, "feature 2 in 0..5"),
        ({"range": ({"features": (0, 2), "codes": (0, 5)},)}, "features 0, 2 in 0..5"),
    ):
        document = PropertyDocument.model_validate({"region": region, "claim": stays})
        assert Property.from_document(document, net.subject, tmp_path).words.endswith(f", {words}")


@pytest.mark.parametrize("region", [{"eps": 3, "mask": ()}, {"eps_real": Decimal("0.02")}, {"eps": 0}])
def test_an_answer_about_one_input_alone_says_so(region, tmp_path):
    net = Net(0)
    claim = {"kind": "output", "index": 0, "codes": (-128, 127)}
    document = PropertyDocument.model_validate({"region": region, "claim": claim})
    (question,) = Property.from_document(document, net.subject, tmp_path).questions(X0, 0)
    with Worker(net.subject.program) as worker:
        outcome = decide(worker, question, "enumerate", 10)
    assert outcome.verdict is Verdict.HOLDS
    assert outcome.note == "the region holds this input alone"
    point = {"range": ({"codes": (5, 5)},)}
    document = PropertyDocument.model_validate({"region": point, "claim": claim})
    (question,) = Property.from_document(document, net.subject, tmp_path).questions(X0, 0)
    with Worker(net.subject.program) as worker:
        assert decide(worker, question, "enumerate", 10).note == "the region holds one input"


@pytest.mark.parametrize(
    ("rounding", "codes"), [("inward", (3, 6)), ("outward", (2, 7)), ("nearest", (3, 7))]
)
def test_a_real_range_means_the_codes_that_its_rounding_says(rounding, codes):
    """real = (code − 2) / 2: 0.3 lies between codes 2 and 3 (at 2.6), 2.25 between 6 and 7 (at 6.5)."""
    scale = Scale(Fraction(1, 2), 2)
    assert scale.codes(Fraction(3, 10), Fraction(9, 4), rounding) == codes


def refused(region, claim, match, tmp_path):
    net = Net(0)
    document = PropertyDocument.model_validate({"region": region, "claim": claim})
    with pytest.raises(BadQuery, match=match):
        Property.from_document(document, net.subject, tmp_path).questions(X0, 0)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ({"kind": "never", "classes": list(range(21))}, " or 18 or 19 or 1 more"),
        ({"kind": "any", "claims": [{"kind": "top", "k": 1}] * 12}, " or 2 more"),
        ({"kind": "all", "claims": [{"kind": "top", "k": 1}] * 11}, " and 1 more"),
        ({"kind": "any", "claims": [{"kind": "top", "k": 1}] * 10}, "greatest outputs)"),
    ],
)
def test_what_is_not_written_out_is_counted(claim, words):
    """An alternative that is left out would make a weaker claim look like a stronger one."""
    document = json.dumps({"region": {"eps": 1}, "claim": claim})
    said = PropertyDocument.model_validate_json(document).claim
    assert claim_words(said).endswith(words)


def test_what_does_not_fit_the_network_is_refused_by_name(tmp_path):
    label = {"kind": "label"}
    refused({"mask": (3,)}, label, "mask: feature 3 is not a feature", tmp_path)
    nothing = {"range": ({"codes": (0, 5), "features": ()},)}
    refused(nothing, label, "range.features names no feature", tmp_path)
    refused({"radius": (1, 2)}, label, "the radius has 2 elements, the input 3", tmp_path)
    refused(
        {"mask_rectangle": (0, 0, 1, 1)},
        label,
        r"mask_rectangle: \[0, 0, 1, 1\] is not within the input",
        tmp_path,
    )
    refused({}, {"kind": "never", "classes": (77,)}, "classes: output 77 is not an output", tmp_path)
    refused({"mask_file": "none.npz"}, label, "cannot be read|no such file", tmp_path)
    refused(
        {"range": ({"codes": (0, 255)},)},
        label,
        r"range.codes: \[0, 255\] leave those of the input, -128..127",
        tmp_path,
    )
    apart = {"range": ({"codes": (0, 9)}, {"codes": (20, 29)})}
    refused(apart, label, "holds no code", tmp_path)
    refused({}, {"kind": "top", "k": N_OUT}, f"k = {N_OUT}: any label is among", tmp_path)
    refused({}, {"kind": "monotone", "feature": 9, "output": 0}, "feature: feature 9 is not", tmp_path)
    big = {"kind": "relation", "outputs": (0, 1), "coefficients": (10**30, 1), "at_most": 1}
    refused({}, big, "fewer digits", tmp_path)


@pytest.mark.parametrize("claim", [{"kind": "top", "k": 2}, {"kind": "label"}])
@pytest.mark.parametrize("label", [-1, -N_OUT, N_OUT])
def test_a_label_that_is_no_output_is_refused_and_not_counted_from_the_end(claim, label, tmp_path):
    document = PropertyDocument.model_validate({"region": {"eps": 1}, "claim": claim})
    with pytest.raises(BadQuery, match=f"output {label} is not"):
        Property.from_document(document, Net(0).subject, tmp_path).questions(X0, label)


@pytest.mark.parametrize(
    "document",
    [
        {"region": {"eps": 1, "eps_real": 1}, "claim": {"kind": "label"}},
        {"region": {"epsilon": 1}, "claim": {"kind": "label"}},
        {"claim": {"kind": "label", "k": 3}},
        {"claim": {"kind": "nothing"}},
        {"claim": {"kind": "all", "claims": ()}},
        {"claim": {"kind": "relation", "outputs": (0, 1), "coefficients": (1,), "at_most": 0}},
        {"claim": {"kind": "relation", "outputs": (0, 0), "coefficients": (1, 2), "at_most": 0}},
        {"region": {"mask_file": "../x.npz"}, "claim": {"kind": "label"}},
        {"region": {"eps": -1}, "claim": {"kind": "label"}},
        {"region": {"range": ({"codes": (5, -5)},)}, "claim": {"kind": "label"}},
        {"claim": {"kind": "output", "index": 0, "codes": (20, -20)}},
        {"claim": {"kind": "output", "index": 0, "real": (Decimal("0.5"), Decimal("0.25"))}},
    ],
)
def test_a_document_that_is_none_is_refused(document):
    with pytest.raises(ValidationError):
        PropertyDocument.model_validate(document)
