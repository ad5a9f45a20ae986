"""VNN-LIB files in the style of the competition's benchmarks, against brute force; hostile files."""

import codecs
import dataclasses
import itertools
import random
from fractions import Fraction

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.property.errors import BadProperty
from coverify.verify.property.formula import holds
from coverify.verify.property.property import Property
from coverify.verify.property.quantity import Scale
from coverify.verify.property.subject import Subject
from coverify.verify.property.unsafe import cases_of
from coverify.verify.property.vnnlib import read_specification
from coverify.verify.query import Verdict
from fixed_point_networks import content, layers_of, outputs

DECLARED = "".join(f"(declare-const X_{i} Real)\n" for i in range(2)) + "".join(
    f"(declare-const Y_{j} Real)\n" for j in range(3)
)
ROBUST = (
    "; Robustness of a digit (label 1), as the generators of the competition write it.\n\n"
    + DECLARED
    + """
; Input constraints:
(assert (<= X_0 {x0_hi}))
(assert (>= X_0 {x0_lo}))

(assert (<= X_1 {x1_hi}))
(assert (>= X_1 {x1_lo}))

; Output constraints:
(assert (or
    (and (>= Y_0 Y_1))
    (and (>= Y_2 Y_1))
))
"""
)
ACAS = (
    DECLARED
    + """
(assert (or
    (and (>= X_0 10.5) (<= X_0 20) (>= X_1 1.0e1) (<= X_1 30.0) (<= (+ Y_0 (* 2.5 Y_1)) (- 40 Y_2)))
    (and (>= X_0 30) (<= X_0 36) (= X_1 7) (not (or (> Y_0 Y_1) (< Y_2 (- 3)))))
))
"""
)


def network(seed):
    rng = np.random.default_rng([seed, 12])
    arrays = layers_of(
        [rng.integers(-9, 10, (4, 2)), rng.integers(-9, 10, (3, 4))],
        [rng.integers(-900, 900, 4), rng.integers(-900, 900, 3)],
        [4, 5],
        [(0, 255), (-128, 127)],
    )
    unit = Scale(Fraction(1), 0)
    return arrays, Subject(FixedPointNetwork.from_bytes(content(arrays)).program, (2,), unit, unit)


def verdicts(path, subject, engine="z3"):
    cases = cases_of(read_specification(path), subject, path, False)
    asked = Property.from_cases(cases, subject, path.name)
    assert not asked.needs_base
    found = []
    for question in asked.questions(None, 0):
        outcome = solve(engine, question.problem(Deadline.never()), Deadline.in_s(30))
        if outcome.witness is not None:
            assert question.breaks(outcome.witness.astype(np.int64))
        found.append(outcome.verdict)
    return found


@pytest.mark.parametrize("engine", ["z3", "bab", "enumerate"])
@pytest.mark.parametrize("seed", range(6))
def test_a_robustness_file_is_decided_as_brute_force_does(tmp_path, seed, engine):
    arrays, subject = network(seed)
    rng = np.random.default_rng(seed)
    x = rng.integers(20, 200, 2)
    ends = {"x0_lo": x[0] - 2.5, "x0_hi": x[0] + 3.25, "x1_lo": x[1] - 4, "x1_hi": x[1]}
    path = tmp_path / "p.vnnlib"
    path.write_text(ROBUST.format(**ends))
    inside = itertools.product(range(x[0] - 2, x[0] + 4), range(x[1] - 4, x[1] + 1))
    y = outputs(arrays, np.array(list(inside)))
    unsafe = (y[:, 0] >= y[:, 1]) | (y[:, 2] >= y[:, 1])
    wanted = Verdict.VIOLATED if unsafe.any() else Verdict.HOLDS
    (said,) = verdicts(path, subject, engine)
    assert said is wanted or (engine == "bab" and said is Verdict.UNKNOWN)


