"""Certificates that are meant to hurt: rejected at once, in little memory, and nothing is written."""

import contextlib
import importlib.util
import io
import json
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import fixed_point_networks
from coverify.check import Rejected, check
from coverify.check.certificate import MAX_MEMBERS
from coverify.check.certificate import network as read_network
from coverify.check.networks.softmax import Softmax
from coverify.check.networks.tensors import Table
from coverify.check.steps import Network
from model_builder import Builder
from oracle import ROOT
from tflm_int8 import Model
from tflm_int8.errors import MalformedModel

spec = importlib.util.spec_from_file_location("certificates", ROOT / "tests" / "fuzz" / "certificates.py")
fuzz = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)

ARRAYS = fixed_point_networks.layers_of(
    [[[3, -2], [1, 4]], [[1, -1], [-1, 1]]], [[0, 5], [0, 0]], [2, 0], [(0, 255), (-500, 500)]
)


BOUNDS = ("script", "rows", "xi", "parabolas")


def certificate(**changes) -> dict[str, bytes]:
    """The members of a certificate by bounds about ARRAYS that would be accepted, arrays changed as said."""
    arrays = {
        "box": np.array([[0, 50], [0, 50]]), "script": np.zeros((0, 4), np.int64),
        "rows": np.zeros((0, 3), np.int64), "xi": np.zeros((0, 4), np.int64),
        "parabolas": np.zeros((0, 5), np.int64), **changes.pop("arrays", {}),
    }  # fmt: skip
    label = int(fixed_point_networks.outputs(ARRAYS, np.array([[0, 50]]))[0].argmax())
    document = {"schema": "coverify-certificate/8", "model": "model.npz", "profile": "fixed-point"}
    document |= {"label": label, "files": {}, **changes}
    parts = {f"{name}.npy": fuzz.saved(values) for name, values in arrays.items()}
    return {
        "certificate.json": json.dumps(document).encode(),
        "model.npz": fixed_point_networks.content(ARRAYS),
        **parts,
    }


@contextlib.contextmanager
def at_most(n_bytes: int) -> Iterator[None]:
    """What is done within takes no more memory."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < n_bytes
    finally:
        tracemalloc.stop()


def why_rejected(folder, data: bytes, most_s: float = 5, **options) -> str:
    """The checker's reason; the check takes a moment only (more where much is to be computed: most_s)."""
    (folder / "c.zip").write_bytes(data)
    start = time.process_time()
    with pytest.raises(Rejected) as caught:
        check(folder / "c.zip", **options)
    assert time.process_time() - start < most_s
    assert [path.name for path in folder.iterdir()] == ["c.zip"]
    return str(caught.value)


def test_the_certificate_that_the_others_are_made_from_is_accepted(tmp_path):
    (tmp_path / "c.zip").write_bytes(fuzz.packed(certificate()))
    assert check(tmp_path / "c.zip").evidence == "bounds, 0 steps"


def test_a_certificate_of_an_older_schema_is_rejected_by_name(tmp_path):
    why = why_rejected(tmp_path, fuzz.packed(certificate(schema="coverify-certificate/3")))
    assert "'coverify-certificate/3'" in why
    assert "prove it anew" in why


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4", b"not a zip" * 100], ids=["empty", "cut", "something else"]
)
def test_a_file_that_is_no_certificate_is_rejected(content, tmp_path):
    why_rejected(tmp_path, content)


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in certificate().items():
            archive.writestr(name, data)
        for k in range(5):
            archive.writestr(f"xi-{k}.npy", bytes(60 << 20))
    assert len(stream.getvalue()) < 1 << 20
    assert "too large" in why_rejected(tmp_path, stream.getvalue())


def test_a_document_of_more_than_a_mebibyte_is_not_parsed(tmp_path):
    members = certificate(made_by="x" * (1 << 20))
    assert why_rejected(tmp_path, fuzz.packed(members)) == "certificate.json is too large"


