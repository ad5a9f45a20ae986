"""A certificate: what it claims, how its file is read, and when it is accepted.

A .zip with `certificate.json`, the network, the box `box.npy`, where few inputs change `few.npy`, for a
linear claim `claim.npy`, and the arrays of a proof by bounds (proof.py); without these every input of the
box is run. Accepted means that the claim printed is true; what else the file says (who made it) is not part
of it.
"""

import hashlib
import io
import json
import math
import zipfile
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np

from coverify.check.networks.model import PROFILES, Reader, fixed_point
from coverify.check.networks.softmax import FAR, Softmax
from coverify.check.proof import Proof
from coverify.check.steps import CELLS, Highest, Ints, Linear, Network, Rejected, dot, need, small, within

SCHEMA = "coverify-certificate/8"
BUDGET = 10**11  # multiply-adds: some minutes
BROKEN = "an input breaks the claim"  # what an enumeration says that refutes it
MAX_BYTES, MAX_UNPACKED, MAX_JSON, MAX_MEMBERS = 64 << 20, 256 << 20, 1 << 20, 2048


@dataclass(frozen=True, eq=False)
class Claim:
    """What is proved of every integer input x with lo <= x <= hi, of which at most `changes` values are not
    those of `base` (as many as there are, and lo, if any number may differ).

    raised: a feature, or None. If one, x has a value more than the network's input, and the outputs are those
    of two runs: of the others, and of these with that feature raised to this value, or left if it is above.
    model: SHA-256 of the network's bytes; label: the index of its first greatest output; relation: in the
    label's place c [k, n], d [k] and some of the k in each row [m, w]: of these one has c · y <= d, y being
    the outputs; head: of which output tensor. evidence: which, how long.
    """

    model: str
    profile: str
    lo: Ints
    hi: Ints
    label: int | None
    relation: tuple[Ints, Ints, Ints] | None
    base: Ints
    changes: int
    raised: int | None
    head: int
    evidence: str


def check(path: Path | str, budget: int = BUDGET) -> Claim:
    """The claim of a certificate that proves it in at most `budget` multiply-adds.  Raises Rejected."""
    try:
        with Path(path).open("rb") as stream:
            return _checked(unpacked(stream.read(MAX_BYTES + 1)), budget)
    except Rejected:
        raise
    except Exception as err:  # whatever a parser or numpy says of a damaged file: it proves nothing
        raise Rejected("this is no certificate, or a damaged one") from err


def unpacked(data: bytes) -> dict[str, bytes]:
    """The members of a zip archive."""
    need(len(data) <= MAX_BYTES and data.count(b"PK\1\2") <= MAX_MEMBERS, "the file is too large")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        plain = all(i.compress_type in (0, 8) and not i.flag_bits & 1 for i in infos)
        need(plain and sum(i.file_size for i in infos) <= MAX_UNPACKED, "the members are too large")
        need(len({i.filename for i in infos}) == len(infos), "a name that occurs twice")
        # not read(i), which unpacks what is there before it cuts it to the size that the archive says
        return {i.filename: archive.open(i).read(i.file_size + 1) for i in infos}


def arrays_of(members: dict[str, bytes]) -> dict[str, Ints]:
    """The arrays of an archive's .npy files, by name; as int64, but for the many multipliers, as stored."""
    need(all(name.endswith(".npy") for name in members), "other members than arrays")
    arrays = {name[:-4]: np.load(io.BytesIO(data), allow_pickle=False) for name, data in members.items()}
    need(all(np.can_cast(a.dtype, np.int64) and a.ndim <= 2 for a in arrays.values()), "an array's kind")
    need(sum(arrays[name].size for name in arrays if name != "xi") <= 8 * CELLS, "arrays that are too long")
    return {name: small(held if name == "xi" else held.astype(np.int64)) for name, held in arrays.items()}


