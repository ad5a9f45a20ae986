"""Whose arithmetic does a reference follow?  Kernel profiles: a named table operator → variant.

A `Variant` holds the facts about one operator's kernel that differ between runtimes (and between versions of
one runtime); everything else is common to all and stands in `kernels/`. An unknown profile is refused; there
is no default variant for an operator that its table does not vouch for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from tflm_int8.errors import UnknownProfile
from tflm_int8.fixedpoint import Rounding


class Scales(Enum):
    """The type in which products and ratios of scales are taken before they become a multiplier."""

    DOUBLE = "double"
    FLOAT32 = "float32"


@dataclass(frozen=True)
class Variant:
    """One operator's kernel in one runtime: how it rounds, and how it takes the ratios of scales."""

    rounding: Rounding
    scales: Scales


def _frozen(variants: Mapping[str, Variant]) -> Mapping[str, Variant]:
    return MappingProxyType(dict(variants))


@dataclass(frozen=True)
class Profile:
    """A runtime's kernels: `variants` by builtin operator name, `default` for every other operator."""

    name: str
    default: Variant
    variants: Mapping[str, Variant] = field(default_factory=lambda: _frozen({}))

    def of(self, operator: str) -> Variant:
        """The variant of an operator, given by its builtin name."""
        return self.variants.get(operator, self.default)


TFLM: Final = Profile("tflm", Variant(Rounding.DOUBLE, Scales.DOUBLE))

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType({p.name: p for p in (TFLM,)})
"""Every profile by its name."""


def profile_named(name: str) -> Profile:
    """The profile of that name.  Raises UnknownProfile, which lists those that there are."""
    if name not in PROFILES:
        raise UnknownProfile(name, tuple(PROFILES))
    return PROFILES[name]
