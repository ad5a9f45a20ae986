"""For each rule of a proof certificates that bend it by one: accepted of a true claim, not of a false one.

Truth is by arithmetic on networks of one or two inputs, small enough to follow by hand.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import fixed_point_networks
from coverify.check import Rejected, check
from coverify.check.certificate import network as read_network
from coverify.check.proof import Proof
from coverify.check.steps import CELLS, Linear
from model_builder import Builder
from oracle import ROOT, Tflm

spec = importlib.util.spec_from_file_location("certificates", ROOT / "tests" / "fuzz" / "certificates.py")
fuzz = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)

IDENTITY = fixed_point_networks.layers_of([[[1, 0], [0, 1]]], [[0, 0]], [0], [(0, 255)])
HALVES = fixed_point_networks.layers_of([[[1], [0]]], [[0, 20]], [2], [(0, 255)])
"""y = ((x + 2) >> 2, 5)."""
BOTH = fixed_point_networks.layers_of([[[1], [1]]], [[0, 0]], [0], [(0, 255)])
"""y = (x, x): x_0 − x_1 is 0, which boxes do not see."""
TIGHTEN, SPLIT, CLOSE, KNOW = range(4)
Z = 6
"""Where the claim's elements begin in these: 1 is the input, 2 and 3 the sums, 4 and 5 the outputs."""


def accepted(folder: Path, network, lo, hi, label=None, relation=None, some=None, **arrays) -> bool:
    content = network if isinstance(network, bytes) else fixed_point_networks.content(network)
    name, profile = ("model.tflite", "tflm") if isinstance(network, bytes) else ("model.npz", "fixed-point")
    document = {"schema": "coverify-certificate/8", "model": name, "profile": profile, "label": label}
    document |= {"files": {}}
    held = {"box": [lo, hi], "script": np.zeros((0, 4)), "rows": np.zeros((0, 3)),
            "xi": np.zeros((len(arrays.get("rows", ())), 0)),
            "parabolas": np.zeros((0, 3 + len(lo))), **arrays}  # fmt: skip
    held |= {} if relation is None else {"claim": np.column_stack(relation)}
    held |= {} if some is None else {"some": some}
    parts = {f"{key}.npy": fuzz.saved(np.array(values, np.int64)) for key, values in held.items()}
    data = fuzz.packed({"certificate.json": json.dumps(document).encode(), name: content, **parts})
    (folder / "c.zip").write_bytes(data)
    try:
        check(folder / "c.zip")
    except Rejected:
        return False
    return True


def test_boxes_alone_end_at_the_last_input_of_a_label(tmp_path):
    """(17 + 2) >> 2 = 4 is below 5, (18 + 2) >> 2 = 5 ties with it, and the first of them is label 0."""
    for lo, hi, label in ((0, 17, 1), (18, 255, 0)):
        assert accepted(tmp_path, HALVES, [lo], [hi], label)
        assert not accepted(tmp_path, HALVES, [lo], [hi], 1 - label)
    assert not accepted(tmp_path, HALVES, [0], [18], 1)
    assert not accepted(tmp_path, HALVES, [17], [255], 0)


def closing(label: int, scale: int = 1, xi: int = 1) -> dict:
    """Shows z of the only rival by a bound, with a multiplier of xi for the label and −xi for the rival."""
    rival = 1 - label
    slopes = np.where(np.arange(2) == label, -xi, xi)[None]
    return {"script": [[CLOSE, 0, 0, 0]] * rival + [[TIGHTEN, 0, 1, 0]],
            "rows": [[Z + rival, scale, 0]], "xi": slopes}  # fmt: skip


def test_a_tie_is_the_first_label_s_and_a_bound_knows_it(tmp_path):
    assert accepted(tmp_path, BOTH, [0], [255], 0, **closing(0))
    assert not accepted(tmp_path, BOTH, [0], [255], 1, **closing(1))
    assert not accepted(tmp_path, BOTH, [0], [255], 0)  # the boxes do not see it