def test_the_corners_of_many_large_steps_are_not_held_at_once(tmp_path):
    """Those of a step are 16 MB, of all 80 that are stairs or tables 1.3 GB."""
    b, n, k = Builder(), 2000, 40
    y = b.input((1, n), 1.0, 0)
    zero = b.constant(np.zeros((1, n)), 1.0, 0)
    for _ in range(k):
        y = b.add(y, zero, 1.0, 0)
    arrays = {
        "box": np.array([[-128] * n, [127] * n]), "claim": np.array([[1] + [0] * (n - 1) + [100]]),
        "script": np.array([[0, 0, 1, 0]]), "rows": np.array([[1, 1, 0]]),
        "xi": np.zeros((1, 2 * n * k), np.int64), "parabolas": np.zeros((0, 3 + n), np.int64),
    }  # fmt: skip
    members = certificate(model="model.tflite", profile="tflm", label=None, arrays=arrays)
    members["model.tflite"] = b.finish(y)
    del members["model.npz"]
    with at_most(200 << 20):
        assert why_rejected(tmp_path, fuzz.packed(members), most_s=20) == "a part is not closed"


def test_an_archive_of_very_many_members_is_not_listed(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for k in range(MAX_MEMBERS + 1):
            archive.writestr(f"{k}", b"")
    assert "too large" in why_rejected(tmp_path, stream.getvalue())


def test_a_member_that_is_longer_than_it_says_is_rejected(tmp_path):
    data = fuzz.packed(certificate())
    size = len(certificate()["box.npy"])
    at = data.rindex(b"PK\1\2", 0, data.rindex(b"box.npy"))
    shorter = data[: at + 20] + (size - 8).to_bytes(4, "little") * 2 + data[at + 28 :]
    why_rejected(tmp_path, shorter)


def test_a_member_that_says_that_it_is_small_and_unpacks_to_a_gigabyte_is_not_unpacked_whole(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in {**certificate(), "xi-1.npy": bytes(200 << 20)}.items():
            archive.writestr(name, content)
    data = stream.getvalue()
    at = data.rindex(b"PK\1\2", 0, data.rindex(b"xi-1.npy"))
    with at_most(100 << 20):  # 64 MiB of them to read the file into
        why_rejected(tmp_path, data[: at + 24] + (128).to_bytes(4, "little") + data[at + 28 :])


@pytest.mark.parametrize(
    "name", ["../evil.npy", "/tmp/evil.npy", "xi-1.npy/../../evil.npy", "xi--1.npy", "xi-9" * 40 + ".npy"]
)
def test_a_member_of_another_name_is_rejected_and_nothing_is_written(name, tmp_path):
    why_rejected(tmp_path, fuzz.packed({**certificate(), name: fuzz.saved(np.zeros((1, 1), np.int64))}))


@pytest.mark.parametrize(
    "shape", ["(1000000000000,)", "(99999999, 99999999)", "(-1,)", "()", "(2, 2, 2)", "(" * 500]
)
def test_an_array_that_claims_another_size_than_its_bytes_is_rejected(shape, tmp_path):
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    lie = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(16)
    why_rejected(tmp_path, fuzz.packed({**certificate(), "box.npy": lie}))


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"schema": ' * 5000, b"1" * 10_000, b"null", b"[]", b"\xff\xfe"]
)
def test_a_document_that_is_none_is_rejected(text, tmp_path):
    why_rejected(tmp_path, fuzz.packed({**certificate(), "certificate.json": text}, honest=False))


def test_pickled_objects_are_not_loaded(tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.array([{}, 1], object), allow_pickle=True)
    why_rejected(tmp_path, fuzz.packed({**certificate(), "box.npy": stream.getvalue()}))


def test_a_box_of_too_many_points_is_counted_not_run(tmp_path):
    parts = certificate(arrays={"box": np.array([[0, 0], [255, 255]])})
    parts = {k: v for k, v in parts.items() if k.split(".")[0] not in BOUNDS}
    assert "the budget is 1.0e+06" in why_rejected(tmp_path, fuzz.packed(parts), budget=10**6)


def test_a_claim_of_very_many_rows_is_counted_not_run(tmp_path):
    arrays = {"claim": np.ones((10**6, 3), np.int8)}
    assert "the budget is" in why_rejected(tmp_path, fuzz.packed(certificate(label=None, arrays=arrays)))


def test_parabolas_of_very_many_bounds_are_told_apart_in_one_pass(tmp_path):
    each = np.arange(200_000)[:, None]
    arrays = {"parabolas": np.tile(each, 10)}
    (tmp_path / "c.zip").write_bytes(fuzz.packed(certificate(arrays=arrays)))
    start = time.process_time()
    assert (
        check(tmp_path / "c.zip").evidence == "bounds, 0 steps"
    )  # the boxes alone prove it: no bound is looked at
    assert time.process_time() - start < 5


def test_a_network_of_very_many_outputs_has_no_label_that_would_take_their_square(tmp_path):
    parts = certificate(label=0, arrays={"box": np.array([[0], [0]])})
    wide = fixed_point_networks.layers_of(
        [np.ones((50_000, 1), int)], [np.zeros(50_000, int)], [0], [(0, 255)]
    )
    parts["model.npz"] = fixed_point_networks.content(wide)
    assert "label" in why_rejected(tmp_path, fuzz.packed(parts))


def test_a_fixed_point_network_of_too_many_weights_is_not_widened(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w0.npy", fuzz.saved(np.zeros((1, 1 << 26), np.int8)))
    why = why_rejected(tmp_path, fuzz.packed({**certificate(), "model.npz": stream.getvalue()}))
    assert "too long" in why


@pytest.mark.parametrize("count", [10**6, 2**60, -(2**40)])
def test_a_script_of_too_much_work_is_counted_not_run(count, tmp_path):
    long = np.array([[2, 0, 0, 0], *[[0, 0, count, 0]] * 2000])
    arrays = {
        "script": long,
        "rows": np.array([[3, 1, 0]]),
        "xi": np.zeros((1, 4), np.int64),
        "box": np.array([[0, 0], [255, 255]]),
    }
    why = why_rejected(tmp_path, fuzz.packed(certificate(arrays=arrays)))
    assert "the budget is" in why or count < 0


def test_a_script_that_splits_without_end_is_rejected(tmp_path):
    splits = np.array([[2, 0, 0, 0], *[[1, 1, v, 0] for v in range(5000)]])
    arrays = {"script": splits, "box": np.array([[0, 0], [255, 255]])}
    why_rejected(tmp_path, fuzz.packed(certificate(arrays=arrays)))


def test_numbers_at_the_ends_of_int64_are_no_way_around(tmp_path):
    for value in (2**63 - 1, -(2**63), 2**62, -(2**62)):
        for column in range(3):
            rows = np.array([[3, 1, 0]])
            rows[0, column] = value
            arrays = {"rows": rows, "script": np.array([[2, 0, 0, 0], [0, 0, 1, 0], [2, 0, 0, 0]]),
                      "xi": np.full((1, 4), value),
                      "box": np.array([[0, 50], [255, 255]])}  # fmt: skip
            why_rejected(tmp_path, fuzz.packed(certificate(arrays=arrays)))


@pytest.mark.parametrize("bounds", [False, True])
def test_coefficients_whose_sum_leaves_64_bits_are_refused_even_where_they_meet_zeros(bounds, tmp_path):
    """Of inputs (0, 0) to (0, 0), and outputs (0, 0): 2^60 · y_0 + 2^60 · y_1 <= 5 would be true."""
    identity = fixed_point_networks.layers_of([[[1, 0], [0, 1]]], [[0, 0]], [0], [(0, 255)])
    for most, refused in ((2**60, True), (2**59, False)):
        arrays = {"claim": np.array([[2**60, most, 5]]), "box": np.zeros((2, 2), np.int64),
                  "xi": np.zeros((0, 2), np.int64)}  # fmt: skip
        parts = certificate(label=None, arrays=arrays)
        parts["model.npz"] = fixed_point_networks.content(identity)
        if not bounds:
            parts = {k: v for k, v in parts.items() if k.split(".")[0] not in BOUNDS}
        if refused:
            assert "64-bit" in why_rejected(tmp_path, fuzz.packed(parts))
        else:
            (tmp_path / "c.zip").write_bytes(fuzz.packed(parts))
            check(tmp_path / "c.zip")


@pytest.mark.parametrize("name", ["rows", "xi", "parabolas", "claim", "other"])
def test_an_enumeration_with_an_array_beside_the_box_is_rejected(name, tmp_path):
    """Of a claim that is true."""
    parts = certificate(arrays={"box": np.array([[0, 50], [0, 50]])})
    parts = {k: v for k, v in parts.items() if k.split(".")[0] not in BOUNDS}
    (tmp_path / "c.zip").write_bytes(fuzz.packed(parts))
    assert check(tmp_path / "c.zip").evidence == "enumeration"
    why_rejected(tmp_path, fuzz.packed({**parts, f"{name}.npy": fuzz.saved(np.zeros((0, 3), np.int64))}))


def test_a_network_of_too_many_products_is_not_built(tmp_path):
    rng = np.random.default_rng(0)
    content = fuzz.tflite_network(rng)
    raw = bytearray(content)
    for at in range(0, len(raw) - 4, 4):  # a dimension here and there becomes large
        raw[at : at + 4] = (
            (4096).to_bytes(4, "little") if raw[at : at + 4] == b"\2\0\0\0" else raw[at : at + 4]
        )
    parts = {**certificate(model="model.tflite", profile="tflm"), "model.tflite": bytes(raw)}
    del parts["model.npz"]
    why_rejected(tmp_path, fuzz.packed(parts))


def test_a_network_that_gives_the_logits_beside_a_softmax_is_not_taken_for_one_that_gives_the_softmax():
    b = Builder()
    logits = b.fully_connected(b.input((1, 2), 0.05, 0), np.array([[5, 3], [5, 4]]), None, 0.001, 0.001, 0, 0)
    assert isinstance(read_network(b.finish(b.softmax(logits, 1.0)), "tflm").steps[-1], Softmax)
    b = Builder()
    logits = b.fully_connected(b.input((1, 2), 0.05, 0), np.array([[5, 3], [5, 4]]), None, 0.001, 0.001, 0, 0)
    b.softmax(logits, 1.0)
    network = read_network(b.finish(logits), "tflm")
    assert isinstance(network.steps[-1], Softmax)
    np.testing.assert_array_equal(network.outputs, network.steps[-1].pick)


def test_a_network_whose_file_holds_an_array_twice_is_rejected(tmp_path):
    """The second w0, by another suffix, would make another network of the same bytes."""
    parts = certificate()
    inner = fuzz.members(parts["model.npz"])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in {**inner, "w0.npz": fuzz.saved(-ARRAYS["w0"])}.items():
            archive.writestr(name, data)
    assert "other members" in why_rejected(tmp_path, fuzz.packed({**parts, "model.npz": stream.getvalue()}))


@pytest.mark.parametrize("bounds", [False, True])
@pytest.mark.parametrize("shape", [(2, 2), (4, 1), (1, 4), (4,), (0, 2)])
def test_rows_of_relations_are_of_all_outputs_and_a_bound_and_none_is_left_out(shape, bounds, tmp_path):
    """The output is the input: 1 · y <= 0 and 0 · y <= 9 do not both hold at 1."""
    identity = fixed_point_networks.layers_of([[[1]]], [[0]], [0], [(0, 255)])
    claim = np.array([1, 0, 0, 9])[: None if shape[0] else 0].reshape(shape)
    parts = certificate(label=None, arrays={"claim": claim, "box": np.array([[0], [1]])})
    if not bounds:
        parts = {k: v for k, v in parts.items() if k.split(".")[0] not in BOUNDS}
    why_rejected(tmp_path, fuzz.packed({**parts, "model.npz": fixed_point_networks.content(identity)}))


def test_bounds_of_a_relation_of_logits_are_no_proof_of_one_of_a_softmax_s_outputs(tmp_path):
    """Both logits are −128 (all weights 0, zero point −128), both outputs 0: y_0 <= −128 is false."""
    b = Builder()
    zeros = np.zeros((2, 2), np.int8)
    logits = b.fully_connected(b.input((1, 2), 0.05, 0), zeros, None, 0.001, 0.001, -128)
    content = b.finish(b.softmax(logits, 1.0))
    network = read_network(content, "tflm")
    assert network.boxes(np.zeros((2, 2), np.int64))[:, network.outputs].tolist() == [[0, 0]] * 2
    claim = {"claim": np.array([[1, 0, -128]]), "box": np.array([[0, 0], [0, 0]])}
    parts = certificate(model="model.tflite", profile="tflm", label=None, arrays=claim)
    del parts["model.npz"]
    assert "softmax" in why_rejected(tmp_path, fuzz.packed({**parts, "model.tflite": content}))


@pytest.mark.parametrize(
    "script",
    [
        [[0, 0, 1, 0], [0, 1, 1, 0], [2, 0, 0, 0]],
        [[1, 6, 0, 0], [0, 1, 1, 0], [2, 0, 0, 0], [0, 2, 1, 0], [2, 0, 0, 0]],
    ],
    ids=["shown", "split"],
)
def test_what_is_shown_of_a_claim_s_own_row_is_no_reason_to_narrow_what_it_reads(script, tmp_path):
    """y = (x, 255 - x), and y_0 + y_1 <= 254 is false. Its row is z = 0 everywhere, though each output could
    be 255: z <= 0 (a bound, or one of two parts) does not say that both are."""
    network = fixed_point_networks.layers_of([[[1], [-1]]], [[0, 255]], [0], [(0, 255)])
    arrays = {"box": np.array([[0], [255]]), "claim": np.array([[1, 1, 254]]),
              "script": np.array(script), "xi": np.array([[1, 1], [1000, 1000], [1, 1]]),
              "rows": np.array([[6, 1, 0], [6, 1, 0], [6, 1, 0]]),
              "parabolas": np.zeros((0, 4), np.int64)}  # fmt: skip
    parts = {**certificate(label=None, arrays=arrays), "model.npz": fixed_point_networks.content(network)}
    assert "not closed" in why_rejected(tmp_path, fuzz.packed(parts))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("script", np.zeros((1, 3))), ("script", np.zeros(4)), ("rows", np.zeros((1, 3))),
        ("rows", np.zeros(4)),
        ("parabolas", np.zeros((1, 3))), ("parabolas", np.zeros((1, 0))), ("parabolas", np.zeros((1, 5))),
        ("box", np.zeros(3)), ("box", np.zeros((1, 2))), ("xi", np.zeros((3, 3))), ("xi", np.zeros(3)),
        ("xi-two", np.zeros((0, 2))),
        ("script", np.array([[3, 9, 0, 0]])), ("script", np.array([[2, 0, 0, 0]])),
        ("script", np.array([[2, 0, 0, 0], [1, 99, 0, 0]])),
        ("script", np.array([[2, 0, 0, 0], [1, -1, 9, 0]])),
    ],
)  # fmt: skip
def test_a_rejection_is_a_sentence_and_not_a_parser_s_words(name, values, tmp_path):
    arrays = {"box": np.array([[0, 50], [255, 255]]), name: values.astype(np.int64)}
    why = why_rejected(tmp_path, fuzz.packed(certificate(arrays=arrays)))
    words = (
        "shape",
        "axis",
        "unpack",
        "NoneType",
        "broadcast",
        "bounds for",
        "indices",
        "literal",
        "pop from",
    )
    assert not any(word in why for word in words), why


