"""What of a counterexample do people see? Its picture, or its few values; its class, or its few outputs. And
what does the file hold that keeps it?
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from coverify.cli.network import Network
from coverify.cli.outcome import versions
from coverify.report import Picture, Values
from coverify.report.rows import MAX_CHANGED, MAX_VALUES
from coverify.verify.archive import Codes
from coverify.verify.breach import Breach
from coverify.verify.property.quantity import Scale
from coverify.verify.query import I64Array, Outcome
from coverify.verify.witness import Witness

_CODES = Scale(Fraction(1), 0)
"""Of values that are their codes."""


@dataclass(frozen=True)
class Shown:
    """inputs, outputs: None of many values (of an input: unless few of them differ); predicted: None of a
    single output, which is no class.
    """

    picture: Picture | None = None
    inputs: Values | None = None
    outputs: Values | None = None
    predicted: int | None = None
    unchanged: bool | None = None


def shown(network: Network, base: Codes, x: Codes, given: Codes | None, a_pair: bool = False) -> Shown:
    """Of a counterexample x beside its base; given: the input that was asked about, None where there was none
    and the base is but the region's middle, unless the two together are the counterexample (a pair).
    """
    subject, based = network.subject, given is not None or a_pair
    pair = np.stack([base.reshape(-1), x.reshape(-1)]).astype(np.int64)
    inputs = _values(pair, subject.input, based) or (_changed(pair, subject.input) if based else None)
    outputs = network.outputs(pair)
    return Shown(
        network.picture(base, x),
        inputs,
        _values(outputs, subject.output, based),
        int(outputs[1].argmax()) if subject.n_output > 1 else None,
        True if given is not None and not a_pair and np.array_equal(given.reshape(-1), pair[1]) else None,
    )


def witness_of(
    network: Network,
    base: Codes,
    x: Codes,
    outcome: Outcome,
    *,
    label: int | None,
    seed: int,
    index: int | None,
    eps: int = 0,
    breach: Breach | None = None,
) -> Witness:
    """The counterexample x (a sample) beside its base, as a file's content.  label: None where the base has
    none that is one of the network's classes; eps: 0 where a property of its own is broken, breach.
    """
    predicted = network.classes(x[None])[0]
    return Witness(
        model=network.content,
        model_name=network.name,
        kind=network.kind,
        profile=network.profile,
        x0=network.shaped(base),
        x=network.shaped(x),
        label=predicted if label is None else label,
        predicted=predicted,
        eps=eps,
        tensors=network.tensors(x),
        engine=outcome.engine,
        seed=seed,
        index=index,
        note=outcome.note,
        versions=versions(),
        breach=breach,
        head=network.head,
    )


def few_values(base: Codes, x: Codes, scale: Scale | None) -> Values | None:
    """An input beside its base: all of its values, or those that differ."""
    pair = np.stack([base.reshape(-1), x.reshape(-1)]).astype(np.int64)
    return _values(pair, scale, True) or _changed(pair, scale)


def _changed(pair: I64Array, scale: Scale | None) -> Values | None:
    """Of an input of many values, those that differ, where they are few."""
    at = np.flatnonzero(pair[0] != pair[1])
    found = _values(pair[:, at], scale, True) if len(at) <= MAX_CHANGED else None
    return None if found is None else found.model_copy(update={"at": tuple(at.tolist())})


def _values(pair: I64Array, scale: Scale | None, based: bool) -> Values | None:
    if not 1 <= pair.shape[1] <= MAX_VALUES:
        return None
    scale = None if scale == _CODES else scale
    base, counterexample = pair.tolist()
    return Values(
        base=tuple(base) if based else None,
        counterexample=tuple(counterexample),
        scale=None if scale is None else float(scale.scale),
        zero_point=0 if scale is None else scale.zero_point,
    )
