"""The entry point of `coverify` and of `python -m coverify`. Ctrl-C exits with 130 at any time."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """Run the command line; imports are part of it, so that they can be interrupted as well."""
    _print_anything()
    try:
        from coverify.cli import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _print_anything() -> None:
    """A character that the encoding of an output has not is shown as "?": no error is worth a result."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
