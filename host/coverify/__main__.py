"""The entry point of `coverify` and of `python -m coverify`. At any time Ctrl-C exits with 130, SIGTERM with
143, SIGHUP with 129.
"""

from __future__ import annotations

import io
import os
import sys

from coverify.interrupts import INTERRUPTED, ending_at_once, exit_code_of, hear_endings


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
    """A character that the encoding of an output has not is shown as "?": no error is worth a result."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
