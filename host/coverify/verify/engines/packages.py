"""Which package does an engine need, and is it here? Looked up without importing it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from coverify.extras import installs
from coverify.verify.errors import MissingPackage


@dataclass(frozen=True)
class Package:
    """An import name and its distribution; extra: what it is an extra of, if it is no part of coverify."""

    module: str
    distribution: str
    extra: str | None = "solvers"

    @property
    def hint(self) -> str:
        """What installs it, or why nothing does."""
        return installs(self.distribution, self.extra) if self.extra else f"pip install {self.distribution}"

    @property
    def installed(self) -> bool:
        """Can it be imported, as far as one sees without doing so?"""
        return importlib.util.find_spec(self.module) is not None


PACKAGES: dict[str, Package] = {
    "z3": Package("z3", "z3-solver", None),
    "bitwuzla": Package("bitwuzla", "bitwuzla"),
    "boolector": Package("pyboolector", "pyboolector"),
    "cpsat": Package("ortools", "ortools"),
    "milp": Package("highspy", "highspy"),
    "marabou": Package("maraboupy", "maraboupy"),
    "cardinality": Package("pysat", "python-sat"),
    "eqv": Package("highspy", "highspy"),
}
"""Engine → package; an engine that is not here needs none."""


def usable(engine: str) -> bool:
    """Is the engine's package here, if it needs one?"""
    return engine not in PACKAGES or PACKAGES[engine].installed


def require(engine: str) -> None:
    """MissingPackage unless the engine is usable."""
    if not usable(engine):
        package = PACKAGES[engine]
        raise MissingPackage(engine, package.distribution, package.hint)
