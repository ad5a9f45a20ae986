"""Which of two does a device follow? The input that tells them apart is run there, and every tensor compared.

One model under two profiles: CONFIRMED when the device's bytes are all those of the one or all those of
the other, and the note says whose; REFUTED when they are neither's. Two models: CONFIRMED when the device
computes what is expected of each. A file whose expected tensors are not what the references compute is
refused before any device is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coverify.conformance.compare import Comparison
from coverify.conformance.stepping import Runner
from coverify.errors import BadInput
from coverify.replay import NotReplayable, Replayed, compared, ends_of, first_maximum, sample_of
from coverify.report.rows import TensorRow
from coverify.report.verdict import Verdict
from coverify.verify.equivalence.distinction import Computed, Distinction
from tflm_int8 import Ends, Model, Reference

Loaded = Callable[[Model], Runner]
"""The device with a model loaded."""


@dataclass(frozen=True, eq=False)
class Follower:
    """A distinction with both references made, its content checked against them."""

    distinction: Distinction
    ends: tuple[Ends, Ends]

    @staticmethod
    def of(name: str, distinction: Distinction) -> Follower:
        """Raises BadInput (see above; `name` is the file's), TflmError."""
        if distinction.kind != "tflite":
            raise NotReplayable(name, distinction.first.model_name)
        first, second = (_ends(name, side) for side in (distinction.first, distinction.second))
        found = Follower(distinction, (first, second))
        for ends, side in found._sides:
            found._check(name, ends.reference, side)
        found._check_apart(name)
        return found

    @property
    def _sides(self) -> tuple[tuple[Ends, Computed], ...]:
        return (self.ends[0], self.distinction.first), (self.ends[1], self.distinction.second)

    def _check_apart(self, name: str) -> None:
        """BadInput where the outputs differ by no more than the tolerance."""
        one, other = (
            side.tensors[ends.core.outputs[0]].astype(np.int64).reshape(-1) for ends, side in self._sides
        )
        if one.size != other.size:
            raise BadInput(f"{name}: its networks have {one.size} and {other.size} outputs")
        most = int(np.abs(one - other).max())
        if most == 0:
            raise BadInput(f"{name}: both give the same output: it tells nothing apart")
        if most <= self.distinction.tolerance:
            tolerance = f"its tolerance of {self.distinction.tolerance}"
            raise BadInput(f"{name}: no output differs by more than {tolerance}: it tells nothing apart")

    def _check(self, name: str, reference: Reference, side: Computed) -> None:
        if self.distinction.x.size != reference.n_input:
            raise BadInput(f"{name}: its input has {self.distinction.x.size} values: another network's")
        x = reference.parted(self.distinction.x.astype(np.int8)[None])
        trace = {t: values[0] for t, values in reference.trace(*x).items()}
        known = trace.keys() == side.tensors.keys()
        pairs = [(trace[t], side.tensors[t]) for t in trace if known]
        if not known or not all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs):
            raise BadInput(f"{name}: it expects other bytes than {side.profile} computes")
        if first_maximum(trace[reference.output.index].astype(np.int8)) != side.label:
            raise BadInput(f"{name}: its class is not that of the tensors")

    @property
    def models(self) -> tuple[Model, ...]:
        """One model, or the two."""
        first, second = (ends.whole for ends in self.ends)
        return (first,) if first.sha256 == second.sha256 else (first, second)

    def follow(self, loaded: Loaded) -> Replayed:
        """Run it on the device.  Raises what the link raises."""
        if len(self.models) == 1:
            return self._profiles(loaded(self.models[0]))
        return self._networks(loaded)

    def _profiles(self, runner: Runner) -> Replayed:
        names = (self.ends[0].profile, self.ends[1].profile)
        a, b = (self._compared(runner, *side) for side in self._sides)
        if a.flaky or b.flaky:
            return Replayed("FLAKY", "the same input gave two answers", a.rows())
        for comparison, name, other in ((a, *names), (b, *names[::-1])):
            if not comparison.differing_samples:
                return Replayed(
                    "CONFIRMED", f"the device gives {name}'s bytes, not {other}'s", comparison.rows()
                )
        where = " and ".join(
            f"from {name}'s at op {c.mismatches[0].op_index} {c.mismatches[0].op}"
            for c, name in zip((a, b), names, strict=True)
        )
        return Replayed("REFUTED", f"the device gives neither's bytes; they first differ {where}", a.rows())

    def _networks(self, loaded: Loaded) -> Replayed:
        said: list[str] = []
        rows: list[TensorRow] = []
        verdicts: list[Verdict] = []
        for ends, side in self._sides:
            found = self._compared(loaded(ends.whole), ends, side)
            verdicts.append(found.verdict)
            rows += found.rows()
            differs = found.mismatches[0].op if found.mismatches else ""
            said.append(
                f"{side.model_name}: class {side.label}"
                + (f", but {differs} computes other bytes" if differs else ", every byte as expected")
            )
        note = "; ".join(said)
        if "FLAKY" in verdicts:
            return Replayed("FLAKY", f"{note}; the same input gave two answers", tuple(rows))
        return Replayed("CONFIRMED" if set(verdicts) == {"MATCH"} else "REFUTED", note, tuple(rows))

    def _compared(self, runner: Runner, ends: Ends, side: Computed) -> Comparison:
        codes = self.distinction.x.astype(np.int8)
        if len(ends.whole.inputs) == 1:
            codes = codes.reshape(ends.reference.input.shape)
        x, output = sample_of(ends, codes), ends.outer[1]
        expected = {**side.tensors, **ends.written(codes, side.tensors[ends.core.outputs[0]])}
        comparison = Comparison(ends.whole, compared(ends, expected, runner))
        traced = runner.trace(x)
        comparison.add(0, expected, traced, lambda: runner.trace(x))
        comparison.flaky |= not np.array_equal(runner.run(x, head=ends.head), traced[output])
        return comparison


def _ends(name: str, side: Computed) -> Ends:
    """The ends of a side's network.  Raises BadInput, TflmError."""
    return ends_of(name, Model.from_bytes(side.model, side.model_name), side.profile, side.head)
