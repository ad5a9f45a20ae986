"""Real numbers of a network that is given floats, or gives them out."""

import operator
from collections import Counter
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from coverify.verify.errors import BadQuery
from coverify.verify.property.document import RegionDocument
from coverify.verify.property.property import region_of
from coverify.verify.property.quantity import FloatsIn, FloatsOut, Scale
from coverify.verify.property.subject import Subject
from coverify.verify.property.unsafe import cases_of
from coverify.verify.property.vnnlib import read_specification
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, lower

MOST = f"{Decimal(float(np.finfo(np.float32).max)):f}"
SCALES = [0.1, 0.05, 1 / 255, 1 / 256, 0.5, 3.7, 1e-3, 1e-30, 1e30]


def quantize(x: np.ndarray, scale: float, zero: int) -> np.ndarray:
    """TFLM's AffineQuantize of float32, in float32."""
    ratio = (x.astype(np.float32) / np.float32(scale)).astype(np.float64)
    return np.clip(np.trunc(ratio + np.copysign(0.5, ratio)) + zero, -128, 127).astype(int)


def floats_around(real: float, n: int = 3) -> list[np.float32]:
    """A float32 near a number, and its neighbours."""
    found = [np.float32(real)]
    for way in (np.inf, -np.inf):
        x = np.float32(real)
        for _ in range(n):
            x = np.nextafter(x, np.float32(way))
            found.append(x)
    return found


def given_floats(scale: float, zero: int) -> Subject:
    """What is known of a network of one float that becomes a code."""
    b = Builder()
    x = b.input((1, 1), scale, zero)
    y = b.fully_connected(x, np.ones((1, 1), int), None, 1.0, scale, zero)
    own = Fraction(float(np.float32(scale))), zero
    return Subject(lower(Model.from_bytes(b.finish(y))), (1,), FloatsIn(*own), FloatsOut(*own))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("strict", [False, True])
def test_the_codes_of_a_range_are_those_that_its_floats_become(scale, strict):
    rng = np.random.default_rng(4)
    zero = int(rng.integers(-128, 128))
    given = FloatsIn(Fraction(float(np.float32(scale))), zero)
    halves = (rng.integers(-140, 140, 40) - zero + 0.5) * float(np.float32(scale))
    for real in [*halves, *(rng.uniform(-140, 140, 40) * scale), 0.0]:
        for limit in floats_around(real):
            step = Fraction(float(np.nextafter(limit, np.float32(np.inf)))) - Fraction(float(limit))
            for exact in (Fraction(float(limit)), Fraction(float(limit)) + step / 3):
                near = np.array(floats_around(limit, 6))
                worth = [Fraction(float(x)) for x in near]
                below = [x < exact if strict else x <= exact for x in worth]
                above = [x > exact if strict else x >= exact for x in worth]
                codes = quantize(near, scale, zero)
                assert given.last(exact, strict) == codes[below].max()
                assert given.first(exact, strict) == codes[above].min()


@pytest.mark.parametrize("scale", SCALES)
def test_around_a_code_lie_those_that_floats_become_within_so_much_of_its_worth(scale):
    """Of each code its own: 0.5 above the worth of a code lies a half, which is rounded away from 0."""
    rng, zero = np.random.default_rng(5), 7
    given = FloatsIn(Fraction(float(np.float32(scale))), zero)
    for real in [*(rng.uniform(0, 20, 6) * scale), 0.25 * scale, 0.5 * scale, 1.5 * scale, 300 * scale, 0.0]:
        eps, found = Fraction(float(real)), given.around(Fraction(float(real)))
        assert len(found) == 256
        for code, (down, up) in zip(range(-128, 128), found, strict=True):
            worth = given.real(code)
            x = [f for side in (-1, 1) for f in floats_around(float(worth + side * eps), 2)]
            x = np.array([f for f in x if abs(Fraction(float(f)) - worth) <= eps] or [np.float32(worth)])
            codes = quantize(x, scale, zero)
            assert (code - down, code + up) == (codes.min(), codes.max()), (code, real)


