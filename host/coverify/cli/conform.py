"""coverify conform: every tensor of every sample, device against reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from coverify.boards.device import open_foreign
from coverify.cli.devices import (
    DeviceOption,
    WireLogOption,
    device_limits,
    device_row,
    ending,
    is_foreign,
    load,
    opened,
    with_usage,
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
from coverify.conformance.batch import Batch, Given
from coverify.conformance.compare import Comparison, compare, compare_digests
from coverify.conformance.cross_check import cross_check
from coverify.conformance.diagnosis.followed import followed
from coverify.conformance.foreign import ForeignRunner, check_network
from coverify.conformance.oracles import OF_PROFILE, OracleError, available, package
from coverify.conformance.sequences import Sequences
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import Samples
from coverify.errors import BadInput, DeviceFault, DeviceRefused, LinkError
from coverify.report import Device as DeviceRow
from coverify.report import Oracle as OracleRow
from coverify.report import Result
from tflm_int8 import Model, Reference


def conform(
    model: Annotated[Path, typer.Argument(help="The .tflite file.", show_default=False)],
    device: DeviceOption,
    inputs: InputsOption = None,
    quantize: QuantizeOption = False,
    limit: LimitOption = None,
    vectors_: Annotated[
        int | None,
        typer.Option("--vectors", min=0, max=1_000_000, help="Generated inputs: corners, then random ones."),
    ] = None,
    seed: SeedOption = 0,
    int32_bits: Int32BitsOption = None,
    oracle: Annotated[
        str, typer.Option(help="Check the reference against its profile's interpreter: auto, tflm or none.")
    ] = "auto",
    profile: ProfileOption = "tflm",
    full: Annotated[
        bool, typer.Option("--full", help="Fetch every byte, instead of a 128-bit digest per tensor.")
    ] = False,
    sequence: SequenceOption = None,
    out: OutOption = None,
    json: JsonOption = None,
    wire_log: WireLogOption = None,
) -> None:
    """Compare a DEVICE with the reference: every byte of every tensor of every sample.

    MATCH exits with 0, MISMATCH with 1 (naming the first operator and element that differ), a link or
    device failure with 3, FLAKY with 4. Without --inputs and --vectors, 32 generated inputs are compared.
    Of a network that keeps state, the inputs are compared as sequences of invocations, each from a reset.

    Example: coverify conform net.tflite --device qemu:mps2-an386 --inputs test.npz --vectors 100
    """
    output = Output(json, out)

    def body() -> Result:
        net = Model.read(model)
        reference = reference_of(net, profile)
        length = sequence_of(reference, sequence)
        chosen = samples_of(reference, inputs, limit, vectors_, seed, int32_bits, quantize)
        checked = check_reference(reference, oracle, chosen.samples.batch, output)
        run = DeviceRun(
            reference=reference,
            samples=chosen.samples,
            url=device,
            output=output,
            foreign=is_foreign(device),
            wire_log=wire_log,
            full=full,
            length=length,
            advises=True,
        )
        return _conform(run, chosen, checked)

    run_verb("conform", output, body)


def check_reference(reference: Reference, oracle: str, x: Given, output: Output) -> OracleRow | None:
    """Hold the reference against its profile's interpreter on the same samples; None when not done."""
    if oracle not in ("auto", "tflm", "none"):
        raise BadInput(f"--oracle {oracle}: auto, tflm or none")
    if oracle == "tflm" and reference.profile != "tflm":
        raise BadInput(f"--oracle tflm: the profile {reference.profile} promises other bytes than TFLM's")
    name = OF_PROFILE.get(reference.profile)
    if name is None or oracle == "none" or (oracle == "auto" and not available(name)):
        return None
    try:
        with progress_bar() as progress:
            return cross_check(reference, name, x, Bar(progress, package(name)))
    except OracleError as error:
        if oracle == "tflm":
            raise
        output.console.print(f"not checked: {error}", style="yellow", markup=False)
        return None


@dataclass(eq=False)
class DeviceRun:
    """A reference and the device that it is compared with, and what is known of them as the run goes on.

    foreign: has it other firmware, which shows its outputs only?  full: fetch every byte, not digests;
    length: of the sequences of a network that keeps state; advises: is it said what to try next when they
    differ?  device: what it says of itself, as soon as it does.
    """

    reference: Reference
    samples: Samples
    url: str
    output: Output
    foreign: bool = False
    wire_log: Path | None = None
    full: bool = False
    length: int | None = None
    advises: bool = False
    device: DeviceRow | None = field(default=None, init=False)
    advice: list[str] = field(default_factory=list, init=False)
    comparison: Comparison = field(init=False)

    def __post_init__(self) -> None:
        model = self.reference.model
        self.comparison = Comparison(model, model.outputs[:1] if self.foreign else None)