@pytest.mark.parametrize("d", [0, -1])
def test_a_relation_ends_at_its_last_true_number(d, tmp_path):
    """y_0 − y_1 = 0."""
    relation = ([[1, -1]], [d])
    proof = {"script": [[TIGHTEN, 0, 1, 0], [CLOSE, 0, 0, 0]], "rows": [[Z, 1, 0]], "xi": [[1, -1]]}
    held = accepted(tmp_path, BOTH, [0], [255], None, relation, **proof)
    assert held is (d == 0)


@pytest.mark.parametrize(
    ("lo", "hi", "held"), [(0, 17, True), (22, 255, True), (0, 18, False), (21, 255, False)]
)
def test_of_alternatives_one_is_enough_and_none_is_not(lo, hi, held, tmp_path):
    """(x + 2) >> 2 is at most 4, or at least 6."""
    relation = ([[1, 0], [-1, 0]], [4, -6])
    assert accepted(tmp_path, HALVES, [lo], [hi], None, relation, [[0, 1]]) is held
    assert not accepted(tmp_path, HALVES, [lo], [hi], None, relation, [[0, 1], [1, 1]]) or lo == 22
    assert not accepted(tmp_path, HALVES, [lo], [hi], None, relation, [[0], [1]])
    assert not accepted(tmp_path, HALVES, [lo], [hi], None, relation)


@pytest.mark.parametrize(
    "some",
    [
        [[0, 2]],
        [[0, -1]],
        np.zeros((0, 2)),
        np.zeros((1, 0)),
        np.zeros((2049, 1)),
        np.zeros((1, CELLS + 1)),
        [0],
    ],
)
def test_alternatives_that_do_not_exist_prove_nothing(some, tmp_path):
    assert not accepted(tmp_path, HALVES, [0], [0], None, ([[1, 0], [-1, 0]], [4, -6]), some)


def test_two_runs_are_of_an_input_and_of_one_with_a_feature_raised(tmp_path):
    """(x + 2) >> 2 is at most 4 up to 17, at least 5 from 18 on."""
    falls, low = [[1, 0, -1, 0]], [[0, 0, -1, 0]]
    for rows, end, lo, hi, held in (
        (falls, -1, [0, 18], [17, 255], True),
        (falls, -2, [0, 18], [17, 255], False),
        (falls, -1, [0, 18], [18, 255], False),
        (falls, -1, [0, 17], [17, 255], False),
        (low, -5, [18, 0], [255, 17], True),  # it is not lowered
        (low, -6, [18, 0], [255, 17], False),
        ([[-1, 0, 0, 0]], -5, [0, 18], [17, 255], False),  # the first is as it is
    ):
        assert accepted(tmp_path, HALVES, lo, hi, None, (rows, [end]), raised=0) is held
    first = ([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], [7, -9, 3, 3])  # (7, 3), (9, 3)
    for feature in range(2):
        held = accepted(tmp_path, IDENTITY, [7, 3, 9], [7, 3, 9], None, first, raised=feature)
        assert held is (feature == 0)


@pytest.mark.parametrize("feature", [-1, 1, [0, 0], 2**40])
def test_a_feature_that_does_not_exist_is_not_raised(feature, tmp_path):
    relation = ([[1, 0, -1, 0]], [-1])
    assert accepted(tmp_path, HALVES, [0, 18], [17, 255], None, relation, raised=0)
    assert not accepted(tmp_path, HALVES, [0, 18], [17, 255], None, relation, raised=feature)


def test_of_two_runs_there_is_no_label_and_no_few_changes_and_a_height(tmp_path):
    relation = ([[1, 0, -1, 0]], [-1])
    assert accepted(tmp_path, HALVES, [0, 18], [17, 255], None, relation, raised=0)
    assert not accepted(tmp_path, HALVES, [0, 18], [17, 255], None, relation, raised=0, few=[0, 18, 2])
    assert not accepted(tmp_path, HALVES, [0, 18], [17, 255], None, relation)
    assert not accepted(tmp_path, HALVES, [0], [17], None, relation, raised=0)
    assert accepted(tmp_path, HALVES, [0], [17], 1)
    assert not accepted(tmp_path, HALVES, [0, 0], [17, 17], 1, raised=0)


