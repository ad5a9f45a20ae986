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
app.command("doctor")(doctor)
app.command("boards")(boards_verb)
app.command("build")(build)
app.command("flash")(flash_verb)
app.command("inspect")(inspect)
app.command("ops")(ops)
app.command("run")(run)
app.command("conform")(conform)
app.command("diagnose")(diagnose_verb)
app.command("kernels")(kernels)
app.command("verify")(verify)
app.command("distinguish")(distinguish)
app.command("check")(check_verb)
app.command("replay")(replay_verb)
app.command("repair")(repair_verb)
app.add_typer(study_app, name="study")
app.command("report")(report)
app.command("demo")(demo)


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
