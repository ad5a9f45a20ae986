"""The verbs of the command line, each imported when it is called: no verb needs all that the others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from coverify.interrupts import ending_at_once


@dataclass(frozen=True)
class Verb:
    """A function or a Typer app, `attribute` of coverify.cli.`module`, and what it is for in half a line."""

    module: str
    attribute: str
    help: str


VERBS = {
    "doctor": Verb("doctor", "doctor", "What works on this machine, and what is missing."),
    "boards": Verb("boards", "boards_verb", "The devices that --device takes."),
    "build": Verb("boards", "build", "Build the firmware for an emulated device."),
    "flash": Verb("boards", "flash_verb", "Put firmware on a board; prove what runs."),
    "inspect": Verb("inspect", "inspect", "What is in a model; can an accumulator overflow?"),
    "ops": Verb("ops", "ops", "The operators, and how each was checked."),
    "run": Verb("run", "run", "Run a model on all inputs, here or on a device."),
    "conform": Verb("conform", "conform", "Does the device compute the reference?"),
    "diagnose": Verb("diagnose", "diagnose_verb", "Which operator of a device is wrong, and how?"),
    "kernels": Verb("kernels", "kernels", "A device's operators over a grid of shapes."),
    "verify": Verb("verify", "verify", "Does a property hold on every input of a region?"),
    "distinguish": Verb("distinguish.verb", "distinguish", "Where do two profiles or two networks differ?"),
    "check": Verb("check", "check_verb", "Re-verify certificates by exact arithmetic."),
    "replay": Verb("replay.verb", "replay_verb", "Run counterexamples on a device."),
    "repair": Verb("repair.verb", "repair_verb", "Few bytes that mend what quantization broke."),
    "study": Verb("study.app", "study_app", "One question of a network in several bit widths."),
    "report": Verb("report", "report", "Merge the results of a folder into one page."),
    "demo": Verb("demo", "demo", "The whole loop on an emulated Cortex-M4."),
}


def in_plain_digits(command: Any) -> Any:
    """The command, whose options and arguments take numbers of the digits 0 to 9 alone."""
    for part in getattr(command, "commands", {}).values():
        in_plain_digits(part)
    for parameter in filter(takes_a_number, command.params):
        parameter.process_value = _checked(parameter)
    return command


def takes_a_number(parameter: Any) -> bool:
    """By click's type, or by the annotation that later releases of typer keep instead."""
    if (kind := getattr(parameter, "type", None)) is not None:
        return kind.name.partition(" ")[0] in ("integer", "float")
    return parameter.type_descriptor.annotation in (int, float)


def _checked(parameter: Any) -> Callable[[Any, Any], Any]:
    """What makes a number of a text, which refuses what Python takes besides: other digits, and 1_000."""
    processed = parameter.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        if isinstance(value, str) and not (value.isascii() and "_" not in value):
            raise typer.BadParameter(f"{value!r} is no number of the digits 0 to 9.", ctx, parameter)
        return processed(ctx, value)

    return process_value


def json_of(words: list[str]) -> str | None:
    """What --json says in words that may not be a command otherwise."""
    for word, after in zip(words, [*words[1:], None], strict=True):
        if word == "--":
            return None
        if word == "--json":
            return after
        if word.startswith("--json="):
            return word.removeprefix("--json=")
    return None


class VerbGroup(TyperGroup):
    """The commands of VERBS, in its order.

    Contexts, commands and formatters are click's or those of typer's own copy of it, by its release.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs' names."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One verb, imported; None where there is none of that name."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        with ending_at_once():
            what = getattr(import_module(f"coverify.cli.{verb.module}"), verb.attribute)
        if isinstance(what, typer.Typer):
            return in_plain_digits(typer.main.get_command(what))
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(cmd_name, short_help=verb.help)(what)
        return in_plain_digits(typer.main.get_command(alone))

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Keep the words, of which `invoke` may need the verb and its --json."""
        ctx.meta[__name__] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; a usage error (click's or typer's) is a result as well where --json asks for one."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            words = ctx.meta[__name__]
            if (
                hasattr(error, "format_message")
                and words[0] in VERBS
                and (json := json_of(words)) is not None
            ):
                from coverify.cli.outcome import tell_misuse

                study = words[0] == "study" and words[1] in ("bits", "transfer", "fairness")
                tell_misuse("-".join(words[: 1 + study]), json, error.format_message())
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in --help, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])
