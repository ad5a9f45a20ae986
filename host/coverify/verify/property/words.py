"""A property in words, short enough for a row of a table."""

from __future__ import annotations

from decimal import Decimal

from coverify.verify.property.document import (
    AnyClaim,
    Decision,
    Joined,
    Linear,
    Monotone,
    Output,
    Range,
    RegionDocument,
    Stays,
    Targeted,
    Top,
)
from coverify.verify.property.quantity import Scale
from coverify.verify.query import IntArray

MAX_WORDS = 400
"""Most characters of a claim, of a region and of a note; the property's file says all of a longer one."""
EVERYWHERE = "on every input"


def shortened(text: str) -> str:
    """The text, cut where it is too long for a row, which its end says."""
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 1]}…"


def claim_words(said: AnyClaim) -> str:
    """A claim of a document."""
    match said:
        case Stays():
            return "the class stays the label"
        case Targeted(classes=classes):
            return f"the class is never {_joined(list(map(str, classes)), 'or', 20)}"
        case Top(k=k):
            return f"the label stays among the {k} greatest outputs"
        case Output(within=int(codes)):
            return f"output {said.index} stays within {_counted(codes, 'code')} of the input's own"
        case Output(within_real=reals) if reals is not None:
            return f"output {said.index} stays within {reals} (real) of the input's own"
        case Decision():
            which = "each output" if said.index is None else f"output {said.index}"
            threshold = (
                f"code {said.threshold_code}" if said.threshold is None else f"{said.threshold} (real)"
            )
            return f"{which} stays on its side of {threshold}"
        case Output():
            lo, hi = said.codes if said.codes is not None else said.real or (0, 0)
            return f"output {said.index} stays within {lo}..{hi}{' (real)' if said.real else ''}"
        case Linear():
            return _relation(said)
        case Joined(kind=kind, claims=claims):
            return _joined([f"({claim_words(c)})" for c in claims], "and" if kind == "all" else "or", 10)
        case Monotone():
            verb = "lowers" if said.direction == "rises" else "raises"
            return f"raising feature {said.feature} never {verb} output {said.output}{_tolerance(said)}"


def _tolerance(said: Monotone) -> str:
    if said.tolerance_real is not None:
        return f" by more than {said.tolerance_real} (real)"
    return f" by more than {_counted(said.tolerance, 'code')}" if said.tolerance else ""


def _joined(texts: list[str], word: str, most: int) -> str:
    """`a or b or 9 more`: so many are written out."""
    more = [f"{len(texts) - most} more"] if len(texts) > most else []
    return f" {word} ".join([*texts[:most], *more])


def _relation(said: Linear) -> str:
    parts = [_term(c, i) for i, c in zip(said.outputs[:20], said.coefficients[:20], strict=True)]
    more = " + …" if len(said.outputs) > 20 else ""
    unit = " (real)" if said.units == "real" else ""
    return f"{' '.join(parts).removeprefix('+ ')}{more} <= {said.at_most}{unit}"


def _term(coefficient: int | Decimal, output: int) -> str:
    times = "" if abs(coefficient) == 1 else f"{abs(coefficient)}·"
    return f"{'-' if coefficient < 0 else '+'} {times}y{output}"


def _span(codes: IntArray | None) -> str:
    """`0 to 3 codes`."""
    if codes is None or not codes.size:
        return "0 codes"
    least, most = int(codes.min()), int(codes.max())
    return _counted(most, "code") if least == most else f"{least} to {_counted(most, 'code')}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def region_words(region: RegionDocument, codes: IntArray | None, free: int) -> str:
    """A region of a document; codes: how far the features may be from the input; free: how many may move."""
    parts = []
    if region.eps is not None:
        parts.append(ball_words(region.eps))
    if region.eps_real is not None:
        side = ", outward" if region.rounding == "outward" else ""
        parts.append(f"within {region.eps_real} (real{side}: {_span(codes)})")
    if region.radius is not None or region.radius_file is not None:
        parts.append(f"within each feature's radius ({_span(codes)})")
    if region.mask is not None:
        parts.append(f"{_counted(len(set(region.mask)), 'feature')} free")
    if region.mask_rectangle is not None:
        parts.append(f"the rectangle {list(region.mask_rectangle)} free")
    if region.mask_file is not None:
        parts.append(f"the mask's {_counted(free, 'feature')} free")
    if region.changes is not None:
        parts.append(f"at most {_counted(region.changes, 'feature')} changed")
    parts += [_range(part) for part in region.range[:5]]
    if len(region.range) > 5:
        parts.append(f"{len(region.range) - 5} more ranges")
    return ", ".join(parts) or EVERYWHERE


def ball_words(eps: int | None) -> str:
    """That features are near the input; None: as near as each question says."""
    return "within each radius" if eps is None else f"within {_counted(eps, 'code')}"


def _range(part: Range) -> str:
    lo, hi = part.codes if part.codes is not None else part.real or (0, 0)
    return f"{_features(part)} in {lo}..{hi}{'' if part.real is None else f' (real, {part.rounding})'}"


def beyond(
    part: Range, codes: tuple[int, int], ends: tuple[int, int], scale: Scale, raised: int = 0
) -> str | None:
    """What is to be said of a range of real values whose codes, before any is clamped, leave the input's;
    raised: as in Subject.
    """
    if part.real is None or (codes[0] >= ends[0] and codes[1] <= ends[1]):
        return None
    reach = f"the input's {span(ends, scale, raised)}"
    said = f"the range of {_features(part)} in {part.real[0]}..{part.real[1]} (real)"
    if part.rounding != "nearest":
        return f"{said} goes beyond {reach}: what is asked about ends there"
    if codes[1] < ends[0] or codes[0] > ends[1]:
        end = (ends[0] if codes[1] < ends[0] else ends[1]) + raised
        return f"{said} lies wholly beyond {reach}: the device clamps it to code {end}, all that is asked"
    return f"{said} goes beyond {reach}: it is clamped there, as on the device"


def span(ends: tuple[int, int], scale: Scale | None, raised: int = 0) -> str:
    """`-6.25..6.5 (codes -128..127)`; only the codes where they are the values, or have none."""
    codes = f"{ends[0] + raised}..{ends[1] + raised}"
    if scale is None:
        return f"codes {codes}"
    if scale.scale == 1 and scale.zero_point == -raised:
        return codes
    return f"{'..'.join(f'{float(scale.real(end)):.6g}' for end in ends)} (codes {codes})"


def _features(part: Range) -> str:
    if part.rectangle is not None:
        return f"the rectangle {list(part.rectangle)}"
    if part.features is None:
        return "all features"
    more = ", …" if len(part.features) > 5 else ""
    return f"feature{'s'[: len(part.features) - 1]} {', '.join(map(str, part.features[:5]))}{more}"
