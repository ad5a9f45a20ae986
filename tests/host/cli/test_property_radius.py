"""coverify verify --property with --eps and --radius: how far around an input does a claim hold?"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from command import coverify
from coverify.verify.witness import Witness
from oracle import NETWORKS, Tflm
from softmax_networks import network

LIMIT, N_INPUTS = 7, 4
Rows = dict[tuple[int, ...], np.ndarray]
Broken = Callable[[Rows, tuple[int, ...], tuple[int, ...]], bool]


def _label_of(y: np.ndarray) -> int:
    return int(y.argmax())


def _before(y: np.ndarray, label: int) -> int:
    """How many outputs come before the label's."""
    return sum(y[k] > y[label] or (y[k] == y[label] and k < label) for k in range(len(y)))


def _raised(seen: Rows, x: tuple[int, ...]) -> Iterator[np.ndarray]:
    return (y for other, y in seen.items() if other[0] > x[0] and other[1] == x[1])


CLAIMS: dict[str, tuple[str, Broken]] = {
    "decision": (
        "[claim]\nkind = 'decision'\nindex = 1\nthreshold_code = -60\n",
        lambda seen, x0, x: (seen[x][1] >= -60) != (seen[x0][1] >= -60),
    ),
    "within": (
        "[claim]\nkind = 'output'\nindex = 0\nwithin = 9\n",
        lambda seen, x0, x: abs(int(seen[x][0]) - int(seen[x0][0])) > 9,
    ),
    "top": (
        "[claim]\nkind = 'top'\nk = 2\n",
        lambda seen, x0, x: _before(seen[x], _label_of(seen[x0])) >= 2,
    ),
    "one input": (
        "[region]\nmask = [1]\n[claim]\nkind = 'label'\n",
        lambda seen, x0, x: x[0] == x0[0] and _label_of(seen[x]) != _label_of(seen[x0]),
    ),
    "one change": (
        "[region]\nchanges = 1\n[claim]\nkind = 'label'\n",
        lambda seen, x0, x: (x[0] == x0[0] or x[1] == x0[1]) and _label_of(seen[x]) != _label_of(seen[x0]),
    ),
    "range": (
        "[region]\nrange = [{features = [0], codes = [-128, 20]}]\n[claim]\nkind = 'label'\n",
        lambda seen, x0, x: x[0] <= 20 and _label_of(seen[x]) != _label_of(seen[x0]),
    ),
    "monotone": (
        "[claim]\nkind = 'monotone'\nfeature = 0\noutput = 1\n",
        lambda seen, x0, x: any(y[1] < seen[x][1] for y in _raised(seen, x)),
    ),
}


def _largest(tflm: Tflm, x0: tuple[int, ...], broken: Broken) -> int:
    """The largest radius up to LIMIT on which nothing is broken, by TFLM on every input; -1: none."""
    for eps in range(LIMIT + 1):
        sides = [range(max(-128, v - eps), min(127, v + eps) + 1) for v in x0]
        seen = {
            x: tflm.run(np.array([x], np.int8)).reshape(-1).astype(int) for x in itertools.product(*sides)
        }
        if any(broken(seen, x0, x) for x in seen):
            return eps - 1
    return LIMIT


@pytest.mark.parametrize("seed", [4, 9])
@pytest.mark.parametrize("kind", CLAIMS)
def test_the_largest_radius_of_a_claim_is_the_one_of_every_input_run(tmp_path, kind, seed):
    text, broken = CLAIMS[kind]
    content, rng = network(seed), np.random.default_rng(seed)
    (tmp_path / "net.tflite").write_bytes(content)
    (tmp_path / "p.toml").write_text(text)
    x, tflm = rng.integers(-60, 20, (N_INPUTS, 2)).astype(np.int8), Tflm(content)
    np.savez(tmp_path / "x.npz", x=x)
    done = coverify("verify", tmp_path / "net.tflite", "--property", tmp_path / "p.toml",
                    "--inputs", tmp_path / "x.npz", "--radius", LIMIT,
                    "--out", tmp_path / "run", "--json", "-")  # fmt: skip
    assert done.code == 0, done
    wanted = [_largest(tflm, tuple(row.tolist()), broken) for row in x]
    rows = [dict.fromkeys(("certified", "attacked", "witness")) | row for row in done.result["radii"]]
    assert [-1 if row["certified"] is None else row["certified"] for row in rows] == wanted
    assert done.result["message"].startswith("property: ")
    assert "within each radius" in done.result["message"]
    for row in rows:
        if row["witness"] is None:
            assert row["certified"] == LIMIT and row["attacked"] is None
            continue
        assert (
            row["attacked"] == row["certified"] + 1 if row["certified"] is not None else row["attacked"] == 0
        )
        assert row["witness"] == f"witness-{row['index']}-property-eps{row['attacked']}.zip"
        witness = Witness.read(tmp_path / "run" / row["witness"])
        at = tuple(x[row["index"]].tolist())
        ends = [tuple(end.reshape(-1).tolist()) for end in (witness.x0, witness.x)]
        assert max(abs(a - b) for end in ends for a, b in zip(end, at, strict=True)) == row["attacked"]
        assert witness.breach is not None
        assert witness.breach.broken(
            *(tflm.run(end.reshape(1, 2)).reshape(-1) for end in (witness.x0, witness.x))
        )


