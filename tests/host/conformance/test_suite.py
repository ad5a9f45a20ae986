"""The kernel suite: files that others read, TFLM's bytes, seeded defects found unaided."""

import numpy as np
import pytest

from coverify.boards.device import open_device
from coverify.conformance.diagnosis.explain import diagnose
from coverify.conformance.diagnosis.rounding import RULES
from coverify.conformance.suite.edges import edge_biases, separating
from coverify.conformance.suite.grids import GRIDS
from coverify.conformance.suite.run import Suite
from coverify.errors import LinkError
from mutants import MUTANTS, Mutant
from oracle import Tflm
from tflm_int8 import Reference

SEED = 3


def thinned(op: str, n: int) -> list:
    cases = list(GRIDS[op](op, SEED))
    return cases[:: max(1, len(cases) // n)]


@pytest.mark.parametrize("op", GRIDS)
def test_the_models_of_the_suite_are_files_that_tflm_runs_and_computes_as_the_reference(op):
    for case in thinned(op, 12):
        oracle = Tflm(case.model.content)
        shape = case.model.tensors[case.model.inputs[0]].shape
        expected = Reference(case.model).trace(case.x)
        for i, x in enumerate(case.x):
            oracle.run(x.reshape(shape))
            for output, y in expected.items():
                assert np.array_equal(oracle.tensor(output).reshape(y[i].shape), y[i]), case.model.name


def test_a_model_of_the_suite_is_read_by_the_schemas_own_code():
    import tflite

    case = thinned("CONV_2D", 5)[1]
    model = tflite.Model.GetRootAs(case.model.content)
    graph = model.Subgraphs(0)
    assert (model.Version(), graph.OperatorsLength(), graph.TensorsLength()) == (3, 1, 4)
    assert tuple(graph.Tensors(0).ShapeAsNumpy()) == case.model.tensors[0].shape
    weights = model.Buffers(graph.Tensors(1).Buffer()).DataAsNumpy().view(np.int8)
    assert np.array_equal(weights, case.model.tensors[1].data.reshape(-1))


OPTIONS_OF = {
    "AVERAGE_POOL_2D": "Pool2D", "MAX_POOL_2D": "Pool2D", "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "L2_NORMALIZATION": "L2Norm", "MAXIMUM": "MaximumMinimum", "MINIMUM": "MaximumMinimum", "PADV2": "PadV2",
    "MEAN": "Reducer", "SUM": "Reducer", "REDUCE_MAX": "Reducer", "REDUCE_MIN": "Reducer",
    "SPLIT_V": "SplitV",
    "BATCH_TO_SPACE_ND": "BatchToSpaceND", "SPACE_TO_BATCH_ND": "SpaceToBatchND", "REVERSE_V2": "ReverseV2",
    "SVDF": "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}  # fmt: skip


def test_the_options_of_every_operator_are_those_of_the_schema():
    """By the names of the schema's own code; those of another operator would be read as absent."""
    import tflite

    names = {number: name for name, number in vars(tflite.BuiltinOptions).items() if isinstance(number, int)}
    for op, grid in GRIDS.items():
        case = next(iter(grid(op, SEED)))
        operator = tflite.Model.GetRootAs(case.model.content).Subgraphs(0).Operators(0)
        said = names[operator.BuiltinOptionsType()]
        camel = OPTIONS_OF.get(op, op.title().replace("_", ""))
        assert said in ("NONE", f"{camel}Options"), (op, said)


def test_the_names_of_a_grid_differ_and_a_seed_gives_the_same_models():
    for op, grid in GRIDS.items():
        cases = list(grid(op, SEED))
        assert len({case.model.name for case in cases}) == len(cases), op
    again = [case.model.sha256 for case in GRIDS["MUL"]("MUL", SEED)]
    assert again == [case.model.sha256 for case in GRIDS["MUL"]("MUL", SEED)]


def test_a_bias_of_the_grid_puts_its_accumulator_where_the_rounding_shows():
    """By exact rational arithmetic: the nearest integer and the doubly rounded one differ there."""
    rule = next(r for r in RULES if r.name == "single-rounding")
    multiplier, shift = 1_500_000_001, -5
    found = separating(multiplier, shift, rule, -120, 120)
    assert len(found) > 10
    for acc in found.tolist():
        high = (acc * multiplier + (1 << 30)) >> 31
        low = abs(high) & 31
        twice = (abs(high) >> 5) + (low > 15)
        once = (acc * multiplier + (1 << 35)) >> 36
        assert once != (twice if high >= 0 else -twice)
    biases = edge_biases(np.array([17]), [multiplier], [shift], -120, 120, RULES.index(rule))
    assert 17 + int(biases[0]) in found


FOUND = {
    "single-rounding",
    "second-rounding-ties-up",
    "first-rounding-missing",
    "bias-missing",
    "padding-swapped",
    "input-channels-remainder-4",
    "accumulator-saturates-int16",
    "average-without-rounding",
    "input-zero-points-missing",
    "index-unsigned",
    "padding-with-zero",
    "inputs-reversed",
}


ONLY_IN = {
    "1x1, strides": ("stride-ignored", "CONV_2D", "op_conv_2d.c", "k_axis_position(&p->x, at_x, fx)",
                     "(p->x.filter == 1 ? at_x : k_axis_position(&p->x, at_x, fx))"),
    "batches": ("first-of-batch-everywhere", "AVERAGE_POOL_2D", "op_average_pool_2d.c",
                "image += p->y.in * p->x.in * p->depth", "image += 0"),
    "long sums": ("accumulator-wraps-int16", "AVERAGE_POOL_2D", "op_average_pool_2d.c",
                  "    int32_t sum = 0;\n", "    int16_t sum = 0;\n"),
    "masks": ("begin-ignored-axis-1", "STRIDED_SLICE", "op_strided_slice.c",
              "first = stride > 0 ? 0 : size - 1;", "first = 0;"),
    "made against a rounded multiplier": (
        "division-in-scale", "MEAN", "op_mean.c", "((int64_t)p->multiplier << bits) / n)",
        "(((int64_t)p->multiplier << bits) + n / 2) / n)"),
    "left shift": ("left-shift-18-throughout", "ADD", "sum.c", "#define LEFT_SHIFT 20",
                   "#define LEFT_SHIFT 18"),
    "next to half steps": ("one-newton-step-less", "LOGISTIC", "exponential.c",
                           "for (int i = 0; i < 3; i++)", "for (int i = 0; i < 2; i++)"),
}  # fmt: skip
"""Class of shapes → a defect that no other class shows; the first words of a Mutant."""


@pytest.mark.parametrize("shape_class", ONLY_IN)
def test_a_defect_that_one_class_of_shapes_alone_shows_is_found_and_named(workshop, tmp_path, shape_class):
    mutant = Mutant(*ONLY_IN[shape_class])
    cases = [c for c in GRIDS[mutant.op](mutant.op, SEED) if c.shape_class == shape_class]
    told = []
    with open_device("native:", firmware=workshop.build(mutant, tmp_path)) as device:
        Suite(device.client, lambda _, found: told.extend(found)).run(cases)
    names = {e.name for d in told for e in d.explained_by}
    assert mutant.variant in names, [(d.op, [e.name for e in d.nearest]) for d in told]


@pytest.mark.parametrize("shape_class", [c for c in ONLY_IN if c != "left shift"])
def test_tflm_computes_such_cases_as_the_reference_does(shape_class):
    op = ONLY_IN[shape_class][1]
    cases = [c for c in GRIDS[op](op, SEED) if c.shape_class in (shape_class, "axes")]
    for case in cases[:: 1 + len(cases) // 12]:
        oracle, shape = Tflm(case.model.content), case.model.tensors[case.model.inputs[0]].shape
        for x, y in zip(case.x[:2], Reference(case.model).run(case.x[:2]), strict=True):
            assert np.array_equal(oracle.run(x.reshape(shape)).reshape(y.shape), y), case.model.name


def test_what_a_device_refuses_of_the_suite_is_said_with_its_words(workshop, tmp_path):
    old = "first = stride > 0 ? 0 : size - 1;"
    mutant = Mutant("?", "STRIDED_SLICE", "op_strided_slice.c", old, old.replace("0 :", "1 :"))
    cases = [c for c in GRIDS["STRIDED_SLICE"]("STRIDED_SLICE", SEED) if "begins-1" in c.model.name]
    with open_device("native:", firmware=workshop.build(mutant, tmp_path)) as device:
        suite = Suite(device.client)
        suite.run(cases)
    assert suite.rows[0].refused == len(cases) == 1
    assert "1 cases that the device refused" in suite.refusals[0]
    assert "op 0 STRIDED_SLICE: an axis keeps nothing" in suite.refusals[0]


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.variant in FOUND], ids=lambda m: m.name)
def test_the_suite_finds_a_seeded_defect_unaided_and_names_it(workshop, tmp_path, mutant):
    told = []
    with open_device("native:", firmware=workshop.build(mutant, tmp_path)) as device:
        suite = Suite(device.client, lambda case, found: told.append((case, found)))
        suite.run(thinned(mutant.op, 24))
    wrong = [row for row in suite.rows if row.differing]
    assert wrong, [row.shape_class for row in suite.rows]
    assert any(mutant.variant in row.explained_by for row in wrong), [row.explained_by for row in wrong]
    assert len(told) == sum(row.differing for row in wrong)


def test_a_transpose_that_exchanges_the_last_two_dimensions_whatever_its_order_is_found_and_named():
    """CMSIS-NN does that where the order moves nothing: arm_transpose_s8.c, two dimensions (four on MVE)."""
    told = set()
    for case in GRIDS["TRANSPOSE"]("TRANSPOSE", SEED):
        reference = Reference(case.model)
        shape = case.model.tensors[case.model.inputs[0]].shape
        order = reference.kernels[0].node.input(1).data.reshape(-1).tolist()
        y = case.x.reshape(-1, *shape)
        if order == sorted(order) and len(order) in (2, 4):
            y = np.swapaxes(y, -1, -2).reshape(y.shape)
        traces = [{case.model.outputs[0]: one.reshape(reference.output.shape)} for one in y]
        if order == sorted(order) and len(order) > 1:
            found = diagnose(reference, case.x, traces)
            told |= {e.name for d in found for e in d.explained_by}
    assert "last-two-exchanged" in told


def test_a_case_during_which_the_line_broke_is_none_that_ran():
    first, second = thinned("FULLY_CONNECTED", 8)[:2]
    with open_device("native:") as device:
        suite = Suite(device.client)
        suite.run([first])
    with pytest.raises(LinkError):  # nobody is there any more
        suite.run([second])
    assert [(row.cases, row.differing) for row in suite.rows] == [(1, 0)]
