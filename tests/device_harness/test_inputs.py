"""Inputs of every type, and several of them: sent, carried or made on the device, the bytes are TFLM's."""

from __future__ import annotations

import numpy as np
import pytest

import mixed_inputs
from coverify.conformance.batch import Batch
from coverify.conformance.compare import Comparison, compare, compare_digests
from coverify.conformance.ranges import vectors_of
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import Samples
from coverify.errors import BadAnswer, DeviceRefused
from coverify.link.client import Client
from coverify.link.requests import Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference

CONTENT = mixed_inputs.content()
MODEL = Model.from_bytes(CONTENT)
REFERENCE = Reference(MODEL)
MADE = vectors_of(REFERENCE, 9, 5)
SAMPLES = Samples(MADE.batch, 0, 5, MADE.elements)


def test_every_tensor_of_a_network_with_six_inputs_is_tflms(client: Client) -> None:
    stepper, oracle = Stepper(client, MODEL), Tflm(CONTENT)
    for one in MADE.batch:
        oracle.run(*(x.reshape(MODEL.tensors[i].shape) for x, i in zip(one, MODEL.inputs, strict=True)))
        for tensor, values in stepper.trace(one).items():
            np.testing.assert_array_equal(values, oracle.tensor(tensor), f"tensor {tensor}")


@pytest.mark.parametrize("payload", [4096, 120])
@pytest.mark.parametrize("n_given", [0, 9], ids=["made on the device", "given"])
def test_it_agrees_by_digests_however_its_inputs_come(client: Client, payload: int, n_given: int) -> None:
    comparison, stepper = Comparison(MODEL), Stepper(client, MODEL)
    stepper.max_payload = payload  # 120 bytes: the inputs of a sample do not fit into a request
    compare_digests(comparison, REFERENCE, stepper, Samples(MADE.batch, n_given, 5, MADE.elements))
    assert (comparison.verdict, comparison.samples) == ("MATCH", 9)


def test_it_agrees_in_full(client: Client) -> None:
    comparison = Comparison(MODEL)
    compare(comparison, REFERENCE, Stepper(client, MODEL), MADE.batch)
    assert (comparison.verdict, comparison.samples) == ("MATCH", 9)


@pytest.mark.parametrize("ordinal", range(6))
def test_another_byte_of_any_input_is_seen(client: Client, ordinal: int) -> None:
    """Also of the one that nobody reads: the digest of the inputs is over them all."""
    arrays = [x.copy() for x in MADE.batch.arrays]
    changed, zeros = arrays[ordinal], 2
    changed.reshape(9, -1).view(np.uint8)[zeros, changed.itemsize - 1] ^= 1 if changed.dtype == bool else 0x40
    other, stepper = Batch(tuple(arrays)), Stepper(client, MODEL)
    right, wrong = (stepper.digests_of(batch[zeros]) for batch in (MADE.batch, other))
    assert (right.tensors == wrong.tensors) == (ordinal == 5)
    with pytest.raises(BadAnswer, match="another input"):
        list(stepper.digests([(SAMPLES.request(zeros, 4096), other[zeros])]))


@pytest.mark.parametrize("dtype", ["int64", "resource"])
def test_an_input_of_another_type_is_refused_by_the_engine(client: Client, dtype: str) -> None:
    b = Builder()
    x, other = b.input((1, 2), 0.5, 0), b.tensor((1,), dtype)
    b.inputs = [x, other]
    with pytest.raises(DeviceRefused, match="tensor 1: a model input of this type") as refused:
        client.ensure_model(b.finish(b.op("RESHAPE", [x, b.integers([2])], b.like(x, (2,)))))
    assert refused.value.status == Status.UNSUPPORTED


def test_a_handle_as_output_is_refused_by_the_engine(client: Client) -> None:
    b = Builder()
    x = b.input((1, 2), 0.5, 0)
    handle = b.op("VAR_HANDLE", [], b.tensor((), "resource"), 111, SharedName="v")
    y = b.op("RESHAPE", [x, b.integers([2])], b.like(x, (2,)))
    with pytest.raises(DeviceRefused, match="a handle of a variable as model output") as refused:
        client.ensure_model(b.finish(handle, y))
    assert refused.value.status == Status.UNSUPPORTED
