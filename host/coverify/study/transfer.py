"""What do verdicts of a float network say of its quantized versions?

The property of an input is that every point of its box gets the label. A verdict of the float network that is
another one than the quantized network's is a false one for whoever meant the latter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coverify.study.widths import Standing


@dataclass(frozen=True)
class Transfer:
    """Inputs by what both networks say; `vulnerable`: broken by a witness, or misclassified as they are.

    open: a verdict of the two is missing. misclassified: of false_robust, what the quantized network gets
    wrong as it is.
    """

    both_robust: tuple[int, ...]
    both_vulnerable: tuple[int, ...]
    false_robust: tuple[int, ...]
    false_vulnerable: tuple[int, ...]
    open: tuple[int, ...]
    misclassified: tuple[int, ...]

    @staticmethod
    def of(real: Mapping[int, Standing], quantized: Mapping[int, Standing]) -> Transfer:
        """Of the inputs that were asked of both."""
        found: dict[tuple[bool, bool] | None, list[int]] = {}
        shared = sorted(real.keys() & quantized.keys())
        for i in shared:
            robust = [_robust(standing[i]) for standing in (real, quantized)]
            known = None if None in robust else (bool(robust[0]), bool(robust[1]))
            found.setdefault(known, []).append(i)

        def where(known: tuple[bool, bool] | None) -> tuple[int, ...]:
            return tuple(found.get(known, ()))

        false_robust = where((True, False))
        wrong = tuple(i for i in false_robust if quantized[i] is Standing.WRONG)
        return Transfer(
            where((True, True)), where((False, False)), false_robust, where((False, True)), where(None), wrong
        )


def _robust(standing: Standing) -> bool | None:
    """None: not decided."""
    return None if standing is Standing.OPEN else standing is Standing.ROBUST
