"""What can go wrong in a verification, one class per thing that a caller can do about it."""

from __future__ import annotations

from coverify.errors import BadInput, CoverifyError


class BadQuery(BadInput):
    """The query makes no sense for this network (wrong size, label or radius, unknown engine)."""


class BadNetwork(BadInput):
    """A file that is not a fixed-point network, or one whose integers are not proved to stay in range."""


class MissingPackage(BadInput):
    """An engine was asked for whose optional package is not installed."""

    def __init__(self, engine: str, distribution: str, hint: str) -> None:
        """`engine` by name, the package's `distribution`, and the `hint` that installs it."""
        self.engine, self.distribution, self.hint = engine, distribution, hint
        super().__init__(f"engine {engine} needs the package {distribution}, which is not installed: {hint}")

    def __reduce__(self) -> tuple[type[MissingPackage], tuple[str, str, str]]:
        """It comes from another machine."""
        return MissingPackage, (self.engine, self.distribution, self.hint)


class BadWitness(BadInput):
    """A witness file that cannot be trusted: damaged, too large, of another schema, or contradicting
    itself.
    """


class EngineFault(CoverifyError):
    """An engine gave a witness that, run on the whole program, breaks nothing: a defect, never a verdict."""

    def __init__(self, engine: str, why: str) -> None:
        """`engine` by name, and what was wrong with its answer."""
        self.engine, self.why = engine, why
        super().__init__(
            f"internal error: engine {engine}: {why}; please report it with the model and the query"
        )

    def __reduce__(self) -> tuple[type[EngineFault], tuple[str, str]]:
        """It comes out of a child process, or from another machine."""
        return EngineFault, (self.engine, self.why)


class CannotDecide(Exception):
    """An engine does not cover this network or this query, and says why; its caller makes it an UNKNOWN."""


class GaveUp(CannotDecide):
    """A solver ended without an answer though it had time left, and says why: of this question alone."""