@pytest.mark.parametrize("scale", SCALES)
def test_outward_is_around_any_value_that_becomes_the_code(scale):
    """Moved by no more than that, it becomes none beyond, even where halves are rounded away from 0."""
    rng, zero, exact = np.random.default_rng(6), -3, Fraction(float(np.float32(scale)))
    given, codes_given = FloatsIn(exact, zero), Scale(exact, zero)
    halves = [f for k in range(-130, 130) for f in floats_around((k + 0.5) * float(exact), 2)]
    x = np.array([*(rng.uniform(-140, 140, 2_000) * scale), *halves], np.float32)
    codes = quantize(x, scale, zero)
    fractions = np.array([Fraction(float(v)) for v in x])
    for real in [*(rng.uniform(0, 8, 4) * scale), *(k * float(exact) for k in (0, 0.25, 0.5, 1, 2, 3))]:
        eps, most = Fraction(float(real)), np.zeros((256, 2), int)
        reach, radius = np.array(given.around(eps, True)), codes_given.radius(eps, True)
        for side, way in enumerate((-1, 1)):
            there = [f for v in x[-len(halves) :] for f in floats_around(float(v) + way * float(real), 1)]
            ends = np.array(there, np.float32).reshape(len(halves), -1)
            for moved in (*ends.T, (x + np.float32(way * real))):
                own = fractions[-len(moved) :]
                apart = [abs(Fraction(float(a)) - b) <= eps for a, b in zip(moved, own, strict=True)]
                kept, near = quantize(moved, scale, zero)[apart], codes[-len(moved) :][apart]
                np.maximum.at(most[:, side], near + 128, np.abs(kept - near))
        assert np.all(most <= reach) and np.array_equal(most[2:-2], reach[2:-2])
        assert most.max() <= radius <= real / scale + 1.01
        assert most.max() == radius or not real


@pytest.mark.parametrize(
    ("scale", "zero"), [(0.1, 0), (1.0, 0), (1 / 255, -128), (0.5, 3), (0.007843138, -1)]
)
def test_eps_real_reaches_from_each_input_what_its_own_code_does(scale, zero, tmp_path):
    """Every float of the region, on a grid and at its ends, against TFLM's QUANTIZE."""
    b = Builder()
    x = b.op("QUANTIZE", [b.input((1, 1), dtype="float32")], b.activation((1, 1), scale, zero))
    tflm = Tflm(b.finish(x))
    subject, step = given_floats(scale, zero), float(np.float32(scale))
    for eps in ("0.5", "0.49", "1.5", "0", "2.6"):
        real = Decimal(eps) * Decimal(str(scale))
        region = region_of(RegionDocument(eps_real=real, range=({"codes": (-120, 127)},)), subject, tmp_path)
        assert region.needs_base
        for base in (-119, -60, -1, 0, 1, 2, 3, 4, 77, 120, 127):
            query = region.query(subject.program, np.array([base]), 0)
            worth, reach = Fraction(step) * (base - zero), Fraction(real)
            floats = [f for side in (-1, 1) for f in floats_around(float(worth + side * reach))]
            near = [f for f in floats if abs(Fraction(float(f)) - worth) <= reach] or [np.float32(worth)]
            codes = [int(tflm.run(np.array([[f]], np.float32)).item()) for f in near]
            assert (query.lo[0], query.hi[0]) == (max(min(codes), -120), max(codes)), (eps, base)
            assert query.eps == max(query.hi[0] - base, base - query.lo[0])


def test_a_float_beyond_what_the_codes_stand_for_is_the_last_code():
    given = FloatsIn(Fraction(1, 8), 3)
    assert (given.first(Fraction(1000)), given.last(Fraction(-1000))) == (127, -128)
    with np.errstate(over="raise"):  # nobody is warned of what is meant
        assert given.first(Fraction(10) ** 400) > 127, "there is no such float"
    for ask, beyond in (
        (given.first, Fraction(10) ** 30),
        (given.first, Fraction(1 << 31, 8)),
        (given.last, -(Fraction(10) ** 30)),
        (given.last, Fraction(10) ** 400),
    ):
        with pytest.raises(BadQuery, match="TFLM defines no code for floats beyond about"):
            ask(beyond)


