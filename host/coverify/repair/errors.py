"""What keeps a network from being repaired, one class per thing that the caller can do about it."""

from __future__ import annotations

from coverify.errors import BadInput, CoverifyError


class PairMismatch(BadInput):
    """The float network is not the int8 network's original; `where` names the layer, or the networks."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"the two networks are no pair: {where}: {why}")


class NotRepairable(BadInput):
    """A network or a layer whose weights cannot be changed in place; choose another (see --layer)."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"{where} cannot be repaired: {why}")


class SolverFault(CoverifyError):
    """A solver's process died, or its answer does not satisfy the exact integer rows."""