@pytest.mark.parametrize("seed", range(6))
def test_a_file_of_several_boxes_is_decided_box_by_box(tmp_path, seed):
    arrays, subject = network(seed)
    path = tmp_path / "p.vnnlib"
    path.write_text(ACAS)
    first = outputs(arrays, np.array(list(itertools.product(range(11, 21), range(10, 31)))))
    second = outputs(arrays, np.array(list(itertools.product(range(30, 37), [7]))))
    unsafe = (
        (2 * first[:, 0] + 5 * first[:, 1] <= 80 - 2 * first[:, 2]).any(),
        ((second[:, 0] <= second[:, 1]) & (second[:, 2] >= -3)).any(),
    )
    assert verdicts(path, subject) == [Verdict.VIOLATED if bad else Verdict.HOLDS for bad in unsafe]


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        ("(not (= Y_0 3))", {-1, 0, 1, 2, 4, 5}),
        ("(not (not (= Y_0 3)))", {3}),
        ("(not (or (= Y_0 3) (= Y_0 4)))", {-1, 0, 1, 2, 5}),
        ("(not (and (<= Y_0 4) (not (= Y_0 3))))", {3, 5}),
    ],
)
def test_what_is_not_equal_is_less_or_greater(tmp_path, said, broken):
    _, subject = network(0)
    path = tmp_path / "p.vnnlib"
    path.write_text(DECLARED + f"(assert {said})")
    (case,) = cases_of(read_specification(path), subject, path, False)
    y = np.array([[v, 0, 0] for v in range(-1, 6)])
    assert set(y[holds(case.unsafe, y), 0].tolist()) == broken


def test_real_values_go_through_the_networks_scales(tmp_path):
    """X = (code − 3) / 4 and Y = (code + 1) / 2: worked by hand."""
    _, subject = network(0)
    subject = Subject(subject.program, (2,), Scale(Fraction(1, 4), 3), Scale(Fraction(1, 2), -1))
    path = tmp_path / "p.vnnlib"
    path.write_text(DECLARED + "(assert (>= X_0 1.1))(assert (< X_0 2.5))(assert (< (+ Y_0 Y_1) 2))")
    (case,) = cases_of(read_specification(path), subject, path, False)
    assert (case.lo[0], case.hi[0]) == (8, 12)  # 1.1 is code 7.4; 2.5 is code 13, which is excluded
    assert (case.unsafe.parts[0].terms, case.unsafe.parts[0].bound) == (((0, 1), (1, 1)), 1)
    (case,) = cases_of(read_specification(path), subject, path, True)
    assert (case.lo[0], case.hi[0]) == (2, 2)


def test_where_the_file_does_not_say_how_far_an_input_goes_a_note_does(tmp_path):
    """X = (code − 3) / 4 of codes 0..255 is −0.75..63."""
    _, subject = network(0)
    subject = Subject(subject.program, (2,), Scale(Fraction(1, 4), 3), Scale(Fraction(1, 2), -1))
    path, bounded = tmp_path / "p.vnnlib", "(assert (>= X_1 0))(assert (<= X_1 63))"

    def notes(said, codes=False):
        path.write_text(f"{DECLARED}(assert (<= Y_0 2)){said}")
        return Property.from_cases(
            cases_of(read_specification(path), subject, path, codes), subject, path.name
        ).notes

    end = "what is asked about ends where the input does, at -0.75..63 (codes 0..255)"
    assert notes(bounded + "(assert (>= X_0 -0.75))(assert (<= X_0 62.9))") == ()
    assert notes(bounded + "(assert (>= X_0 1))") == (f"X_0 is not bounded from both sides: {end}",)
    assert notes("") == (f"X_0, X_1 are not bounded from both sides: {end}",)
    beyond = notes(bounded + "(assert (>= X_0 1))(assert (<= X_0 64))")
    assert beyond == (f"X_0 is bounded beyond the input's range: {end}",)
    both = "(assert (or (and (>= X_0 0) (<= X_0 9)) (and (>= X_0 1))))(assert (>= X_1 0))(assert (<= X_1 63))"
    assert notes(both) == (f"case 1: X_0 is not bounded from both sides: {end}",)
    cases = Property.from_cases(cases_of(read_specification(path), subject, path, False), subject, path.name)
    assert (cases.notes_of(0), cases.notes_of(1)) == ((), (f"X_0 is not bounded from both sides: {end}",))
    (said,) = notes("(assert (>= X_0 0))(assert (<= X_0 256))(assert (= X_1 9))", codes=True)
    assert said.endswith("at 0..255")
    subject = dataclasses.replace(subject, raised=(128, 0))
    (said,) = notes(bounded + "(assert (>= X_0 1))")
    assert said.endswith("at -0.75..63 (codes 128..383)"), "the codes are the network's own"


