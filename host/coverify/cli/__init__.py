"""The command line: one file per verb, one result per call, its verdict in the exit code.

Exit codes: 0 conforms, holds, confirmed · 1 mismatch, violated, refuted · 2 usage or bad input · 3 link or
device · 4 inconclusive · 130 interrupted (143: by SIGTERM, 129: by SIGHUP).
"""

from __future__ import annotations

import typer

from coverify import __version__
from coverify.cli.verbs import VerbGroup

app = typer.Typer(
    name="coverify",
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Prove or break properties of an int8 TFLM network on its exact integers, and show on the "
    "microcontroller that these integers are the right ones.\n\n"
    "Exit codes: 0 conforms, holds, confirmed; 1 mismatch, violated, refuted; 2 usage or bad input; "
    "3 link or device; 4 inconclusive; 130 interrupted (143: by SIGTERM, 129: by SIGHUP).",
)


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
