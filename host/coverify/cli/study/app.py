"""coverify study: the literature's questions about quantization, answered on exact integers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coverify.cli.campaign import CORES
from coverify.cli.outcome import JsonOption, OutOption, Output, finite, run_verb
from coverify.cli.study import bits as of_bits
from coverify.cli.study import fairness as of_fairness
from coverify.cli.study import transfer as of_transfer
from coverify.cli.study.options import RobustnessOptions
from coverify.cli.verify import MAX_EPS
from coverify.report import Result
from coverify.verify.engines import ENGINES
from coverify.verify.worker import AUTO

study_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Ask the same exact questions of several quantizations of one network (docs/studies.md).",
)

ModelsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="MODEL…",
        help="One float network (.tflite, .npz), or quantized ones of several widths.",
        show_default=False,
    ),
]
InputsOption = Annotated[
    Path,
    typer.Option(
        "--inputs",
        help=".npz with x (uint8 pixels, int8 codes: pixel − 128, or float32 of which all of the given "
        "networks make the same codes), labels y.",
    ),
]
BitsOption = Annotated[str, typer.Option("--bits", help="Widths of the quantized networks: 4-10, 4,6,8.")]
SchemeOption = Annotated[
    str,
    typer.Option(
        "--scheme",
        help="fixed (powers of two), affine (int8 .tflite files, up to 8 bits), or fixed,affine.",
    ),
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option("--calibration", help="An .npz whose x give the activations' ranges. Default: --inputs."),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, callback=finite, help="Seconds for one query.")
]
JobsOption = Annotated[int, typer.Option("--jobs", min=1, max=1000, help="Solvers at work at once.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of the search.")]
EngineOption = Annotated[str, typer.Option("--engine", help=f"{AUTO}, {', '.join(ENGINES)}.")]
RangeOption = Annotated[
    str,
    typer.Option(
        "--input-range", metavar="LO,HI", help="The real inputs that the codes 0 and 255 stand for."
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="Replay there what differs between widths."),
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Forget what --out DIR holds of these networks.")]


@study_app.command("bits", short_help="How many bits does it take? Accuracy, exact robustness.")
def bits_verb(
    models: ModelsArgument,
    inputs: InputsOption,
    eps: Annotated[int, typer.Option(min=0, max=MAX_EPS, help="Radius in codes, at all widths.")],
    bits: BitsOption = "4-10",
    scheme: SchemeOption = "fixed,affine",
    index: Annotated[
        str | None, typer.Option(help="Whose robustness is asked: 0,3,10-19. Default: all inputs.")
    ] = None,
    calibration: CalibrationOption = None,
    input_range: RangeOption = "0,1",
    engine: EngineOption = AUTO,
    timeout: TimeoutOption = 60.0,
    jobs: JobsOption = CORES,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    fresh: FreshOption = False,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """How many bits does it take? Accuracy and exact robust accuracy at each width, and what is not monotone.

    A float network is quantized to every width, in fixed point (.npz) and as int8 .tflite files whose
    activations use only so many bits, so that they run on a device. All widths take the same codes: a region
    and a counterexample mean the same at each. UNKNOWN queries are counted as open: robust accuracy is then a
    range. Listed: inputs that are robust at one width and broken at the next; how many counterexamples of a
    width still work at another; with --device, what the device says of them.

    --out DIR is needed: it gets the networks, one folder of queries and witnesses per width, bits.svg, and a
    journal, so that the same command goes on where it was ended. Exits with 0 when every query was decided,
    with 4 when one is open, with 1 when the device contradicts the reference.

    Example: coverify study bits net_float.tflite --inputs test.npz --eps 8 --index 0-19 --out run

    coverify study bits net_q4.npz net_q8.npz --inputs test.npz --eps 1 --index 0-19 --out run
    """
    output = Output(json, out)
    options = RobustnessOptions(
        models, inputs, bits, scheme, index, calibration, input_range, engine, timeout, jobs, seed, device,
        fresh, eps,
    )  # fmt: skip

    def body() -> Result:
        return of_bits.studied(options, output)

    run_verb("study-bits", output, body, options.goes_on)


@study_app.command("transfer", short_help="What is a proof about the float network worth?")
def transfer_verb(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A float network (.tflite, .npz).", show_default=False)
    ],
    inputs: InputsOption,
    eps: Annotated[int, typer.Option(min=0, max=MAX_EPS, help="Radius in codes, for all networks.")],
    bits: BitsOption = "4-10",
    scheme: SchemeOption = "fixed,affine",
    index: Annotated[
        str | None, typer.Option(help="Whose robustness is asked: 0,3,10-19. Default: all inputs.")
    ] = None,
    calibration: CalibrationOption = None,
    input_range: RangeOption = "0,1",
    engine: EngineOption = AUTO,
    timeout: TimeoutOption = 60.0,
    jobs: JobsOption = CORES,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    fresh: FreshOption = False,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """What is a proof about the float network worth for its quantized versions? False verdicts, counted.

    The float network is decided on every real input of the box, in exact arithmetic: HOLDS is proved in
    integers, VIOLATED is a point that was run exactly (linear programs by HiGHS lead the search, and nothing
    rests on them). Its quantized versions are decided as in `study bits`. Falsely robust: the float network
    is robust and the quantized one is not (a counterexample, or wrong as it is). Falsely vulnerable: the
    other way round. Counterexamples of each are tried on the other, those of the float network rounded to
    codes; with --device, all of them are run there at every int8 width.

    --out DIR is needed: networks, one folder of answers and witnesses for each (float/: counterexamples in
    codes, .npz), transfer.svg, counterexamples.svg, and a journal, so that the same command goes on where it
    was ended. Widths that `study bits` has answered in DIR are not asked again. Exits with 0 when every query
    was decided, with 4 when one is open, with 1 when the device contradicts the reference.

    Example: coverify study transfer net_float.npz --inputs test.npz --eps 8 --index 0-49 --out run
    """
    output = Output(json, out)
    options = RobustnessOptions(
        [model], inputs, bits, scheme, index, calibration, input_range, engine, timeout, jobs, seed, device,
        fresh, eps,
    )  # fmt: skip

    def body() -> Result:
        return of_transfer.studied(options, output)

    run_verb("study-transfer", output, body, options.goes_on)


@study_app.command("fairness", short_help="How unfair can it be? The largest gap of two twins.")
def fairness_verb(
    models: ModelsArgument,
    inputs: InputsOption,
    protected: Annotated[
        str, typer.Option(help="The protected features, by number: 1,3 (codes that the data have).")
    ],
    eps: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_EPS, help="Only copies within so many codes of an input (--index); else all."
        ),
    ] = None,
    score: Annotated[
        int | None,
        typer.Option(min=0, help="The output whose gap is asked; of two outputs: 1 minus 0."),
    ] = None,
    bits: BitsOption = "4-8",
    scheme: SchemeOption = "fixed,affine",
    index: Annotated[
        str | None, typer.Option(help="With --eps: around which inputs. Default: all of them.")
    ] = None,
    calibration: CalibrationOption = None,
    input_range: RangeOption = "0,1",
    engine: EngineOption = AUTO,
    timeout: TimeoutOption = 60.0,
    jobs: JobsOption = CORES,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    fresh: FreshOption = False,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """How unfair can it be? The largest gap of the score between copies that differ in protected features.

    Both copies have the same other features, anywhere between the data's least and greatest codes (or within
    --eps of an input); a protected feature takes the codes that the data have, or, where these are more than
    four, everything between their ends. The largest gap is found by bisection: at least that of a pair that
    was run, at most what is proved; the two meet unless a query was UNKNOWN. Also: of how many inputs the
    class changes with the protected features alone.

    --out DIR is needed: it gets the networks, pair-NAME.npz, fairness.svg, and what is known of each network,
    so that the same command goes on where it was ended. Exits with 0 when every gap is known exactly, with 4
    when one is not, with 1 when the device contradicts the reference on a pair.

    Example: coverify study fairness net_float.npz --inputs test.npz --protected 1 --bits 3-8 --out run
    """
    output = Output(json, out)
    options = of_fairness.FairnessOptions(
        models, inputs, bits, scheme, index, calibration, input_range, engine, timeout, jobs, seed, device,
        fresh, eps, protected, score,
    )  # fmt: skip

    def body() -> Result:
        return of_fairness.studied(options, output)

    run_verb("study-fairness", output, body, options.goes_on)