@pytest.mark.parametrize(
    ("xi", "held"),
    [
        ((-1, -1), True),
        ((-2, -2), False),
        ((-2, 0), False),
        ((0, 0), False),
        ((1, -3), False),
        ((1, 1), False),
        ((2**60, -(2**60)), False),
    ],
)
def test_a_mean_of_alternatives_bounds_their_maximum_from_below(xi, held, tmp_path):
    """x_0 <= x_1 or x_1 <= x_0: neither holds everywhere, and the mean of both slacks is 0."""
    stairs = [[0, 0, *xi]]  # of y_0 and y_1: nothing is left there
    proof = {"script": [[TIGHTEN, 0, 1, 0], [CLOSE, 0, 0, 0]], "rows": [[10, 2, 0]], "xi": stairs}
    relation = ([[1, -1], [-1, 1]], [0, 0])
    box = [0, 0], [255, 255]
    assert accepted(tmp_path, IDENTITY, *box, None, relation, [[0, 1]], **proof) is held
    assert not accepted(tmp_path, IDENTITY, *box, None, (relation[0], [-1, -1]), [[0, 1]], **proof)


@pytest.mark.parametrize(
    ("column", "value"), [(1, 0), (1, -1), (2, -1), (0, -1), (0, 0), (0, Z - 2), (0, Z), (0, Z + 2)]
)
def test_a_bound_of_another_form_closes_nothing(column, value, tmp_path):
    proof = closing(0)
    proof["rows"][0][column] = value
    assert not accepted(tmp_path, BOTH, [0], [255], 0, **proof)


@pytest.mark.parametrize(
    "script",
    [
        [],
        [[CLOSE, 0, 0, 0]],
        [[CLOSE, 0, 0, 0], [CLOSE, 0, 0, 0]],
        [[TIGHTEN, 0, 1, 0], [CLOSE, 0, 0, 0]],
        [[CLOSE, 0, 0, 0], [TIGHTEN, 0, 0, 0], [CLOSE, 0, 0, 0]],
        [[CLOSE, 0, 0, 0], [TIGHTEN, 0, 1, 0], [CLOSE, 0, 0, 0], [CLOSE, 0, 0, 0]],
        [[CLOSE, 0, 0, 0], [SPLIT, 1, 9, 0], [TIGHTEN, 0, 1, 0], [CLOSE, 0, 0, 0]],
        [[CLOSE, 0, 0, 0], [TIGHTEN, 0, 1, 0], [4, 0, 0, 0]],
        [[KNOW, 0, 0, 0], [CLOSE, 0, 0, 0], [TIGHTEN, 0, 1, 0]],
        [[KNOW, 0, 2, 0], [CLOSE, 0, 0, 0], [TIGHTEN, 0, 1, 0]],
        [[CLOSE, 0, 0, 0], [TIGHTEN, 0, 1, 0], [-1, 0, 0, 0]],
    ],
)
def test_a_script_that_leaves_something_open_or_does_not_end_is_rejected(script, tmp_path):
    assert accepted(tmp_path, BOTH, [0], [255], 0, **closing(0))
    assert not accepted(tmp_path, BOTH, [0], [255], 0, **{**closing(0), "script": script})


def test_what_is_known_of_the_whole_box_is_known_of_all_rows_to_come(tmp_path):
    """y = x − x: of both rows, y <= 0 and −y <= 0, bounds of the inner sum, element 6, are enough."""
    ranges = [(0, 255), (-255, 255)]
    twice = fixed_point_networks.layers_of([[[1], [1]], [[1, -1]]], [[0, 0], [0]], [0, 0], ranges)
    proof = {"rows": [[6, 1, 0], [6, -1, 0]], "xi": [[1, -1, 0], [-1, 1, 0]]}
    for first, held in ((KNOW, True), (TIGHTEN, False)):
        for d, true in ((0, True), (-1, False)):
            relation, script = ([[1], [-1]], [0, d]), [[first, 0, 2, 0], [CLOSE, 0, 0, 0]]
            known = accepted(tmp_path, twice, [0], [255], None, relation, script=script, **proof)
            assert known is (held and true)


