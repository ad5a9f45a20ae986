"""Where are the templates, and how are they filled? All is escaped; a name that is none is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def environment(finalize: Callable[[Any], Any] | None = None) -> Environment:
    """A new one, to which filters may be added; finalize: what every value goes through before escaping."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