def _checked(members: dict[str, bytes], budget: int) -> Claim:
    need(len(members["certificate.json"]) <= MAX_JSON, "certificate.json is too large")
    document = json.loads(members.pop("certificate.json"))
    schema, name, profile, label = (document[key] for key in ("schema", "model", "profile", "label"))
    need(schema == SCHEMA, f"its schema is {str(schema)[:40]!r}; this checker reads {SCHEMA}: prove it anew")
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    need(document["files"] == digests, "other members than it says")
    net = network(members.pop(name), profile, head := document.get("head", 0))
    arrays, feature = arrays_of(members), None
    if "raised" in arrays:
        need(label is None and "few" not in arrays, "two runs, of which it says something else")
        net = net.twice(feature := int(arrays.pop("raised").reshape(())))
    box, (least, most) = arrays.pop("box"), net.domain
    need(box.shape == net.domain.shape, "a box of another form")
    need(np.all(np.diff([least, *box, most], axis=0) >= 0), "a box that is empty or beyond the inputs")
    few = few_of(arrays.pop("few", None), box)
    rows = arrays.pop("claim") if label is None else label_stays(len(net.outputs), label)
    width = len(net.outputs) + 1
    need(rows.ndim == 2 and rows.shape[1] == width and 0 < rows.size <= CELLS, "a claim's form")
    some = alternatives(arrays.pop("some"), len(rows)) if label is None and "some" in arrays else None
    relation = None
    if label is None:
        relation = rows[:, :-1], rows[:, -1], np.arange(len(rows))[:, None] if some is None else some
    if "script" in arrays and any(isinstance(step, Softmax) for step in net.steps):
        apart = arrays.pop("apart", None) if label is None else None
        rows = before_softmax(net, box, label, relation, apart, budget)
    elif some is not None:
        rows = one_of(net, rows, some)
    net.put(Linear, len(rows), rows[None, :, :-1], net.outputs[None, None], -rows[:, -1] - 1)
    proved = Proof(net, box, arrays, few).run(budget) if arrays else enumerated(net, box, few, budget)
    return Claim(digests[name], profile, box[0], box[1], label, relation, *few, feature, head, proved)


def few_of(values: Ints | None, box: Ints) -> tuple[Ints, int]:
    """An input, and how many of its values may change: all where nothing is said."""
    need(values is None or values.shape == (box.shape[1] + 1,), "few changes of another form")
    base, changes = (box[0], box.shape[1]) if values is None else (values[:-1], int(values[-1]))
    need(changes >= 0, "fewer changes than none")
    need(np.all((box[0] <= base) & (base <= box[1])), "few changes of an input outside the box")
    return base, changes


def network(content: bytes, profile: str, head: int = 0) -> Network:
    """The network of a member, whose outputs are those of one output tensor."""
    if profile == "fixed-point":
        need(head == 0, "another output than the only one")
        return fixed_point(arrays_of(unpacked(content)))
    need(profile in PROFILES, f"the checker does not know the profile {str(profile)[:40]!r}")
    return Reader(content, profile, head).net


def label_stays(n: int, label: int, least: int = 1, greatest: int = 1) -> Ints:
    """Rows (c, d), x_j − x_label <= d_j: [n, n + 1]. Together they say that the label is the first greatest.

    A later index must push the label out of the ties; an earlier one need only tie with the greatest. Of a
    softmax's inputs x, those tie that are less than `least`..`greatest` below the top.
    """
    need(type(label) is int and 0 <= label < n and n * n <= CELLS, "a label that is none, or one of too many")
    rows = np.eye(n, n + 1, dtype=np.int64)
    rows[:, label] -= 1
    rows[:label, n], rows[label + 1 :, n] = min(least, 1 - greatest) - 1, least - 1
    return rows