@pytest.mark.parametrize("known", [60, 254])
def test_what_only_follows_where_a_row_fails_is_not_known_of_others(known, tmp_path):
    """y = x; where y <= 255 fails z = y − 256 is not negative, and x + 200 z <= 55."""
    one = fixed_point_networks.layers_of([[[1]]], [[0]], [0], [(0, 255)])
    for script in ([[KNOW, 0, 1, 0]], [[SPLIT, 1, 9, 0], [KNOW, 0, 1, 0]]):
        for m in (200, 0):
            proof = {"script": script, "rows": [[1, 1, m]], "xi": [[m]]}
            assert not accepted(tmp_path, one, [0], [255], None, ([[1], [1]], [255, known]), **proof)


def test_both_parts_of_a_split_must_be_closed_and_no_value_lies_between_them(tmp_path):
    """y = (x, 255 − x), of which boxes see y_0 + y_1 <= 510, and 382 on the lower and the upper half."""
    turned = fixed_point_networks.layers_of([[[1], [-1]]], [[0, 255]], [0], [(0, 255)])
    relation = ([[1, 1]], [254])  # false everywhere
    splits = [[SPLIT, 1, 127, 0], [CLOSE, 0, 0, 0], [CLOSE, 0, 0, 0]]
    assert not accepted(tmp_path, turned, [0], [255], None, relation, script=splits)
    relation = ([[1, 1]], [382])
    assert accepted(tmp_path, turned, [0], [255], None, relation, script=splits)
    relation = ([[1, 1]], [381])
    assert not accepted(tmp_path, turned, [0], [255], None, relation, script=splits)


def test_a_script_of_very_many_parts_is_run_to_its_end(tmp_path):
    """Of a row that boxes exclude; and of parts that all have boxes, more than are held at once."""
    one = fixed_point_networks.layers_of([[[1]]], [[0]], [0], [(0, 255)])
    splits = np.tile([[SPLIT, 1, 0, 0]], (300_000, 1))
    assert accepted(tmp_path, one, [0], [255], None, ([[1]], [255]), script=splits)
    assert not accepted(tmp_path, one, [0], [255], None, ([[1]], [254]), script=splits)
    halves = [*([[SPLIT, 1, v, 0] for v in range(254, 199, -1)]), *([[CLOSE, 0, 0, 0]] * 56)]
    assert accepted(tmp_path, BOTH, [0], [255], None, ([[1, -1]], [200]), script=halves)
    assert not accepted(tmp_path, BOTH, [0], [255], None, ([[1, -1]], [199]), script=halves)


def test_a_box_beyond_the_inputs_range_or_empty_is_no_claim(tmp_path):
    assert accepted(tmp_path, IDENTITY, [9, 0], [255, 9], 0)
    for lo, hi in (([9, -1], [255, 9]), ([9, 0], [256, 9]), ([9, 5], [255, 4]), ([9], [255])):
        assert not accepted(tmp_path, IDENTITY, lo, hi, 0)
    for label in (-1, 2):
        assert not accepted(tmp_path, IDENTITY, [9, 0], [255, 9], label)


@pytest.mark.parametrize("scale", [0.0005, 0.01])
def test_logits_that_differ_tie_behind_a_softmax_as_the_interpreter_says(scale, tmp_path):
    """Label 1 on one input after the other: what is accepted is what TFLM's interpreter gives."""
    b = Builder()
    x = b.input((1, 2), 0.05, 0)
    logits = b.fully_connected(x, np.array([[127, 0], [0, 127]]), None, 1 / 127, scale, 0, 0)
    b.tensors[logits].scales[0] = scale
    content = b.finish(b.softmax(logits, 1.0))
    tflm, seen = Tflm(content, 1 << 18), set()
    for gap in range(0, 12):
        point = np.array([0, gap], np.int8)
        label = int(tflm.run(point[None]).reshape(-1).argmax())
        seen.add(label)
        for claimed in (0, 1):
            held = accepted(tmp_path, content, point, point, claimed)
            assert held is (claimed == label), (gap, label, claimed)
    assert 1 in seen or scale < 0.001


