"""The command line: one file per verb, one result per call, its verdict in the exit code.

Exit codes: 0 conforms, holds, confirmed · 1 mismatch, violated, refuted · 2 usage or bad input · 3 link or
device · 4 inconclusive · 130 interrupted.
"""

from __future__ import annotations

import typer

from coverify import __version__
from coverify.cli.boards import boards_verb, build, flash_verb
from coverify.cli.check import check_verb
from coverify.cli.conform import conform
from coverify.cli.demo import demo
from coverify.cli.diagnose import diagnose_verb
from coverify.cli.distinguish import distinguish
from coverify.cli.doctor import doctor
from coverify.cli.inspect import inspect
from coverify.cli.kernels import kernels
from coverify.cli.ops import ops
from coverify.cli.repair import repair_verb
from coverify.cli.replay import replay_verb
from coverify.cli.report import report
from coverify.cli.run import run
from coverify.cli.study import study_app
from coverify.cli.verify import verify

app = typer.Typer(
    name="coverify",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Prove or break properties of an int8 TFLM network on its exact integers, and show on the "
    "microcontroller that these integers are the right ones.\n\n"
    "Exit codes: 0 conforms, holds, confirmed; 1 mismatch, violated, refuted; 2 usage or bad input; "
    "3 link or device; 4 inconclusive; 130 interrupted.",
)
app.command("doctor", short_help="What works on this machine, and what is missing.")(doctor)
app.command("boards", short_help="The devices that --device takes.")(boards_verb)
app.command("build", short_help="Build the firmware for an emulated device.")(build)
app.command("flash", short_help="Put firmware on a board; prove what runs.")(flash_verb)
app.command("inspect", short_help="What is in a model; can an accumulator overflow?")(inspect)
app.command("ops", short_help="The operators, and how each was checked.")(ops)
app.command("run", short_help="Run a model on all inputs, here or on a device.")(run)
app.command("conform", short_help="Does the device compute the reference?")(conform)
app.command("diagnose", short_help="Which operator of a device is wrong, and how?")(diagnose_verb)
app.command("kernels", short_help="A device's operators over a grid of shapes.")(kernels)
app.command("verify", short_help="Does a property hold on every input of a region?")(verify)
app.command("distinguish", short_help="Where do two profiles or two networks differ?")(distinguish)
app.command("check", short_help="Re-verify certificates by exact arithmetic.")(check_verb)
app.command("replay", short_help="Run counterexamples on a device.")(replay_verb)
app.command("repair", short_help="Few bytes that mend what quantization broke.")(repair_verb)
app.add_typer(study_app, name="study", short_help="One question of a network in several bit widths.")
app.command("report", short_help="Merge the results of a folder into one page.")(report)
app.command("demo", short_help="The whole loop on an emulated Cortex-M4.")(demo)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"coverify {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Options before the verb."""