HEADER = """(set-info :source |the authors; (assert
of a benchmark|)
(set-info :notes "X_0 (all)")
"""


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_a_header_says_in_strings_is_passed_over(tmp_path, line_end, mark):
    _, subject = network(0)
    path = tmp_path / "p.vnnlib"
    text = HEADER + DECLARED + "(assert (>= X_0 7)) ; of\u2028(push 1)\n(assert (<= Y_0 3))\n"
    path.write_bytes(mark + text.replace("\n", line_end).encode())
    (case,) = cases_of(read_specification(path), subject, path, True)
    assert (case.lo[0], case.hi[0]) == (7, 255)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("(assert (<= (+ X_0 X_1) 3))(check-sat)", 6, "several inputs"),
        ("(assert (<= X_0 Y_0))", 6, "inputs and outputs"),
        ("(assert (<= (* Y_0 Y_1) 3))", 6, "not linear"),
        ("(assert (<= Y_9 3))", 6, "not declared"),
        ("(assert (=> (<= Y_0 3) (<= Y_1 3)))", 6, "=> of 2 arguments is not read"),
        ("\n(assert (<= Y_0 (/ 1 3)))", 7, "/ of 2 arguments"),
        ("(assert (<= Y_0 1e999))", 6, "digits"),
        ("(assert (<= Y_0 3)", 6, "not closed"),
        ("(declare-const X_0 Real)", 6, "twice"),
        ("(declare-const X_3 Real)(assert (<= Y_0 3))", None, "without a gap"),
        ("(declare-const X_2 Int)", 6, "sort Real"),
        ('(echo "hello")', 6, "not a command"),
        ('(set-info :source "a\nb" |c\nd|)\n(push 1)', 9, "not a command"),
        ("(assert (<= Y_0 |3|))", 6, "not a variable"),
        ('(set-info :source "a)', 6, "not read"),
        ("(push 1)", 6, "not a command"),
        ("(assert (<= 1 Y_0 3))", 6, "<= of 3 arguments is not read"),
        ("(assert (or))", 6, "or of 0 arguments is not read"),
        ("(assert (<= Y_0 3))(check-sat)\n(assert (<= Y_0 2))", 7, "after check-sat"),
        (")", 6, "outside"),
        ("", None, "asserts nothing"),
        ("(assert " * 200, 6, "nested deeper"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(tmp_path, text, line, says):
    _, subject = network(0)
    path = tmp_path / "p.vnnlib"
    path.write_text(DECLARED + text)
    with pytest.raises(BadProperty, match=says) as raised:
        cases_of(read_specification(path), subject, path, False)
    assert raised.value.line == line


def test_too_many_cases_and_other_sizes_are_refused(tmp_path):
    _, subject = network(0)
    path = tmp_path / "p.vnnlib"
    either = "(assert (or (<= X_0 3) (>= X_1 9) (<= X_1 2)))\n"
    path.write_text(DECLARED + either * 9 + "(check-sat)")
    with pytest.raises(BadProperty, match="more than 1000 cases"):
        cases_of(read_specification(path), subject, path, False)
    path.write_text("(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= Y_0 3))")
    with pytest.raises(BadProperty, match="declares 1 inputs and 1 outputs"):
        cases_of(read_specification(path), subject, path, False)


def test_mutated_files_are_read_or_refused_and_nothing_else(tmp_path):
    rng, path, seen = random.Random(3), tmp_path / "p.vnnlib", set()
    _, subject = network(0)
    for _ in range(500):
        data = bytearray(ACAS.encode())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            data[at : at + rng.randint(0, 2)] = bytes(
                rng.choices(b"()XY_0129.-+*<>= eE\nand", k=rng.randint(0, 2))
            )
        path.write_bytes(data)
        try:
            cases_of(read_specification(path), subject, path, False)
            seen.add("read")
        except BadProperty:
            seen.add("refused")
    assert seen == {"read", "refused"}


@pytest.mark.parametrize("end", ["", "(check-sat)\n", "(check-sat)\n(exit)\n"])
def test_a_file_may_end_without_check_sat_unless_it_says_nothing_of_the_outputs(tmp_path, end):
    path = tmp_path / "robust.vnnlib"
    whole = ROBUST.format(x0_lo=1, x0_hi=2, x1_lo=3, x1_hi=4)
    path.write_text(whole + end)
    assert len(read_specification(path).asserted) == 5
    path.write_text(whole.partition("; Output constraints")[0] + end)
    if end:
        assert len(read_specification(path).asserted) == 4
        return
    with pytest.raises(
        BadProperty, match="it ends, without check-sat, before it asserts anything of the out"
    ):
        read_specification(path)


def test_a_file_that_is_cut_within_an_assertion_is_refused(tmp_path):
    path = tmp_path / "cut.vnnlib"
    whole = ROBUST.format(x0_lo=1, x0_hi=2, x1_lo=3, x1_hi=4)
    path.write_text(whole)
    read_specification(path)
    for length in range(whole.index("(assert"), len(whole.rstrip())):
        path.write_text(whole[:length])
        with pytest.raises(BadProperty):
            read_specification(path)