def test_a_pool_that_would_read_very_many_channels_for_a_few_is_not_built():
    b = Builder()
    x = b.input((1, 1, 1, 1 << 20), 0.05, 0)
    y = b.pool(x, "AVERAGE", (32, 1))
    b.tensors[y].shape = (1, 1, 1, 1)
    content = b.finish(y)
    with at_most(64 << 20), pytest.raises(Rejected, match="channels"):  # windows alone would take 256 MiB
        read_network(content, "tflm")


def test_a_dense_layer_of_more_rows_than_its_input_has_is_refused():
    """Its filter would read beyond its input: the reference refuses it."""
    b = Builder()
    x, w = b.input((1, 2), 0.05, 0), b.constant(np.array([[5, 3]]), 0.1, 0)
    y = b.activation((2, 1), 0.1, 0)
    b.op("FULLY_CONNECTED", [x, w], y, 8)
    with pytest.raises(Rejected, match="other shapes"):
        read_network(b.finish(y), "tflm")


def test_an_operator_that_reads_a_constant_for_its_input_is_refused():
    b = Builder()
    x = b.fully_connected(b.input((1, 2), 0.05, 0), np.array([[5, 3], [5, 4]]), None, 0.1, 0.1, 0, 0)
    constant = b.constant(np.array([[1, 2]]), 0.1, 0)
    y = b.fully_connected(constant, np.array([[1, 3], [2, 4]]), None, 0.1, 0.1, 0, 0)
    assert x != y
    with pytest.raises(Rejected, match="constants alone"):
        read_network(b.finish(y), "tflm")


