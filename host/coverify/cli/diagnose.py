"""coverify diagnose: which operator of a device is wrong on its own inputs, and what explains it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coverify.cli.devices import (
    DeviceOption,
    WireLogOption,
    device_limits,
    device_row,
    ending,
    load,
    opened,
)
from coverify.cli.outcome import (
    JsonOption,
    OutOption,
    Output,
    ProfileOption,
    model_ref,
    noted,
    run_verb,
    versions,
)
from coverify.cli.progress import Bar, progress_bar
from coverify.cli.samples import (
    Chosen,
    InputsOption,
    Int32BitsOption,
    LimitOption,
    QuantizeOption,
    SeedOption,
    SequenceOption,
    beyond_sequence,
    reference_of,
    samples_of,
    sequence_of,
)
from coverify.conformance.batch import Array, Batch, Sample, alone
from coverify.conformance.compare import Comparison
from coverify.conformance.diagnosis.explain import diagnose
from coverify.conformance.diagnosis.followed import followed
from coverify.conformance.sequences import Sequences
from coverify.conformance.stepping import Stepper, Tensors
from coverify.report import Device as DeviceRow
from coverify.report import Diagnosis, Result
from tflm_int8 import Model, Reference

_ASKED_AGAIN = 3
"""Differing samples that are run twice, to tell a wrong device from one that gives different answers."""

_NAMED = 6
"""Variants that the message names at most."""


def diagnose_verb(
    model: Annotated[Path, typer.Argument(help="The .tflite file.", show_default=False)],
    device: DeviceOption,
    inputs: InputsOption = None,
    quantize: QuantizeOption = False,
    limit: LimitOption = None,
    vectors_: Annotated[
        int | None,
        typer.Option("--vectors", min=0, max=4096, help="Generated inputs: corners, then random ones."),
    ] = None,
    seed: SeedOption = 0,
    int32_bits: Int32BitsOption = None,
    profile: ProfileOption = "tflm",
    sequence: SequenceOption = None,
    out: OutOption = None,
    json: JsonOption = None,
    wire_log: WireLogOption = None,
) -> None:
    """Say which operator of DEVICE is wrong on its own inputs, and which kernel variant explains every byte.

    MATCH exits with 0; MISMATCH with 1: the first element, the reference's accumulator, multiplier, shift,
    rounded and clamped value for it, the variants that give exactly the device's bytes, where the errors are.

    Example: coverify diagnose net.tflite --device serial:/dev/ttyACM0@921600 --inputs test.npz --limit 20
    """
    output = Output(json, out)

    def body() -> Result:
        reference = reference_of(Model.read(model), profile)
        length = sequence_of(reference, sequence)
        chosen = samples_of(reference, inputs, limit, vectors_, seed, int32_bits, quantize)
        return _diagnose(reference, chosen, length, device, wire_log, output)

    run_verb("diagnose", output, body)


def _diagnose(
    reference: Reference,
    chosen: Chosen,
    length: int | None,
    url: str,
    wire_log: Path | None,
    output: Output,
) -> Result:
    comparison, traces = Comparison(reference.model), list[Tensors]()
    samples = chosen.samples
    x = samples.batch
    row: DeviceRow | None = None
    with ending(lambda: comparison.samples) as end, opened(url, wire_log, output, reference.model) as device:
        row = device_row(device)
        stepper = load(device, reference.model)
        with progress_bar() as progress:
            bar = Bar(progress, "samples")
            if length is not None:
                Sequences(comparison, reference, stepper, samples, length, bar, traces).compare()
            else:
                _trace(comparison, reference, stepper, x, traces, bar)
    found = diagnose(reference, x[: len(traces)], traces, length=length) if traces else ()
    others = followed(reference, x[: len(traces)], traces, length) if found and not comparison.flaky else ()
    differ = comparison.verdict == "MISMATCH"
    verdict = end.verdict(comparison.verdict)
    message = end.message(summary(found, comparison, others), differ)
    result = Result(
        verb="diagnose",
        verdict=verdict,
        message=noted(message, verdict, chosen.notes),
        model=model_ref(reference.model),
        device=row,
        profile=reference.profile,
        samples=comparison.samples,
        bytes_compared=comparison.bytes_compared,
        tensors=comparison.rows(),
        mismatches=tuple(comparison.mismatches),
        diagnoses=found,
        not_covered=(
            f"inputs other than the {comparison.samples} that were run",
            "defects of two kinds in one operator: a variant changes one thing",
            *chosen.left_out,
            *beyond_sequence(reference, length),
            *device_limits(url),
        ),
        versions=versions(),
        seed=samples.seed,
    )
    return end.passed_on(result)


def _trace(
    comparison: Comparison,
    reference: Reference,
    stepper: Stepper,
    x: Batch,
    traces: list[Tensors],
    bar: Bar,
) -> None:
    """Every tensor of every sample from the device; the first differing ones are asked for again."""
    for i, one in enumerate(x):
        got = stepper.trace(one)
        expected: dict[int, Array] = {t: v[0] for t, v in reference.trace(*alone(one).arrays).items()}

        def again(sample: Sample = one, first: Tensors = got) -> Tensors:
            return stepper.trace(sample) if comparison.differing_samples < _ASKED_AGAIN else first

        comparison.add(i, expected, got, again)
        traces.append(got)
        bar(i + 1, len(x))


def summary(found: tuple[Diagnosis, ...], comparison: Comparison, others: tuple[str, ...] = ()) -> str | None:
    """One sentence: the first wrong operator and what explains it; `others`: profiles whose bytes all are."""
    if comparison.flaky:
        return "the device gives different bytes for the same input: no rule of arithmetic explains that"
    if not found and not comparison.mismatches:
        return None
    if not found:
        one = comparison.mismatches[0]
        floats = comparison.model.tensors[one.tensor].dtype.startswith("float")
        why = "floats are compared" if floats else "the reference is not defined on its inputs"
        return (
            f"op {one.op_index} {one.op}, element {list(one.element)} of sample {one.sample}: "
            f"{comparison.first}; {why}, and not explained"
        )
    first = found[0]
    why = _explanation([variant.name for variant in first.explained_by])
    return (
        f"op {first.op_index} {first.op}, element {list(first.element)} of sample {first.sample}: expected "
        f"{first.expected}, the device has {first.got}; {why}{_said_of(others)}"
    )


def _explanation(names: list[str]) -> str:
    """The likeliest variant, and those that give the same bytes."""
    if not names:
        return "no known variant gives exactly these bytes"
    if len(names) == 1:
        return f"explained by {names[0]}"
    others = ", ".join(names[1:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"explained by {names[0]} (the same bytes on these inputs: {others}{more})"


def _said_of(others: tuple[str, ...]) -> str:
    if not others:
        return ""
    return f"; every byte of every tensor is that of --profile {' and of '.join(others)}"
