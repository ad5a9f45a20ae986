"""What can be wrong with a property file."""

from __future__ import annotations

from pathlib import Path

from coverify.verify.errors import BadQuery


class BadProperty(BadQuery):
    """A property file that is not one, or that does not fit the network: `path`, `line` (if known), `why`."""

    def __init__(self, path: Path, line: int | None, why: str) -> None:
        self.path, self.line, self.why = path, line, why
        super().__init__(f"{path}:{line}: {why}" if line else f"{path}: {why}")


class BadBase(BadQuery):
    """An input around which a property's region cannot be: it lies outside the ranges."""