def refused_where_a_field_lies_outside(file: bytes, table: Callable[[Table], Table], slot: int) -> None:
    """By the reference and by the checker; table: of the graph, the one that has the field."""
    content = bytearray(file)
    read_network(bytes(content), "tflm")
    model = Table(content, struct.unpack_from("<I", content)[0])
    at = table(model.get(2, "[T")[0]).at
    vtable = at - struct.unpack_from("<i", content, at)[0]
    struct.pack_into("<H", content, vtable + 4 + 2 * slot, 0xFFFF)
    with pytest.raises(MalformedModel, match="outside the file"):
        Model.from_bytes(bytes(content), "outside")
    with pytest.raises(ValueError, match="buffer"):
        read_network(bytes(content), "tflm")


def test_a_reshape_whose_options_have_their_type_outside_the_file_is_refused_as_by_the_reference():
    b = Builder()
    x = b.input((1, 2), 0.05, 0)
    y = b.activation((2, 1), 0.05, 0)
    b.op("RESHAPE", [x], y, 17)
    refused_where_a_field_lies_outside(b.finish(y), lambda graph: graph.get(3, "[T")[0], 3)


def test_a_quantized_dimension_outside_the_file_is_refused_as_by_the_reference():
    b = Builder()
    x = b.input((1, 3, 3, 2), 1.0, 0)
    y = b.depthwise(x, np.ones((1, 2, 2, 2), np.int64), np.zeros(2, np.int64), np.ones(2), 4.0, 0)

    def of_the_filter(graph: Table) -> Table:
        (found,) = (q for q in (t.get(4, "T") for t in graph.get(0, "[T")) if q.get(6, "i") == 3)
        return found

    refused_where_a_field_lies_outside(b.finish(y), of_the_filter, 6)


