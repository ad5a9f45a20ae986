"""coverify study: the literature's questions about quantization, answered on exact integers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coverify.cli.outcome import JsonOption, OutOption, Output, run_verb
from coverify.cli.study_bits import Asked, studied
from coverify.cli.verify import CORES, MAX_EPS
from coverify.report import Result
from coverify.verify.engines import ENGINES
from coverify.verify.worker import AUTO

study_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Ask the same exact questions of several quantizations of one network (docs/studies.md).",
)

EngineOption = Annotated[str, typer.Option(help=f"{AUTO}, {', '.join(ENGINES)}.")]
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


@study_app.command("bits")
def bits_verb(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL…",
            help="One float network (.tflite, .npz), or quantized ones of several widths.",
            show_default=False,
        ),
    ],
    inputs: Annotated[Path, typer.Option(help=".npz with x (uint8 pixels) and labels y.")],
    eps: Annotated[int, typer.Option(min=0, max=MAX_EPS, help="Radius in pixel values, at all widths.")],
    bits: Annotated[str, typer.Option(help="Widths of the quantized networks: 4-10, 4,6,8.")] = "4-10",
    scheme: Annotated[
        str,
        typer.Option(
            help="fixed (powers of two), affine (int8 .tflite files, up to 8 bits), or fixed,affine."
        ),
    ] = "fixed,affine",
    index: Annotated[
        str | None, typer.Option(help="Whose robustness is asked: 0,3,10-19. Default: all inputs.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="An .npz whose x give the activations' ranges. Default: --inputs.")
    ] = None,
    input_range: RangeOption = "0,1",
    engine: EngineOption = AUTO,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one query.")] = 60.0,
    jobs: Annotated[int, typer.Option(min=1, max=1000, help="Queries at work at once.")] = CORES,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the attack.")] = 0,
    device: DeviceOption = None,
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

    Examples: coverify study bits net_float.tflite --inputs test.npz --eps 2 --index 0-49 --out run

    coverify study bits net_q4.npz net_q8.npz --inputs test.npz --eps 1 --index 0-19 --out run
    """
    output = Output(json, out)

    def body() -> Result:
        asked = Asked(
            models, inputs, eps, bits, scheme, index, calibration, input_range, engine, timeout, jobs, seed,
            device,
        )  # fmt: skip
        return studied(asked, output)

    run_verb("study-bits", output, body)