def test_a_radius_that_was_asked_about_is_not_asked_again_and_checks_and_replays(tmp_path):
    mlp, x = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
    (tmp_path / "p.toml").write_text("[region]\nmask = [20, 28]\n[claim]\nkind = 'top'\nk = 2\n")
    said = ("verify", mlp, "--property", tmp_path / "p.toml", "--inputs", x, "--index", "0-3",
            "--out", tmp_path / "run", "--json", "-")  # fmt: skip
    first = coverify(*said, "--eps", "60,250")
    assert first.code in (0, 1), first
    again = coverify(*said, "--eps", "60,200,250")
    rows = {(row["index"], row["eps"]): row for row in again.result["queries"]}
    assert sorted(rows) == [(i, eps) for i in range(4) for eps in (60, 200, 250)]
    assert all(rows[row["index"], row["eps"]] == row for row in first.result["queries"])
    assert [point["eps"] for point in again.result["curve"]] == [60, 200, 250]
    assert "Inputs for which the property is certified" in (tmp_path / "run" / "accuracy.svg").read_text()
    refused = coverify(*said, "--radius", 250)
    assert refused.code == 2 and "'each radius' there, 'the largest radius' here" in refused.result["message"]
    radii = coverify(*said[:-4], "--radius", 250, "--out", tmp_path / "radius", "--json", "-").result["radii"]
    for row in radii:
        for eps in (60, 200, 250):
            verdict = rows[row["index"], eps]["verdict"]
            assert verdict in ("UNKNOWN", "HOLDS" if eps <= row.get("certified", -1) else "VIOLATED")
    assert coverify("check", tmp_path / "radius").code == 0
    if any("witness" in row for row in radii):
        assert coverify("replay", tmp_path / "radius", "--device", "native:").code == 0


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("[region]\neps = 2\n", ["--radius", 3], "leave out --eps and --radius, or in the file eps, "),
        ("[region]\neps_real = 0.1\n", ["--eps", 3], "says how near features are to the input"),
        ("[region]\nradius = [2, 1]\n", ["--eps", 3], "says how near features are to the input"),
        ("", ["--eps", "1,2", "--radius", 3], "--eps N about these radii, or --radius MAX"),
        ("", ["--radius", 3, "--explain"], "not with --radius"),
        ("", ["--radius", 3, "--mask", "0"], "belong in the file"),
        ("[region]\nrange = [{codes = [90, 99]}]\n", ["--radius", 3], "input 0: feature 0: its range"),
        ("[region]\nrange = [{codes = [90, 99]}]\n", ["--eps", 3], "input 0: feature 0: its range"),
    ],
)
def test_a_radius_that_makes_no_sense_is_refused_before_anything_is_asked(tmp_path, text, options, why):
    (tmp_path / "net.tflite").write_bytes(network(4))
    (tmp_path / "p.toml").write_text(f"{text}[claim]\nkind = 'label'\n")
    np.savez(tmp_path / "x.npz", x=np.array([[1, 2]], np.int8))
    done = coverify("verify", tmp_path / "net.tflite", "--property", tmp_path / "p.toml", "--inputs",
                    tmp_path / "x.npz", *options, "--out", tmp_path / "run", "--json", "-")  # fmt: skip
    assert done.code == 2 and why in done.result["message"], done
    assert not (tmp_path / "run" / "journal.sqlite").exists()


def test_a_vnnlib_file_takes_no_radius_and_a_radius_needs_inputs(tmp_path):
    (tmp_path / "net.tflite").write_bytes(network(4))
    (tmp_path / "p.vnnlib").write_text("(declare-const X_0 Real)")
    (tmp_path / "p.toml").write_text("[claim]\nkind = 'output'\nindex = 0\ncodes = [-128, 100]\n")
    said = ("verify", tmp_path / "net.tflite", "--radius", 3, "--json", "-")
    done = coverify(*said, "--property", tmp_path / "p.vnnlib")
    assert done.code == 2 and "a .vnnlib file says itself" in done.result["message"]
    done = coverify(*said, "--property", tmp_path / "p.toml")
    assert done.code == 2 and "the property speaks of given inputs" in done.result["message"]


def test_the_largest_radius_of_a_mask_is_that_of_its_file(tmp_path):
    mlp, x = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
    (tmp_path / "p.toml").write_text("[region]\nmask = [20, 28]\n[claim]\nkind = 'label'\n")
    said = ("verify", mlp, "--inputs", x, "--index", "0-11", "--radius", 250, "--json", "-")
    found = [
        [
            (row["index"], row.get("certified"), row.get("attacked"))
            for row in coverify(*said, *how).result["radii"]
        ]
        for how in (["--mask", "20,28"], ["--property", tmp_path / "p.toml"])
    ]
    assert found[0] == found[1] and len(found[0]) == 12
    assert any(attacked is not None for _, _, attacked in found[0])