def test_constants_that_many_tensors_share_are_not_copied_for_each():
    content = shared_constant(n_tensors=3000)
    start = time.process_time()
    with pytest.raises(Rejected):
        read_network(content, "tflm")
    assert time.process_time() - start < 5


def test_stairs_of_very_many_channels_are_counted_not_found():
    """A scale for each of 4,096 channels, in layers that share one constant."""
    channels = 4096
    for layers, refused in ((15, False), (16, True)):
        b = Builder()
        x = b.input((1, 1, 1, channels), 1.0, 0)
        w = b.tensor(
            (1, 1, 1, channels), "int8", [1.0] * channels, [0], 3, np.ones((1, 1, 1, channels), np.int8)
        )
        for _ in range(layers):
            y = b.activation((1, 1, 1, channels), 1.0, 0)
            x = b.op("DEPTHWISE_CONV_2D", [x, w], y, 2, Padding=0, StrideH=1, StrideW=1, DepthMultiplier=1)
        net = read_network(b.finish(x), "tflm")
        if refused:
            with pytest.raises(Rejected, match="too many stairs"):
                net.edges()
        else:
            assert net.edges() == layers * channels * 257


def test_a_network_of_too_many_elements_is_not_run():
    net = Network(1 << 21, 0, 0)
    for _ in range(3):
        net.repeat(net.outputs)
    with pytest.raises(Rejected, match="too many elements"):
        net.repeat(net.outputs)


