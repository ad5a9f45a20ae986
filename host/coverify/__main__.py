"""The entry point of `coverify` and of `python -m coverify`. Ctrl-C exits with 130 at any time."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; imports are part of it, so that they can be interrupted as well."""
    try:
        from coverify.cli import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
