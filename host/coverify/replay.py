"""Does the device do what a witness says?  Its input is run there, twice, and every tensor is compared.

CONFIRMED: every tensor that the device can show has the expected bytes, and the device's own output breaks
the property. REFUTED: it does not. FLAKY: the same input gave two answers. A witness whose expected tensors
are not what the reference computes is refused before any device is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.batch import Sample
from coverify.conformance.compare import Comparison
from coverify.conformance.stepping import Runner, Tensors
from coverify.errors import BadInput
from coverify.report.rows import TensorRow
from coverify.report.verdict import Verdict
from coverify.verify.breach import Breach
from coverify.verify.property.formula import elements, names_a_class
from tflm_int8 import Ends, Model, Reference, UnknownProfile

MAX_TOLD = 4
"""Of so many outputs that a property names their values are told, of more the class."""


class NotReplayable(BadInput):
    """A witness about a network that no device runs: `witness` and `network` by name."""

    def __init__(self, witness: str, network: str) -> None:
        self.witness, self.network = witness, network
        super().__init__(
            f"{witness}: {network} is a fixed-point network, not a .tflite file: no device runs it, "
            "so that its counterexample cannot be replayed on one"
        )


@dataclass(frozen=True)
class Claim:
    """What a witness says: on `x` (int8, the input's shape; of several inputs all values) the network's class
    is not `label`, or the property of `breach` does not hold.

    base: the input that the property is about; tensors: tensor index → expected int8 bytes.
    """

    base: NDArray[np.int8]
    x: NDArray[np.int8]
    label: int
    tensors: Mapping[int, NDArray[np.generic]]
    breach: Breach | None = None

    def broken(self, base: NDArray[np.int8], output: NDArray[np.int8]) -> bool:
        """Do these outputs, of the base input and of x, break the property?  Raises BadInput."""
        if self.breach is None:
            return first_maximum(output) != self.label
        try:
            flat = [out.astype(np.int64).reshape(-1) for out in (base, output)]
            return self.breach.broken(*flat)
        except ValueError as err:
            raise BadInput(f"it cannot be judged: {err}") from err


@dataclass(frozen=True)
class Replayed:
    """What the device did."""

    verdict: Verdict
    note: str
    tensors: tuple[TensorRow, ...]


def ends_of(where: Path | str, model: Model, profile: str, head: int | None = None) -> Ends:
    """The ends of the network in a file that is called so, as one of this output where it has several.

    Raises BadInput, TflmError.
    """
    if (head is None) != (len(model.outputs) == 1):
        raise BadInput(
            f"{where}: its network has {len(model.outputs)} outputs, and it must say of which it is"
        )
    try:
        return Ends.of(model, profile, head).computed()
    except UnknownProfile as error:
        raise BadInput(f"{where}: {error}") from error


def first_maximum(output: NDArray[np.int8]) -> int:
    """The class that a user of the device computes: the index of the output's first maximum, in C order."""
    return int(np.argmax(output.reshape(-1)))


def check_claim(claim: Claim, reference: Reference) -> None:
    """BadInput when the reference does not compute the expected tensors, they break nothing, or the label is
    no class of the network.
    """
    n = reference.output.size
    if not 0 <= claim.label < n:
        raise BadInput(f"its label {claim.label} is not a class of the network (0..{n - 1})")
    trace = {t: values[0] for t, values in reference.trace(*reference.parted(claim.x[None])).items()}
    if set(trace) != set(claim.tensors):
        raise BadInput("it does not hold exactly the tensors that the network writes")
    for tensor, values in trace.items():
        said = claim.tensors[tensor]
        if said.dtype != values.dtype or not np.array_equal(values, said):
            raise BadInput(f"it expects other bytes in tensor {tensor} than the reference computes")
    base = reference.run(*reference.parted(claim.base[None]), from_reset=True)[0]
    if not claim.broken(base, trace[reference.model.outputs[0]]):
        held = f"its class is the label {claim.label}" if claim.breach is None else "its property holds"
        raise BadInput(f"it breaks nothing: {held}")


def replay(claim: Claim, ends: Ends, stepper: Runner) -> Replayed:
    """Run the claim, which `check_claim` lets pass, on the device.  Raises what the link raises.

    ends: of the network; the claim is about what lies between them, the device runs all of it.
    """
    output, x, start = ends.outer[1], sample_of(ends, claim.x), sample_of(ends, claim.base)
    expected = {**claim.tensors, **ends.written(claim.x, claim.tensors[ends.core.outputs[0]])}
    comparison = Comparison(ends.whole, compared(ends, expected, stepper))
    first = stepper.trace(x)
    comparison.add(0, expected, first, lambda: stepper.trace(x))
    whole, base = (stepper.run(given, head=ends.head) for given in (x, start))
    base, after = ends.left(base), ends.left(first[output])
    said = _said(claim, ends, base, after)
    if comparison.flaky or not np.array_equal(whole, first[output]):
        return Replayed("FLAKY", f"{said}; the same input gave two answers", comparison.rows())
    if comparison.differing_samples:
        where = comparison.mismatches[0]
        said += f"; op {where.op_index} {where.op} computes other bytes than the witness says"
        return Replayed("REFUTED", said, comparison.rows())
    if not claim.broken(base, after):
        return Replayed("REFUTED", said, comparison.rows())
    return Replayed("CONFIRMED", said, comparison.rows())


def sample_of(ends: Ends, codes: NDArray[np.int8]) -> Sample:
    """What the network is given, an array for each of its inputs, where what lies between has these codes."""
    return tuple(part[0] for part in ends.reference.parted(ends.entered(codes)[None]))


def compared(ends: Ends, expected: Tensors, runner: Runner) -> tuple[int, ...] | None:
    """The tensors that are compared: of a network with several outputs, those that the one needs."""
    if len(ends.whole.outputs) == 1:
        return runner.tensors
    return tuple(t for t in expected if runner.tensors is None or t in runner.tensors)


def _said(claim: Claim, ends: Ends, base: NDArray[np.int8], output: NDArray[np.int8]) -> str:
    """What the device's outputs mean for the property: their class, or those that it is about."""
    before, after = first_maximum(base), first_maximum(output)
    place = f"on the device, output {ends.head}" if len(ends.whole.outputs) > 1 else "on the device"
    if claim.breach is not None:
        verb = "breaks" if claim.broken(base, output) else "keeps"
        named = elements(claim.breach.formula)
        whose = "its" if named else "any"  # a property of inputs alone
        called = f'what the file calls "{claim.breach.words}"'
        said = f"class {before} before, {after} after"
        if values := _values(claim.breach, base, output):
            scale = _scale(ends.reference)
            said = ", ".join(_told(i, int(base.flat[i]), int(output.flat[i]), scale) for i in values)
        return f"{place}: {said}; {whose} output {verb} {called}"
    said = f"{place}: class {before} before, {after} after; the label is {claim.label}"
    return (
        said if before == claim.label else f"{said}, which the base input does not have on the device either"
    )


def _values(breach: Breach, base: NDArray[np.int8], output: NDArray[np.int8]) -> list[int]:
    """The outputs whose values say more than the class: a single one, or the few that relations name."""
    if output.size == 1:
        return [0]
    if names_a_class(breach.formula):
        return []
    named = sorted({i % base.size for i in elements(breach.formula)})  # of a pair, in both
    return named if len(named) <= MAX_TOLD else []


def _scale(reference: Reference) -> tuple[float, int] | None:
    """Scale and zero point of the output; None where a code is its value."""
    found = reference.output.quantization
    pair = None if found is None else (float(found.scale), found.zero_point)
    return None if pair == (1.0, 0) else pair


def _told(i: int, before: int, after: int, scale: tuple[float, int] | None) -> str:
    said = f"output {i}: {before} before, {after} after"
    if scale is None:
        return said
    real = [f"{scale[0] * (code - scale[1]):.4g}" for code in (before, after)]
    return f"{said} ({real[0]} and {real[1]})"