def test_names_of_metadata_that_overlap_are_not_copied():
    """64 of a mebibyte in a file of one."""
    content = overlapping_names(64, 1 << 20)
    with at_most(8 << 20), pytest.raises(Rejected, match="an output that there is none of"):
        read_network(content, "tflm")


def falling(op: str, n: int) -> bytes:
    """A table that falls somewhere, of n elements."""
    b = Builder()
    x, shape = b.input((1, n), 0.05, 3), (1, n)
    if op == "HARD_SWISH":
        return b.finish(b.op(op, [x], b.activation(shape, 0.05, -3)))
    return b.finish(b.op(op, [x, b.integers([0])], b.like(x, shape), 27, KeepDims=True))


@pytest.mark.parametrize("op", ["HARD_SWISH", "REDUCE_MIN"])
def test_what_a_table_that_falls_may_be_is_found_between_its_pieces(op):
    """Which are few, and not for each of many elements."""
    net = read_network(falling(op, 300), "tflm")
    box = np.sort(np.random.default_rng(3).integers(-128, 128, (2, 300)), axis=0)
    every = net.boxes(np.arange(-128, 128)[:, None].repeat(300, axis=1)[None])[0][:, net.outputs[0]]
    expected = [(every[lo + 128 : hi + 129].min(), every[lo + 128 : hi + 129].max()) for lo, hi in box.T]
    np.testing.assert_array_equal(net.boxes(box)[:, net.outputs].T, expected)
    large = read_network(falling(op, 1 << 17), "tflm")
    with at_most(64 << 20):
        large.boxes(box[:, :1].repeat(1 << 17, axis=1))


