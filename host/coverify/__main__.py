"""The entry point of `coverify` and of `python -m coverify`. At any time Ctrl-C exits with 130, SIGTERM with
143, SIGHUP with 129.
"""

from __future__ import annotations

import codecs
import io
import os
import sys

from coverify.interrupts import INTERRUPTED, ending_at_once, exit_code_of, hear_endings

IN_ASCII = {
    "−": "-", "–": "-", "≤": "<=", "≥": ">=", "→": "->", "←": "<-", "…": "...", "·": "*", "×": "x", "±": "+-",
    "ε": "eps", "Δ": "d", "Σ": "sum ", "²": "^2",
}  # fmt: skip
"""How what the verbs write is spelled where a terminal, a file or a pipe takes ASCII alone."""


def main() -> None:
    """Run the command line; imports are part of it, so that they can be interrupted as well."""
    _print_anything()
    hear_endings()
    try:
        with ending_at_once():
            from coverify.cli import app

        app()
    except KeyboardInterrupt as stop:
        sys.stderr.write("interrupted\n")
        sys.exit(exit_code_of(stop))
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's code, whatever interrupts
            sys.exit(exit_code_of(end))
        raise
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _print_anything() -> None:
    """A character that the encoding of an output has not is spelled in ASCII, or shown as "?": no error is
    worth a result.
    """
    codecs.register_error("coverify", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="coverify")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(IN_ASCII.get(c, "?") for c in error.object[error.start : error.end]), error.end


if __name__ == "__main__":
    main()
