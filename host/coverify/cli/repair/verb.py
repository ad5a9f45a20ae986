"""coverify repair: few bytes of an int8 network's weights, so that it answers as its float original does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from coverify.cli.devices import check_device
from coverify.cli.network import conversion_of
from coverify.cli.outcome import JsonOption, OutOption, Output, ProfileOption, finite, run_verb
from coverify.cli.repair.options import RepairOptions
from coverify.cli.repair.parts import read_parts
from coverify.cli.repair.run import Run
from coverify.cli.samples import QuantizeOption
from coverify.errors import BadInput
from coverify.files import check_place
from coverify.repair.demands import CRITERIA
from coverify.repair.metrics import METRICS, RANDOM
from coverify.repair.pair import Pair
from coverify.repair.solvers import SOLVERS
from coverify.report import Result
from coverify.study.float_network import is_float_model
from tflm_int8 import Ends, Model, sample_shape


def repair_verb(
    original: Annotated[
        Path,
        typer.Argument(metavar="FLOAT.tflite", help="The network before quantization.", show_default=False),
    ],
    model: Annotated[
        Path,
        typer.Argument(
            metavar="INT8.tflite", help="The network that runs on the device.", show_default=False
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            help=".npz with x (int8 codes; real numbers with --quantize) and, optionally, labels y."
        ),
    ],
    repaired: Annotated[
        Path | None, typer.Option("-o", metavar="REPAIRED.tflite", help="Where the patched network goes.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="An .npz to judge the repair on. Default: a part of --data.")
    ] = None,
    split: Annotated[
        float,
        typer.Option(min=0.05, max=0.95, help="Without --validation: the share of --data to repair with."),
    ] = 0.5,
    limit: Annotated[int | None, typer.Option(min=2, help="Take only the first N of --data.")] = None,
    quantize: QuantizeOption = False,
    label: Annotated[
        str,
        typer.Option(
            help="What is right: given (y, where the data have it) or float (the original's class)."
        ),
    ] = "given",
    layer: Annotated[
        str,
        typer.Option(
            help="Which layers, in this order: operator numbers as 11,8, last, or all (last first)."
        ),
    ] = "last",
    method: Annotated[
        str,
        typer.Option(
            help="lattice: integer programs on the int8 weights, exact; paper: linear programs, rounded."
        ),
    ] = "lattice",
    metric: Annotated[
        str, typer.Option(help=f"What ranks the neurons: {', '.join(METRICS)}, {RANDOM}.")
    ] = "ochiai",
    neurons: Annotated[
        int, typer.Option(min=0, help="How many neurons of a layer, the most suspicious first; 0: all.")
    ] = 10,
    criterion: Annotated[
        str,
        typer.Option(
            help=f"With lattice, what a failing test wants: {', '.join(CRITERIA)} (the right class; neurons "
            "on or off as in FLOAT, as the paper has it; FLOAT's codes)."
        ),
    ] = "classes",
    spectrum: Annotated[
        str,
        typer.Option(
            help="When a test activates a neuron, for its rank: status (on in one network, off in the "
            "other) or difference (their outputs are further apart than --threshold)."
        ),
    ] = "status",
    threshold: Annotated[
        float,
        typer.Option(
            min=0,
            help="With --spectrum difference: how far apart the two outputs must be, in steps of the layer's "
            "output scale.",
        ),
    ] = 1.0,
    prefer: Annotated[
        str,
        typer.Option(
            help="Of several repairs of a neuron: fewest changed bytes first (bytes), or the least sum of "
            "changes (size)."
        ),
    ] = "bytes",
    solver: Annotated[
        str, typer.Option(help=f"What solves the integer programs: {', '.join(SOLVERS)}.")
    ] = "cpsat",
    time: Annotated[
        float,
        typer.Option(
            min=0.01,
            help="Seconds for one integer program; of cpsat its own, the same on any machine.",
        ),
    ] = 1.0,
    grid_: Annotated[
        bool,
        typer.Option(
            "--grid", help="Also a study: repair the first 1, 5, 10, … neurons by every metric and at random."
        ),
    ] = False,
    seeds: Annotated[int, typer.Option(min=0, max=1000, help="With --grid: how many random rankings.")] = 10,
    verify: Annotated[
        int,
        typer.Option(
            min=0,
            help="Ask the verifier before and after the repair, about N validation inputs; 0: do not ask.",
        ),
    ] = 0,
    eps: Annotated[
        int, typer.Option(min=0, max=255, help="With --verify: the radius, in codes of the input.")
    ] = 1,
    timeout: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="With --verify: seconds for one query.")
    ] = 10.0,
    cegis: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            help="With --verify: rounds in which the verifier's counterexamples are further failing tests.",
        ),
    ] = 0,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="DEVICE", help="Conform the repaired network there (see: coverify boards)."
        ),
    ] = None,
    profile: ProfileOption = "tflm",
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Seed of the split of --data and of random rankings.")
    ] = 0,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """Repair INT8 where quantization broke it: change few bytes of its weights, in place.

    A failing test is an input on which INT8 differs from FLOAT (with labels: where FLOAT is right and INT8
    wrong). Fault localization ranks the neurons; integer programs on the int8 weights, with the exact
    requantization, repair them one after another, with as few changed bytes as possible, such that no passing
    test breaks. All other bytes of the file stay. Both networks see the same numbers: FLOAT gets the real
    values of INT8's input codes.

    REPAIRED (exit 0): failing tests of the repair part pass now, and the validation part, which the repair
    is not given, did not get worse (fewer right classes; without labels: fewer of FLOAT's. With labels, the
    message says if fewer are FLOAT's). NOT_REPAIRED (1): otherwise; nothing is written. OK (0): no test of
    the repair part fails, and -o is INT8 as it was, so that a script finds a file wherever the exit code is
    0. Inputs that are in both parts are not refused; how many is told.

    Example: coverify repair net_float.tflite net.tflite --data train.npz -o fixed.tflite --grid --out run
    """
    output = Output(json, out)
    asked = RepairOptions(
        label, layer, method, metric, neurons, criterion, spectrum, threshold, prefer, solver, time,
        seeds if grid_ else None, verify, eps, timeout, cegis, device, seed,
    )  # fmt: skip

    def body() -> Result:
        asked.check()
        if repaired is not None:
            check_place(repaired, original, model, data, validation)
        ends, pair = _paired(original, model, profile)
        convert = conversion_of(ends)
        repair, judged = read_parts(
            pair.reference, data, validation, split, limit, quantize, label == "given", seed, convert
        )
        if device is not None:
            check_device(device, output)
        return Run(asked, output, pair, repair, judged).result(repaired)

    run_verb("repair", output, body)


def _paired(original: Path, model: Path, profile: str) -> tuple[Ends, Pair]:
    """INT8 with its ends, and both networks.  Raises BadInput, TflmError."""
    quantized = Model.read(model)
    if is_float_model(quantized):
        raise BadInput(f"{model.name} is a float network: INT8 comes second (FLOAT.tflite INT8.tflite)")
    ends = Ends.of(quantized, profile)
    pair = Pair.of(Model.read(original), ends.reference)
    if math.prod(sample_shape(ends.reference.output)) < 2:
        raise BadInput(
            f"{model.name} has a single output, whose class is always 0: a repair has nothing to go by; "
            "write one logit w as the two outputs 0 and w, in both networks"
        )
    return ends, pair
