"""Which network and which inputs do verbs compare? The reference of a file whose inputs can be sent; its
samples, and which of them; the sequences of a network that keeps state.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from coverify.clamped import Limits
from coverify.cli.network import limits_of
from coverify.conformance.batch import Batch
from coverify.conformance.ranges import check_inputs, vectors_of
from coverify.conformance.sequences import default_length, reach_of
from coverify.conformance.vectors import Samples
from coverify.errors import BadInput
from coverify.inputs import ManyInputs, Wanted, read_all
from tflm_int8 import Model, Reference, sample_shape

DEFAULT_VECTORS = 32
_RANGE = re.compile(r"\s*[0-9]+(-[0-9]+)?\s*")
SequenceOption = Annotated[
    int | None,
    typer.Option(
        "--sequence",
        min=1,
        max=1_000_000,
        help="Of a network that keeps state: so many successive invocations after each reset. Default: 16, "
        "or two more than its state reaches back.",
    ),
]


INPUTS_HELP = (
    ".npz with x: N x the input's shape without its batch of 1, in the input's type; of a network "
    "with several inputs x0, x1, … (coverify inspect names them)."
)
InputsOption = Annotated[Path | None, typer.Option(help=INPUTS_HELP)]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Take only the first N of --inputs.")]
QuantizeOption = Annotated[bool, typer.Option(help="x is real-valued: quantize it with the model's scale.")]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of the generated inputs.")
]
Int32BitsOption = Annotated[
    int | None,
    typer.Option(
        "--int32-bits",
        min=1,
        max=32,
        help="Generated int32 inputs have so many bits. Default: as many as the network is defined for.",
    ),
]


def reference_of(net: Model, profile: str) -> Reference:
    """The reference of a network whose inputs can be sent to a device.  Raises TflmError."""
    reference = Reference(net, profile)
    check_inputs(net)
    return reference


def check_quantize(quantize: bool, inputs: Path | None) -> None:
    """BadInput where there is nothing to quantize."""
    if quantize and inputs is None:
        raise BadInput("--quantize is about --inputs, which is not given")


def given_of(reference: Reference, path: Path, quantize: bool | None = None) -> ManyInputs:
    """The samples in a file, of which no labels are needed.  Raises BadInput."""
    wanted = []
    for i in reference.model.inputs:
        tensor = reference.model.tensors[i]
        q = tensor.quantization
        pair = (float(q.scale), q.zero_point) if q is not None else None
        wanted.append(Wanted(tensor.dtype, sample_shape(tensor), pair, limits=_limits(reference, i)))
    return read_all(path, wanted, quantize, labels=False)


def _limits(reference: Reference, index: int) -> Limits | None:
    """What an input of floats can represent that the network itself quantizes."""
    readers = (kernel for kernel in reference.kernels if index in kernel.node.op.inputs[:1])
    return next(filter(None, map(limits_of, readers)), None)


def sequence_of(reference: Reference, asked: int | None) -> int | None:
    """The invocations after each reset of a network that keeps state; None for one that keeps none.

    Raises BadInput where it is asked for and there is no state.
    """
    if not reference.stateful:
        if asked is not None:
            raise BadInput(f"--sequence is for networks that keep state; {reference.model.name} keeps none")
        return None
    return asked or default_length(reference)


def beyond_sequence(reference: Reference, length: int | None) -> tuple[str, ...]:
    """What a comparison by sequences does not show."""
    if length is None:
        return ()
    reach = reach_of(reference)
    said = f"runs of more than {length} invocations without a reset"
    if reach is None:
        return (f"{said} (the state may hold all inputs since a reset)",)
    short = f"; the state holds up to {reach} inputs, which no run has filled" if reach > length else ""
    return (said + short,)


@dataclass(frozen=True)
class Chosen:
    """The samples of a comparison, and what of the inputs' types the generated ones leave out, in words;
    notes: of values in the file that are clamped.
    """

    samples: Samples
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


def samples_of(
    reference: Reference,
    inputs: Path | None,
    limit: int | None,
    n_vectors: int | None,
    seed: int,
    int32_bits: int | None = None,
    quantize: bool = False,
) -> Chosen:
    """The file's first `limit`, then generated ones (32 where nothing is said).  Raises BadInput."""
    check_quantize(quantize, inputs)
    if limit is not None and inputs is None:
        raise BadInput("--limit is about --inputs, which is not given; --vectors N generates N inputs")
    if int32_bits is not None and "int32" not in (
        reference.model.tensors[i].dtype for i in reference.model.inputs
    ):
        raise BadInput(f"--int32-bits is about int32 inputs, which {reference.model.name} has not")
    parts, notes = list[Batch](), tuple[str, ...]()
    if inputs is not None:
        given = given_of(reference, inputs, quantize)
        parts, notes = [Batch(given.x)[:limit]], given.notes_of(slice(limit))
    if n_vectors is None:
        twice = 2 * default_length(reference) if reference.stateful else 0
        n_vectors = 0 if parts else max(DEFAULT_VECTORS, twice)
    made = vectors_of(reference, n_vectors, seed, int32_bits)
    x = Batch.joined([*parts, made.batch])
    if not len(x):
        raise BadInput("there is nothing to compare: no --inputs and --vectors 0")
    return Chosen(Samples(x, len(x) - n_vectors, seed, made.elements), made.left_out, notes)


def parse_indices(text: str | None, n: int, option: str = "--index", least: int = 0) -> list[int]:
    """The numbers in "0,3,10-19", ascending and once each, from `least` on below n; None: all.

    Raises BadInput.
    """
    if text is None:
        return list(range(least, n))
    chosen: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not _RANGE.fullmatch(part) or len(part) > 40:
            raise BadInput(f"{option} {text}: {part!r} is neither a number nor a range such as 10-19")
        lo, hi = int(first), int(last or first)
        if hi >= n or lo < least:
            raise BadInput(f"{option} {text}: {part!r} is outside {least}-{n - 1}")
        if lo > hi:
            raise BadInput(f"{option} {text}: {part!r} runs backwards: {last}-{first}?")
        chosen.update(range(lo, hi + 1))
    return sorted(chosen)