@pytest.mark.parametrize("n_rows", [0, 2])
def test_multipliers_are_a_row_for_each_bound(n_rows, tmp_path):
    proof = closing(0)
    proof["xi"] = np.resize(proof["xi"], (n_rows, 2))
    assert not accepted(tmp_path, BOTH, [0], [255], 0, **proof)


def many_bounds(last: int) -> dict:
    """A part closed by the last of seven bounds of z, the others saying z <= 510 only."""
    xi = np.zeros((7, 2), np.int64)
    xi[last] = -1, 1
    return {"script": [[CLOSE, 0, 0, 0], [TIGHTEN, 0, 7, 0]], "rows": [[Z + 1, 1, 0]] * 7, "xi": xi}


@pytest.mark.parametrize("cells", [1, 30, 45, 1 << 22])
@pytest.mark.parametrize("last", [0, 4, 6])
def test_bounds_shown_in_one_step_are_taken_as_many_at_a_time_as_memory_bears(
    cells, last, tmp_path, monkeypatch
):
    monkeypatch.setattr("coverify.check.proof.CELLS", cells)
    proof = many_bounds(last)
    assert accepted(tmp_path, BOTH, [0], [255], 0, **proof)
    assert not accepted(tmp_path, BOTH, [0], [255], 1, **{**proof, "script": proof["script"][1:]})
    proof["xi"] = np.zeros((7, 2), np.int64)
    assert not accepted(tmp_path, BOTH, [0], [255], 0, **proof)


def over_parabolas(parabolas: list) -> int:
    """A bound of z_1 = 5 − y_0 − 1 over HALVES's whole box, y_0 = (x + 2) >> 2; it is 4 at most."""
    net, claim = read_network(fixed_point_networks.content(HALVES), "fixed-point"), np.array([[-1, 1]])
    net.put(Linear, 1, claim[None], net.outputs[None, None], np.array([-1]))
    arrays = {"rows": np.array([[Z, 1, 0]]), "xi": np.zeros((1, 2), np.int64),
              "parabolas": np.array(parabolas), "script": np.zeros((0, 4), np.int64)}  # fmt: skip
    proof = Proof(net, np.array([[0], [255]]), arrays)
    proof.j = Z
    return proof.shown(proof.root, 0, 1, 1)[0][2]


HEAD = [4, 0, 1 << 40, 1]
"""The stairs' first element, none above, d_0, and a weight."""
PARABOLA = [0, 0, 1, 0, 1, 0]
"""Centres 0 and 0, curves 1 and 0, slopes 1 and 0 of the stairs."""


def test_parabolas_are_those_of_one_step_s_stairs_on_sums_of_the_input():
    assert over_parabolas([HEAD + PARABOLA]) >= 4
    for head, parabolas in (
        *(([element, *HEAD[1:]], PARABOLA) for element in (-2, 0, 1, 2, 3, 5, 6, 9)),
        (HEAD, [0, 1, 1]),
        (HEAD, [0, 0, 0, 1, 0, 0, 1, 0, 0]),
        (HEAD, [*PARABOLA, *[0] * 8, 1]),
    ):
        with pytest.raises((Rejected, ValueError)):
            over_parabolas([head + parabolas])


@pytest.mark.parametrize(("curve", "slope"), [(1, 0), (-1, 1), (5, 0)])
def test_a_parabola_without_a_slope_or_that_opens_upwards_is_refused(curve, slope):
    with pytest.raises(Rejected, match="parabola's form"):
        over_parabolas([[*HEAD, 0, 0, curve, 0, slope, 0]])


def test_where_there_is_no_parabola_there_is_none_to_pay_for():
    assert over_parabolas([[*HEAD, 0, 0, 0, 0, 1, 1]]) == over_parabolas([HEAD + [0] * 6]) >= 4
