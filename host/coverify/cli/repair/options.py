"""What the command line says of a repair, checked, and made into the plan of a network."""

from __future__ import annotations

import re
from dataclasses import dataclass

from coverify.errors import BadInput
from coverify.repair.demands import CRITERIA
from coverify.repair.job import METHODS, Plan
from coverify.repair.layer import layers_of
from coverify.repair.metrics import METRICS, RANDOM
from coverify.repair.program import PREFERENCES
from coverify.repair.solvers import SOLVERS
from coverify.repair.spectrum import KINDS, Kind
from tflm_int8 import Reference


@dataclass(frozen=True)
class RepairOptions:
    """What the command line says, beside files.

    solver, time: of the integer programs, seconds for each; seeds: of the study's random rankings, None: no
    study; verify: how many inputs the verifier is asked about, within eps, for timeout seconds each.
    """

    label: str
    layer: str
    method: str
    metric: str
    neurons: int
    criterion: str
    spectrum: str
    threshold: float
    prefer: str
    solver: str
    time: float
    seeds: int | None
    verify: int
    eps: int
    timeout: float
    cegis: int
    device: str | None
    seed: int

    def check(self) -> None:
        """Raises BadInput for a name that is none."""
        for option, value, known in (
            ("label", self.label, ("given", "float")),
            ("method", self.method, METHODS),
            ("metric", self.metric, (*METRICS, RANDOM)),
            ("criterion", self.criterion, CRITERIA),
            ("spectrum", self.spectrum, KINDS),
            ("prefer", self.prefer, PREFERENCES),
            ("solver", self.solver, SOLVERS),
        ):
            if value not in known:
                raise BadInput(f"--{option} {value}: {', '.join(known)}")
        if self.cegis and not self.verify:
            raise BadInput("--cegis needs --verify N: how many inputs the verifier is asked about")

    def plan(self, reference: Reference) -> Plan:
        """With the layers that --layer names.  Raises BadInput."""
        known = [layer.op_index for layer in layers_of(reference)]
        if not known:
            raise BadInput(f"{reference.model.name} has no layer with weights")
        return Plan(
            layers=_layers(self.layer, known),
            method=self.method,
            metric=self.metric,
            neurons=self.neurons or None,
            criterion=next(known for known in CRITERIA if known == self.criterion),
            prefer="bytes" if self.prefer == "bytes" else "size",
            kind=_kind(self.spectrum),
            threshold=self.threshold,
            seed=self.seed,
        )


def _kind(name: str) -> Kind:
    return "status" if name == "status" else "difference"


def _layers(text: str, known: list[int]) -> tuple[int, ...]:
    if text in ("last", "all"):
        return tuple(known[-1:] if text == "last" else reversed(known))
    numbers = text.split(",")
    if not all(re.fullmatch(r"\s*[0-9]{1,9}\s*", number) and int(number) in known for number in numbers):
        raise BadInput(f"--layer {text}: last, all, or operators with weights: {', '.join(map(str, known))}")
    return tuple(dict.fromkeys(int(number) for number in numbers))
