"""The arrays of an .npz file: one per input of the network, each in the input's own type."""

import numpy as np
import pytest

from coverify import inputs
from coverify.errors import BadInput
from coverify.inputs import Wanted, read_all, read_flat, read_inputs, read_pixels

PAIR = [Wanted("int16", (3,), (0.5, 0)), Wanted("bool", ())]


@pytest.fixture
def file(tmp_path):
    def written(**arrays):
        np.savez(tmp_path / "x.npz", **arrays)
        return tmp_path / "x.npz"

    return written


def test_several_inputs_are_numbered_arrays_in_their_own_types(file):
    x0, x1 = np.arange(6, dtype=np.int16).reshape(2, 3), np.array([True, False])
    found = read_all(file(x0=x0, x1=x1, y=np.array([1, 0])), PAIR)
    np.testing.assert_array_equal(found.x[0], x0)
    np.testing.assert_array_equal(found.x[1], x1)
    assert [x.dtype.name for x in found.x] == ["int16", "bool"]
    assert found.y.tolist() == [1, 0]


WIDE, FLAGS = np.zeros((2, 3), np.int16), np.zeros(2, bool)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": WIDE}, "there is no array x0: the network has 2 inputs, x0, x1"),
        ({"x0": WIDE}, "there is no array x1"),
        ({"x0": WIDE.astype(np.int8), "x1": FLAGS}, "x0 is int8, it must hold the input's int16"),
        ({"x0": np.zeros((2, 4), np.int16), "x1": FLAGS}, "x0 is 2 x 4, the network wants N x 3"),
        ({"x0": WIDE, "x1": np.zeros(3, bool)}, "different numbers of samples"),
        ({"x0": WIDE, "x1": np.zeros(2, np.int8)}, "x1 is int8"),
        ({"x0": WIDE, "x1": np.array([0, 2], np.uint8).view(bool)}, "other bytes than 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_array(file, arrays, said):
    with pytest.raises(BadInput, match=said):
        read_all(file(**arrays), PAIR)


def test_a_file_without_the_array_that_is_wanted_says_which_it_has(file):
    with pytest.raises(BadInput, match=r"no array x \(the file has 'X_test', 'y'\)"):
        read_inputs(file(X_test=np.zeros((2, 3), np.int8), y=np.zeros(2, int)), (3,))
    many = {f"a{i}": FLAGS for i in range(11)}
    with pytest.raises(BadInput, match=r"'a6', 'a7' and 3 more\)"):
        read_pixels(file(**many), 3)
    with pytest.raises(BadInput, match=r"no array x \(the file has none\)"):
        read_flat(file())


@pytest.mark.parametrize(
    ("x", "dtype", "said"),
    [
        ([[0, 1, 255]], "int8", "x holds 0 to 255, codes are -128 to 127"),
        ([[-129, 0, 0]], "int8", "x holds -129 to 0, codes are -128 to 127"),
        ([[-128, 0, 127]], "int8", "codes are stored as x.astype"),
        ([[0, 1, -1]], "uint8", "x holds -1 to 1, codes are 0 to 255"),
        ([[1, 2, 3]], "float32", "real numbers; if x holds codes, these are scale"),
    ],
)
@pytest.mark.parametrize("quantize", [None, False])
def test_integers_that_a_cast_would_change_are_not_told_to_be_cast(file, x, dtype, said, quantize):
    with pytest.raises(BadInput, match=said) as caught:
        read_all(file(x=np.array(x)), [Wanted(dtype, (3,), (0.5, 0))], quantize)
    assert ("astype" in str(caught.value)) == ("astype" in said)


@pytest.mark.parametrize("quantize", [None, False, True])
def test_doubles_for_an_input_of_floats_are_told_to_be_cast_not_to_be_quantized(file, quantize):
    with pytest.raises(BadInput, match=r"x is float64.*stored as x.astype\(numpy.float32") as caught:
        read_all(file(x=np.zeros((1, 3))), [Wanted("float32", (3,), None)], quantize)
    said = str(caught.value)
    assert "takes" not in said and "can be quantized" not in said
    assert ("not with --quantize" in said) == (quantize is True)


def test_what_is_no_code_is_not_quantized_and_not_told_to_be_cast(file):
    with pytest.raises(BadInput, match=r"only uint8 and float can be quantized.*\(x holds 0 to 300"):
        read_all(file(x=np.array([[0, 300, 0]])), [Wanted("int8", (3,), (0.5, 0))], quantize=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_where_quantize_is_named_it_is_said_which_numbers_the_input_represents(file, dtype):
    said = "--quantize takes uint8 and float: real numbers, of which the input represents 0 to 1"
    with pytest.raises(BadInput, match=said):
        read_inputs(file(x=np.ones((2, 3), dtype)), (3,), (1 / 255, -128), quantize=False)


def test_a_single_number_is_called_one(file):
    with pytest.raises(BadInput, match="x is a single number, the network wants N x 3"):
        read_inputs(file(x=np.int8(3)), (3,))


def test_real_numbers_are_quantized_to_the_inputs_type(file):
    x0 = np.array([[0.25, -0.25, 1e9], [-1e9, 1.24, 1.26]], np.float32)
    found = read_all(file(x0=x0, x1=np.zeros(2, bool)), PAIR, quantize=True)
    assert found.x[0].tolist() == [[1, -1, 32767], [-32768, 2, 3]]
    (note,) = found.notes
    assert "clamped 2 of 6 values of x0" in note and "represents -16384 to 16383.5" in note


def test_pixels_for_several_networks_are_bounded_before_they_are_unpacked(file, monkeypatch):
    path = file(x=np.zeros((1 << 21, 64), np.uint8))
    unpacked = []
    monkeypatch.setattr(inputs, "parse_npy", unpacked.append)
    with pytest.raises(BadInput, match="more than 67108864"):
        read_pixels(path, 64, codes=True)
    assert not unpacked


def test_more_samples_than_several_networks_are_run_on_are_refused(file):
    n = inputs.MAX_SAMPLES
    with pytest.raises(BadInput, match=f"x holds {n + 1} inputs; at most {n} are read"):
        read_pixels(file(x=np.zeros((n + 1, 2), np.uint8)), 2, codes=True)
    assert read_pixels(file(x=np.zeros((n, 2), np.uint8)), 2, codes=True).x.shape == (n, 2)


@pytest.mark.parametrize("y", [np.zeros(2), np.eye(2), np.zeros((2, 1), np.int64), np.zeros(2, bool)])
def test_of_pixels_whose_y_is_no_labels_the_rest_is_read_where_none_are_needed(file, y):
    path = file(x=np.zeros((2, 3), np.uint8), y=y)
    with pytest.raises(BadInput, match="it must hold 2 integers"):
        read_pixels(path, 3)
    found = read_pixels(path, 3, labels=False)
    assert found.y is None and len(found.notes) == 1


@pytest.mark.parametrize("y", [np.zeros(3, np.int64), np.zeros(3), np.zeros(())])
def test_a_y_of_another_number_of_samples_is_refused_also_where_no_labels_are_needed(file, y):
    with pytest.raises(BadInput, match="it must hold 2 integers"):
        read_pixels(file(x=np.zeros((2, 3), np.uint8), y=y), 3, labels=False)