@pytest.mark.parametrize("scale", SCALES)
def test_what_an_output_is_worth_is_the_float_that_is_given_out(scale):
    left = FloatsOut(Fraction(float(np.float32(scale))), -9)
    codes = np.arange(-128, 128)
    values = (np.float64(np.float32(scale)) * (codes + 9)).astype(np.float32)
    assert [left.real(int(c)) for c in codes] == [Fraction(float(v)) for v in values]
    for value in values[::17]:
        for near in floats_around(float(value)):
            exact = Fraction(float(near))
            for strict in (False, True):
                low = codes[values < near if strict else values <= near]
                high = codes[values > near if strict else values >= near]
                assert left.last(exact, strict) == (low.max() if len(low) else -129)
                assert left.first(exact, strict) == (high.min() if len(high) else 128)
    assert (
        left.linear
        == (scale in (1 / 256, 0.5))
        == all(left.real(int(c)) == Scale.real(left, int(c)) for c in codes)
    )


def boxes(said: str, path: Path, scale: float = 0.1) -> list[tuple[int, int]]:
    """The least and greatest code of X_0 in each box of a file, of a network that is given floats."""
    path.write_text(f"(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= Y_0 0.2)){said}")
    subject = given_floats(scale, 0)
    cases = cases_of(read_specification(path), subject, path, False)
    return [(int(case.lo[0]), int(case.hi[0])) for case in cases]


HOLDS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


@pytest.mark.parametrize("seed", range(3))
def test_a_box_holds_what_its_floats_become_and_none_that_is_empty(seed, tmp_path):
    """Limits near each other, most of them in the middle of one code or between two."""
    rng, seen = np.random.default_rng([seed, 6]), Counter[str]()
    for _ in range(150):
        near = floats_around(float(rng.choice([0.1, 0.25, 0.3])), 1)
        limits = [Fraction(float(f)) for f in near]
        limits += [(limits[0] + 3 * limits[1]) / 4, (limits[0] + 3 * limits[2]) / 4]
        asked = [(str(rng.choice(list(HOLDS))), limits[rng.integers(len(limits))]) for _ in range(3)]
        asked += [(">=", Fraction(0)), ("<=", Fraction(1))]
        ends = sorted({end for _, end in asked})
        reals = [*ends, *((a + b) / 2 for a, b in pairwise(ends))]
        candidates = [f for end in ends for f in floats_around(float(end))]
        floats, reals = (
            [x for x in given if all(HOLDS[op](Fraction(x), end) for op, end in asked)]
            for given in (map(float, candidates), reals)
        )
        if not floats and reals:  # all between two floats
            below = max(float(f) for f in candidates if Fraction(float(f)) < reals[0])
            floats = [below, float(np.nextafter(np.float32(below), np.float32(np.inf)))]
            seen["between"] += 1
        codes = quantize(np.array(floats), 0.1, 0)
        with localcontext(Context(prec=60)):  # exactly: they are dyadic
            values = [Decimal(end.numerator) / end.denominator for _, end in asked]
        said = "".join(f"(assert ({op} X_0 {v:f}))" for (op, _), v in zip(asked, values, strict=True))
        found = boxes(said, tmp_path / "p.vnnlib")
        assert found == ([(codes.min(), codes.max())] if reals else []), asked
        seen["box" if reals else "none"] += 1
    assert all(seen[kind] > 5 for kind in ("box", "none", "between")), seen


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("(<= X_0 -1e39)", []),
        ("(>= X_0 1e39)", []),
        ("(= X_0 1e39)", []),
        (f"(< X_0 -{MOST})", []),
        (f"(> X_0 {MOST})", []),
        (f"(and (> X_0 {MOST}) (< X_0 1e39))", []),
        (f"(and (<= X_0 4e38) (>= X_0 {MOST}))", [(127, 127)]),
        (f"(>= X_0 {MOST})", [(127, 127)]),
        ("(and (>= X_0 -1e39) (<= X_0 1e39))", [(-128, 127)]),
        ("(or (<= X_0 -1e39) (>= X_0 0) (> X_0 1e39))", [(0, 127)]),
    ],
)
def test_beyond_the_finite_floats_there_is_no_input(said, expected, tmp_path):
    assert boxes(f"(assert {said})", tmp_path / "p.vnnlib", 1e32) == expected


@pytest.mark.parametrize(
    ("real", "words"),
    [("0.1", "3 codes"), ("0.014", "0 codes"), ("0.029", "1 code"), ("99", "0 to 255 codes")],
)
def test_the_words_of_eps_real_leave_out_where_codes_go_to_an_end_of_the_input(tmp_path, real, words):
    region = region_of(RegionDocument(eps_real=Decimal(real)), given_floats(0.03, 5), tmp_path)
    assert region.words == f"within {real} (real: {words})"