def overlapping_names(n: int, size: int) -> bytes:
    """A model of nothing but one empty subgraph, one empty buffer and metadata: a table each, at 4096, whose
    names begin four bytes apart.
    """
    file = bytearray(size + (1 << 16))

    def put(at: int, kind: str, *values: int) -> None:
        struct.pack_into("<" + kind, file, at, *values)

    def vector(field: int, at: int, tables: list[int]) -> None:
        put(field, "I", at - field)
        put(at, "I", len(tables))
        for place, table in enumerate(tables):
            put(at + 4 + 4 * place, "I", table - (at + 4 + 4 * place))

    put(0, "I", 1024)
    put(512, "HH7H", 18, 20, 0, 4, 8, 0, 12, 0, 16)  # the model's slots: codes, subgraphs, buffers, metadata
    put(1024, "i", 512)
    put(600, "HH", 4, 4)  # a table without fields
    put(1500, "i", 900)
    put(620, "HHH", 6, 8, 4)  # a table of a name
    tables = [8192 + 16 * k for k in range(n)]
    for field, at, held in (
        (1028, 1100, []),
        (1032, 1300, [1500]),
        (1036, 1400, [1500]),
        (1040, 4096, tables),
    ):
        vector(field, at, held)
    for k, table in enumerate(tables):
        name = 16384 + 4 * k
        put(table, "i", table - 620)
        put(table + 4, "I", name - (table + 4))
        put(name, "I", size - 4 * k)
    return bytes(file)


def shared_constant(n_tensors: int) -> bytes:
    """A network of so many dense layers on one constant of 4 MiB."""
    b = Builder()
    x, w = b.input((1, 2048), 0.05, 0), b.constant(np.zeros((2048, 2048), np.int8), 0.1, 0)
    for _ in range(n_tensors):
        y = b.activation((1, 2048), 0.1, 0)
        b.op("FULLY_CONNECTED", [x, w], y, 8)
        x = y
    return b.finish(x)


def test_mutated_files_are_checked_within_a_gigabyte(tmp_path):
    script = f"""
import resource, sys, pathlib
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
sys.path[:0] = [{str(ROOT / "host")!r}]
from coverify.check import check, Rejected
for path in sorted(pathlib.Path({str(tmp_path)!r}).glob("*.zip")):
    try:
        check(path)
    except Rejected as err:
        assert "MemoryError" not in str(err) and "allocate" not in str(err), path
"""
    rng = np.random.default_rng(8)
    whole = fuzz.sources(1, seed=8)
    for k in range(60):
        one, two = rng.integers(len(whole), size=2).tolist()
        data = fuzz.mutated(whole[one], fuzz.members(whole[two]), rng)
        (tmp_path / f"{k}.zip").write_bytes(data)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_table_of_very_many_fields_is_not_read():
    # a list of 4,096 offsets to one such table makes gigabytes of a file of 80 kB
    fields = 32_765
    data = bytearray(8 + 2 * (fields + 2))
    struct.pack_into("<IiHH", data, 0, 4, -4, 2 * (fields + 2), 4)
    with at_most(100_000), pytest.raises(Rejected, match="flatbuffer"):
        read_network(bytes(data), "tflm")
