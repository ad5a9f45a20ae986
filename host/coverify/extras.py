"""What installs an optional package, or that there is none for this Python."""

from __future__ import annotations

import sys
from typing import Final

LAST_OF: Final = {"tflite-runtime": (3, 11), "maraboupy": (3, 11)}
"""The last Python that a package is made for, where it is not the newest; pyproject.toml says the same."""


def installs(distribution: str, extra: str) -> str:
    """The command that installs the package, by the extra that it belongs to; or why there is none."""
    here = sys.version_info[:2]
    last = LAST_OF.get(distribution, here)
    if here > last:
        return "there is none for Python {}.{}, the last is {}.{}".format(*here, *last)
    return f"pip install 'coverify[{extra}]'"
