"""coverify run: run a network on the reference, another interpreter or a device; keep the tensors."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from coverify.boards.catalog import resolve
from coverify.cli.devices import WireLogOption, device_row, load, opened
from coverify.cli.outcome import JsonOption, Output, ProfileOption, model_ref, run_verb, versions
from coverify.cli.progress import Bar, progress_bar
from coverify.cli.samples import INPUTS_HELP, LimitOption, QuantizeOption, given_of, reference_of
from coverify.conformance.batch import Batch
from coverify.conformance.oracles import Oracle, OracleName, version
from coverify.errors import BadInput, BoardError
from coverify.files import check_place, replace_file
from coverify.inputs import names_of
from coverify.report import Device as DeviceRow
from coverify.report import Oracle as OracleRow
from coverify.report import Result
from tflm_int8 import Model, Reference, sample_shape

Arrays = dict[int, NDArray[Any]]


def run(
    model: Annotated[Path, typer.Argument(help="The .tflite file.", show_default=False)],
    inputs: Annotated[Path, typer.Option(help=INPUTS_HELP)],
    output_file: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.npz", help="Where y goes.")],
    on: Annotated[
        str, typer.Option(help="reference, tflm, tflite (BUILTIN_REF), or a device (see: coverify boards).")
    ] = "reference",
    trace: Annotated[bool, typer.Option("--trace", help="Keep every tensor that an operator wrote.")] = False,
    quantize: QuantizeOption = False,
    limit: LimitOption = None,
    profile: ProfileOption = "tflm",
    json: JsonOption = None,
    wire_log: WireLogOption = None,
) -> None:
    """Run MODEL on all inputs and write y (N x output shape without batch) to OUT.npz; of several outputs y0,
    y1, …

    With --trace also one array t<tensor index> per tensor that an operator wrote, N x its whole shape.
    When the inputs have labels y (integers), the accuracy is printed. A network that keeps state runs the
    samples as successive invocations, the first one after a reset.

    Example: coverify run net.tflite --inputs test.npz --on qemu:mps2-an386 -o out.npz --trace
    """
    output = Output(json)

    def body() -> Result:
        check_place(output_file, model, inputs)
        if on != "reference" and profile != "tflm":
            raise BadInput(f"--profile {profile} is the reference's; --on {on} computes as it does")
        net = Model.read(model)
        reference = reference_of(net, profile)
        data = given_of(reference, inputs, quantize)
        x, labels = Batch(data.x)[:limit], None if data.y is None else data.y[:limit]
        if len(net.outputs) == 1:
            _check_labels(inputs, labels, reference.output.size)
        arrays, device, oracle = _run_on(on, reference, x, trace, wire_log, output)
        outputs = _outputs(net, x, arrays)
        _write(output_file, outputs, arrays if trace else {})
        return Result(
            verb="run",
            verdict="OK",
            message="\n".join([_message(output_file, on, outputs, labels), *data.notes_of(slice(limit))]),
            model=model_ref(net),
            device=device,
            profile=profile if on == "reference" else None,
            oracle=oracle,
            samples=len(x),
            versions=versions(),
        )

    run_verb("run", output, body)


def _check_labels(path: Path, y: NDArray[np.int64] | None, n_classes: int) -> None:
    """Refuse labels that are no class of the output, before anything runs for long; a single one has none."""
    if y is None or n_classes < 2:
        return
    wrong = np.flatnonzero((y < 0) | (y >= n_classes))
    if len(wrong):
        said = f"sample {wrong[0]} has the label {y[wrong[0]]}"
        raise BadInput(f"{path}: {said}; the network's output has {n_classes} classes")


def _run_on(
    on: str, reference: Reference, x: Batch, trace: bool, wire_log: Path | None, output: Output
) -> tuple[Arrays, DeviceRow | None, OracleRow | None]:
    """Tensor index → [N, tensor shape]: all tensors with `trace`, else at least the computed outputs."""
    last, *others = reference.model.outputs
    if on == "reference":
        all_of_it = trace or others
        return (reference.trace(*x.arrays) if all_of_it else {last: reference.run(*x.arrays)}), None, None
    names: dict[str, OracleName] = {"tflm": "tflm", "tflite": "tflite"}
    if on in names:
        with Oracle(names[on], reference.model) as oracle:
            return oracle.trace(x), None, OracleRow(name=on, version=version(names[on]))
    try:
        resolve(on)
    except BoardError as err:
        raise BadInput(f"--on {on}: neither reference, tflm nor tflite, and as a device: {err}") from err
    with opened(on, wire_log, output, reference.model) as device:
        stepper = load(device, reference.model)
        with progress_bar() as progress:
            bar = Bar(progress, "samples")
            rows: list[Mapping[int, NDArray[Any]]] = []
            ran: Iterator[Mapping[int, NDArray[Any]]] = stepper.traces(x) if trace else stepper.outputs(x)
            for row in ran:
                rows.append(row)
                bar(len(rows), len(x))
        arrays = {t: np.stack([row[t] for row in rows]) for t in (rows[0] if rows else {})}
        return arrays, device_row(device), None


def _outputs(net: Model, x: Batch, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Every output, [N, its shape without batch], by its array's name: one may be an input, or a constant."""
    known = {**dict(zip(net.inputs, x.arrays, strict=True)), **arrays}
    found = {}
    for name, index in zip(names_of(len(net.outputs), "y"), net.outputs, strict=True):
        tensor = net.tensors[index]
        values = known.get(index, tensor.initial)
        assert values is not None, "the file has what nothing computes"
        full = values if index in known else np.broadcast_to(values, (len(x), *tensor.shape))
        found[name] = full.reshape(len(x), *sample_shape(tensor))
    return found


def _write(path: Path, outputs: dict[str, NDArray[Any]], tensors: Arrays) -> None:
    buffer = io.BytesIO()
    traced: dict[str, Any] = {f"t{i}": values for i, values in tensors.items()}
    np.savez_compressed(buffer, **outputs, **traced)
    replace_file(path, buffer.getvalue())


def _message(path: Path, on: str, outputs: dict[str, NDArray[Any]], labels: NDArray[np.int64] | None) -> str:
    y, *others = outputs.values()
    said = f"{len(y)} samples on {on}, "
    said += f"{len(outputs)} outputs ({', '.join(outputs)}) " if others else ""
    said += f"written to {path.name}"
    if labels is None or not len(y):
        return said
    if others:
        return f"{said}; the labels y are not compared, as the network has several outputs"
    if y[0].size < 2:
        return f"{said}; the labels y say nothing of an output of one element"
    right = int((y.reshape(len(y), -1).argmax(axis=1) == labels).sum())
    return f"{said}; {right} of {len(y)} labels right ({100 * right / len(y):.2f} %)"