def _conform(run: DeviceRun, chosen: Chosen, oracle: OracleRow | None) -> Result:
    """Compare; chosen: where run.samples come from; oracle: what the reference was held against."""
    reference, comparison = run.reference, run.comparison
    if run.foreign:
        check_network(reference.model)
    with ending(lambda: comparison.samples) as end:
        (_compare_foreign if run.foreign else compare_with)(run)
    found = comparison.verdict
    message = end.message(_first_difference(run), found == "MISMATCH")
    result = Result(
        verb="conform",
        verdict=end.verdict(found),
        message=noted(message, end.verdict(found), chosen.notes),
        model=model_ref(reference.model),
        device=run.device,
        profile=reference.profile,
        oracle=oracle,
        samples=comparison.samples,
        bytes_compared=comparison.bytes_compared,
        tensors=comparison.rows(),
        mismatches=tuple(comparison.mismatches),
        not_covered=(
            *_not_covered(run, oracle),
            *chosen.left_out,
            *beyond_sequence(reference, run.length),
            *_unwritten(reference),
        ),
        versions=versions("tflite-micro"),
        seed=run.samples.seed,
    )
    return end.passed_on(result)


def compare_with(run: DeviceRun) -> None:
    """Fill a run's comparison, and what it knows of the device, which has our firmware.

    Raises BoardError, and what the link and the device raise.
    """
    reference, samples = run.reference, run.samples
    with opened(run.url, run.wire_log, run.output, reference.model) as device:
        run.device = device_row(device)
        stepper = load(device, reference.model)
        with progress_bar() as progress:
            _compare(run, stepper, Bar(progress, "samples"))
        if run.advises and run.comparison.verdict == "MISMATCH":
            run.advice += next_step(run.comparison, reference, stepper, samples.batch, run.length)
        with suppress(LinkError, DeviceFault, DeviceRefused):  # all was compared
            run.device = with_usage(run.device, device)


def _compare(run: DeviceRun, stepper: Stepper, bar: Bar) -> None:
    """By sequences where the network keeps state; in full where that is asked for, or digests are not had."""
    comparison, reference, samples = run.comparison, run.reference, run.samples
    in_full = run.full or not stepper.has_digests
    if run.length is not None:
        sequences = Sequences(comparison, reference, stepper, samples, run.length, bar)
        (sequences.compare if in_full else sequences.compare_digests)()
    elif in_full:
        compare(comparison, reference, stepper, samples.batch, bar)
    else:
        compare_digests(comparison, reference, stepper, samples, bar)


def _compare_foreign(run: DeviceRun) -> None:
    """As `compare_with`, for firmware that shows its outputs only."""
    with closing(open_foreign(run.url)) as device:
        run.device = DeviceRow(url=run.url, board=device.name)
        runner = ForeignRunner(device, run.reference.model)
        with progress_bar() as progress:
            compare(run.comparison, run.reference, runner, run.samples.batch, Bar(progress, "samples"))


def next_step(
    comparison: Comparison, reference: Reference, stepper: Stepper, x: Batch, length: int | None
) -> Iterator[str]:
    """What to try: another profile, if one gives every byte of the first differing sample, or, with sequences
    of `length`, of its sequence up to it; else diagnose.
    """
    first = comparison.mismatches[0].sample
    upto = x[first if length is None else first - first % length : first + 1]
    others: tuple[str, ...] = ()
    with suppress(LinkError, DeviceFault, DeviceRefused):  # the verdict stands; this is only advice
        others = followed(reference, upto, list(stepper.traces(upto)))
    if others:
        names = " and of --profile ".join(others)
        yield f"every byte of that sample's tensors is that of --profile {names}"
    else:
        yield "`coverify diagnose`, given the same, says which operator is wrong and what explains it"


def _first_difference(run: DeviceRun) -> str | None:
    """How many samples differ, where the first one does, and what to try; None where none differs."""
    comparison = run.comparison
    first = comparison.first_sample
    if first is None:
        return None
    since = "" if run.length is None else f" (invocation {first % run.length + 1} after a reset)"
    said = (
        f"{comparison.differing_samples} of {comparison.samples} samples differ; first at "
        f"{comparison.where}{since}: {comparison.first}"
    )
    return "; ".join((said, *run.advice))


def _unwritten(reference: Reference) -> tuple[str, ...]:
    """What of the tensors is TFLM's memory, and so nobody's to compare with it."""
    n = sum(int(mask.sum()) for mask in reference.unwritten.values())
    tensors = ", ".join(str(t) for t in reference.unwritten)
    said = (
        f"what TFLM has in {n} elements that no operator writes (of tensors {tensors}): here they are zeros"
    )
    return (said,) if n else ()


def _not_covered(run: DeviceRun, oracle: OracleRow | None) -> tuple[str, ...]:
    wanted, done, resets = len(run.samples), run.comparison.samples, run.comparison.resets
    said = [f"inputs other than the {done} compared (a comparison of samples, not a proof)"] if done else []
    if done < wanted:
        said.append(f"{wanted - done} of {wanted} samples: the comparison ended early")
    if resets:
        said.append(f"why the device restarted {resets} times; it was loaded again and went on")
    if oracle is None:
        said.append("the reference itself was not held against its profile's interpreter in this run")
    return (*said, *device_limits(run.url))