def in_order(c: Ints, d: Ints, least: int, greatest: int) -> Ints:
    """The same of a softmax's inputs, of rows which say of its outputs that no other one is above the one of
    the negative coefficients, or that others are below it.
    """
    top = int(c[0].argmin())
    scale, others = -c[:, top], np.delete(c, top, axis=1)
    single = (np.count_nonzero(others, axis=1) == 1) & (others.sum(axis=1) == scale)
    whole = np.all(others.any(axis=0)) and np.all(single & (scale > 0) & (d >= -scale))
    need(whole, "bounds of a relation of a softmax's outputs")
    return np.column_stack([c // scale[:, None], np.where(d < 0, min(least, 1 - greatest), least) - 1])


def before_softmax(
    net: Network, box: Ints, label: int | None, relation: Any, apart: Ints | None, budget: int
) -> Ints:
    """Rows of a last softmax's inputs which show the claim; these are the outputs from now on."""
    *others, softmax = net.steps
    last = isinstance(softmax, Softmax) and np.array_equal(net.outputs, softmax.out)
    need(last and not any(isinstance(s, Softmax) for s in others), "bounds beyond a softmax's outputs")
    net.steps, net.outputs, n = others, softmax.pick, len(softmax.pick)
    lo, hi = net.boxes(box)[:, softmax.pick]
    if apart is None:
        ties = softmax.gaps(lo, hi, budget)
        return in_order(*relation[:2], *ties) if label is None else label_stays(n, label, *ties)
    apart = apart.reshape(n, n)
    need(not apart.diagonal().any() and np.all(np.abs(apart) <= FAR), "distances out of range")
    need(shown_by(apart, softmax.ends(lo, hi, apart, budget), *relation), "distances that do not show it")
    each, (i, j) = np.eye(n, dtype=np.int64), np.nonzero(apart < FAR)
    return np.column_stack([each[j] - each[i], apart[i, j]])


def shown_by(apart: Ints, ends: Ints, c: Ints, d: Ints, some: Ints) -> Any:
    """Does one row of each of `some` follow from bounds of a softmax's outputs, or from the order of two?"""
    most = dot(np.maximum(c, 0), ends[1]) + dot(np.minimum(c, 0), ends[0])
    pair = (np.count_nonzero(c, axis=1) == 2) & (c.sum(axis=1) == 0) & (d >= 0)
    follows = (most <= d) | (pair & (apart[c.argmin(axis=1), c.argmax(axis=1)] <= 0))
    return np.all(follows[some].any(axis=1))


def alternatives(some: Ints, n: int) -> Ints:
    """The numbers of some of n rows."""
    need(some.ndim == 2 and some.size and max(len(some) ** 2, some.size) <= CELLS, "no or many alternatives")
    need(np.all((some >= 0) & (some < n)), "an alternative that does not exist")
    return some


def one_of(net: Network, rows: Ints, some: Ints) -> Ints:
    """Rows which say that of those rows that each of `some` names one holds: its d − c · y is not below 0."""
    slack = net.put(Linear, len(rows), -rows[None, :, :-1], net.outputs[None, None], rows[:, -1])
    net.put(Highest, len(some), slack[some])
    return -np.eye(len(some), len(some) + 1, dtype=np.int64)


def enumerated(net: Network, box: Ints, few: tuple[Ints, int], budget: int) -> str:
    """What the evidence is: every point was run.  Rejected unless each z of the claim is below 0 at all.

    Points are numbered for some of the inputs that vary, the widest first, and those less wide repeat some.
    """
    (base, changes), free = few, int(np.count_nonzero(box[0] < box[1]))
    widest, cost = np.argsort(box[0] - box[1], kind="stable")[:free], net.cost + len(base)
    k = min(changes, free)
    sizes = (box[1] - box[0] + 1)[widest[:k]]
    many = math.lgamma(free + 1) - math.lgamma(k + 1) - math.lgamma(free - k + 1) + float(np.log(sizes).sum())
    within(math.exp(min(many, 99)) * cost / 2, budget)  # in floats: else very large integers may be made
    large = sum(step.out.size + getattr(step, step.reads).size for step in net.steps)
    total, batch = math.prod(sizes.tolist()), max(1, CELLS // large)
    within(math.comb(free, k) * (total * cost), budget)
    radix, groups = np.cumprod(sizes) // sizes, combinations(widest.tolist(), k)
    while some := list(islice(groups, max(1, batch // total))):
        at = np.array(some, np.int64).reshape(len(some), 1, k)
        for start in range(0, total, batch):
            step = np.arange(start, min(start + batch, total))[:, None] // radix % sizes
            x = np.tile(base, (len(at), len(step), 1))
            np.put_along_axis(x, at, np.minimum(box[0, at] + step, box[1, at]), axis=2)
            need(np.all(net.boxes(x[None])[..., net.outputs] < 0), BROKEN)
    return "enumeration"
