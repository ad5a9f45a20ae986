"""A certificate: what it claims, how its file is read, and when it is accepted.

A .zip with `certificate.json`, the network, the box `box.npy`, for a linear claim `claim.npy`, and the arrays
of a proof by bounds (proof.py); without these every input of the box is run. Accepted means that the claim
printed is true; what else the file says (who made it) is not part of it.
"""

import hashlib
import io
import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coverify.check.model import PROFILES, Reader, fixed_point
from coverify.check.proof import Proof
from coverify.check.steps import CELLS, Ints, Network, Rejected, dot, need, small, wide

SCHEMA = "coverify-certificate/3"
BUDGET = 10**11  # multiply-adds: some minutes
MAX_BYTES, MAX_UNPACKED, MAX_MEMBERS = 64 << 20, 256 << 20, 2048


@dataclass(frozen=True, eq=False)
class Claim:
    """What is proved of every integer input x with lo <= x <= hi.

    model: SHA-256 of the network's bytes; label: the index of its first greatest output; relation: in the
    label's place c [k, n] and d [k], where c · y <= d holds of the outputs y. evidence: which, how long.
    """

    model: str
    profile: str
    lo: Ints
    hi: Ints
    label: int | None
    relation: tuple[Ints, Ints] | None
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
    """The arrays of an archive, by name."""
    need(all(name.endswith(".npy") for name in members), "other members than arrays")
    return {name[:-4]: array(data) for name, data in members.items()}


def array(data: bytes) -> Ints:
    """The integers of a .npy file, in the type that they are stored in."""
    stream, form = io.BytesIO(data), np.lib.format
    need(form.read_magic(stream) == (1, 0), "an array of another version")  # type: ignore[no-untyped-call]
    shape, fortran, dtype = form.read_array_header_1_0(stream)  # type: ignore[no-untyped-call]
    need(dtype.kind in "iu" and dtype.str[1:] != "u8" and not fortran, "an array of another kind")
    need(len(shape) <= 2 and min(shape, default=0) >= 0, "an array's shape")
    return small(np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape))


def _checked(members: dict[str, bytes], budget: int) -> Claim:
    document = json.loads(members.pop("certificate.json"))
    schema = document["schema"]
    need(schema == SCHEMA, f"its schema is {str(schema)[:40]!r}; this checker reads {SCHEMA}: prove it anew")
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    need(document["files"] == digests, "other members than it says")
    name, profile, label = (document[key] for key in ("model", "profile", "label"))
    net = network(members.pop(name), profile)
    arrays = arrays_of(members)
    box, (least, most) = wide(arrays.pop("box")), net.domain
    need(box.shape == net.domain.shape, "a box of another form")
    need(np.all(np.diff([least, *box, most], axis=0) >= 0), "a box that is empty or beyond the inputs")
    root, softmax = net.boxes(box), net.softmax if "script" in arrays else None
    n, ties = root[-1].shape[1], ()
    need(label is None or (type(label) is int and 0 <= label < n), "a label that is none")
    if softmax is not None:
        need(label is not None, "bounds of a relation of a softmax's outputs")
        ties = softmax.gaps(*root[-1], budget)
    rows = wide(arrays.pop("claim")) if label is None else label_stays(n, label, *ties)
    need(rows.ndim == 2 and rows.shape[1] == n + 1, "a claim's form")
    evidence = "enumeration"
    if "script" in arrays:
        script = wide(arrays.pop("script")).reshape(-1, 4)
        proof = Proof(net, box, rows, arrays)
        within(proof.products(script), budget)
        proof.run(script)
        evidence = f"bounds, {len(script)} steps"
    else:
        need(not arrays, "arrays that do not belong there")
        enumerate_box(net, box, budget, rows)
    relation = (rows[:, :-1], rows[:, -1]) if label is None else None
    return Claim(digests[name], profile, box[0], box[1], label, relation, evidence)


def network(content: bytes, profile: str) -> Network:
    """The network of a member."""
    if profile == "fixed-point":
        arrays = arrays_of(unpacked(content))
        need(sum(values.size for values in arrays.values()) <= 1 << 25, "a network of too many products")
        return fixed_point({name: wide(values) for name, values in arrays.items()})
    need(profile in PROFILES, f"the checker does not know the profile {str(profile)[:40]!r}")
    return Reader(content, profile).network


def label_stays(n: int, label: int, least: int = 1, greatest: int = 1) -> Ints:
    """Rows (c, d), x_j − x_label <= d_j: [n, n + 1]. Together they say that the label is the first greatest.

    A later index must push the label out of the ties; an earlier one need only tie with the greatest. Of a
    softmax's inputs x, those tie that are less than `least`..`greatest` below the top.
    """
    need(n * n <= CELLS, "a label of too many")
    rows = np.eye(n, n + 1, dtype=np.int64)
    rows[:, label] -= 1
    rows[:label, n], rows[label + 1 :, n] = min(least, 1 - greatest) - 1, least - 1
    return rows


def within(products: int, budget: int) -> None:
    """Rejected when it would take too long."""
    need(products <= budget, f"it takes up to {products:.1e} multiply-adds; the budget is {budget:.1e}")


def enumerate_box(net: Network, box: Ints, budget: int, rows: Ints) -> None:
    """Run every point of the box: do all outputs keep the rows of the claim?"""
    sizes = box[1] - box[0] + 1
    total, cost = math.prod(sizes.tolist()), net.cost + len(sizes) + rows.size
    within(total * cost, budget)
    batch, radix = max(1, CELLS // cost), np.cumprod(np.append(1, sizes[:-1]))
    for start in range(0, total, batch):
        x = box[0] + np.arange(start, min(start + batch, total))[:, None] // radix % sizes
        need(np.all(dot(net.run(x), rows[:, :-1].T) <= rows[:, -1]), "an input of the box breaks the claim")
