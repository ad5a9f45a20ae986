"""Firmware with one seeded defect each: the comparison finds it, the diagnosis names it.

The defects are written into copies of the C sources; what they are called stands in mutants.py, by hand.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from coverify.boards.device import open_device
from coverify.conformance.compare import Comparison, compare
from coverify.conformance.diagnosis.explain import diagnose
from coverify.conformance.sequences import Sequences
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import Samples, vectors
from coverify.errors import LinkError
from coverify.report import Diagnosis
from mutants import MUTANTS, NETS, Mutant, mutated, remade
from tflm_int8 import Model, Reference, sample_shape

MODELS = {name: Model.from_bytes(net(), f"{name}.tflite") for name, net in NETS.items()}
MODEL = MODELS["layers"]
LENGTH = 8
"""Of sequences from a reset on, where a network keeps state."""
ON_A_CORE = ("CONV_2D-padding-swapped", "CONV_2D-bias-missing")


def samples(model: Model = MODEL) -> np.ndarray:
    return vectors(sample_shape(model.tensors[model.inputs[0]]), 24, 1, -5)


def traced(url: str, firmware=None, model: Model = MODEL) -> list:
    with open_device(url, firmware=firmware, preload=model.content) as device:
        return compared(Stepper(device.client, model), model)[1]


def compared(stepper: Stepper, model: Model) -> tuple[Comparison, list]:
    """The whole comparison, and every tensor of every sample."""
    comparison, reference, x = Comparison(model), Reference(model), samples(model)
    if not reference.stateful:
        compare(comparison, reference, stepper, x)
        return comparison, [stepper.trace(one) for one in x]
    sequences = Sequences(comparison, reference, stepper, Samples(x, len(x)), LENGTH)
    sequences.compare()
    return comparison, sequences.traced


def diagnosed(model: Model, traces: list) -> tuple[Diagnosis, ...]:
    length = LENGTH if model.stateful else None
    return diagnose(Reference(model), samples(model), traces, length=length)


def assert_named(mutant: Mutant, traces: list) -> None:
    model = MODELS[mutant.net]
    found = diagnosed(model, traces)
    wrong = [d for d in found if d.op == mutant.op]
    assert wrong, f"{mutant.op} is not among {[(d.op_index, d.op) for d in found]}"
    names = [e.name for e in wrong[0].explained_by]
    assert mutant.variant in names, (names, [(e.name, e.remaining) for e in wrong[0].nearest])


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_firmware_without_a_defect_has_nothing_to_diagnose(model):
    assert diagnosed(model, traced("native:", model=model)) == ()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_seeded_defect_is_found_and_named(workshop, tmp_path, mutant):
    firmware = workshop.build(mutant, tmp_path)
    model = MODELS[mutant.net]
    with open_device("native:", firmware=firmware) as device:
        comparison, traces = compared(Stepper(device.client, model), model)
    assert comparison.verdict == "MISMATCH"
    assert_named(mutant, traces)


@pytest.mark.parametrize(
    "mutant",
    [m for m in MUTANTS if m.name in ON_A_CORE],
    ids=lambda m: m.name,
)
def test_a_seeded_defect_is_named_on_an_emulated_core(mutant, tmp_path):
    if shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None:
        pytest.skip("the cross compiler or QEMU is not installed")
    image = remade(mutated(mutant, tmp_path), "mps2-an386", tmp_path / "built", mutant.file)
    assert_named(mutant, traced("qemu:mps2-an386", image))


def test_a_native_device_that_hangs_says_in_which_operator(workshop, tmp_path, monkeypatch):
    """The watchdog counts the process's own time, so that a busy host does not trip it."""
    monkeypatch.setenv("COVERIFY_WATCHDOG_S", "1")
    hangs = Mutant(
        "?", "ADD", "sum.c", "y[i] = (int8_t)sum(p,", "for (volatile int w = 1; w;) y[i] = (int8_t)sum(p,"
    )
    at = next(op.index for op in MODEL.operators if op.name == "ADD")
    with (
        open_device("native:", firmware=workshop.build(hangs, tmp_path)) as device,
        pytest.raises(LinkError, match=f"SIGVTALRM.*at operator {at:04}"),
    ):
        Stepper(device.client, MODEL).run(samples()[0])


def test_a_defect_that_no_variant_describes_is_said_to_be_unexplained(workshop, tmp_path):
    acc = "int32_t acc = accumulate(p, image, at_y, at_x, c) + ch->bias;"
    odd = Mutant("?", "CONV_2D", "convolution.c", acc, acc.replace("bias;", "bias + 7 * at_y * at_x * c;"))
    found = diagnose(Reference(MODEL), samples(), traced("native:", workshop.build(odd, tmp_path)))
    assert (found[0].op, found[0].explained_by) == ("CONV_2D", ())
    assert any("height 1…3" in said for said in found[0].patterns)


def test_only_the_operator_with_the_defect_is_blamed_not_those_behind_it(workshop, tmp_path):
    mutant = next(m for m in MUTANTS if m.variant == "average-without-rounding")
    found = diagnose(Reference(MODEL), samples(), traced("native:", workshop.build(mutant, tmp_path)))
    assert [d.op for d in found] == ["AVERAGE_POOL_2D"]


def test_the_steps_end_in_the_value_that_was_expected(workshop, tmp_path):
    """The expected value is the kernel's own, the steps are worked out apart from it."""
    for name in ("bias-missing", "average-without-rounding", "sign-of-second-input"):
        mutant = next(m for m in MUTANTS if m.variant == name)
        found = diagnose(
            Reference(MODEL), samples(), traced("native:", workshop.build(mutant, tmp_path / name))
        )
        assert found[0].steps[-1].name == "clamped"
        assert found[0].steps[-1].value == found[0].expected


def test_a_device_that_does_not_reset_is_a_mismatch_by_digests_too_the_same_each_time(workshop, tmp_path):
    """Every sequence but the first differs, from its first invocation on."""
    model, mutant = MODELS["state"], next(m for m in MUTANTS if m.variant == "state-not-reset")
    x = samples(model)
    with open_device("native:", firmware=workshop.build(mutant, tmp_path)) as device:
        stepper = Stepper(device.client, model)
        sequences = Sequences(Comparison(model), Reference(model), stepper, Samples(x, len(x)), LENGTH)
        sequences.compare_digests()
    assert sequences.comparison.verdict == "MISMATCH"
    first = sequences.comparison.mismatches[0]
    assert (first.sample, first.repeated) == (LENGTH, True)
