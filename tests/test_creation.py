"""Making tensors: inferred dtypes, shapes in every form, refusals."""

from __future__ import annotations

import types
from typing import Any

import beside
import numpy as np
import pytest

import minigrad

PROGRAMS = beside.topics("creation.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    try:
        assert not list(beside.differences(PROGRAMS[topic], torch))
    finally:
        minigrad.set_default_dtype(minigrad.float32)
        torch.set_default_dtype(torch.float32)


# ----------------------------------------------------------------------------------------------------------------
# From data


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "int64"),
        (1.0, "float32"),
        (True, "bool"),
        ([1, 2.0], "float32"),
        ([True, 2], "int64"),
        ([[], []], "float32"),
        (np.float64(1.0), "float64"),
        ([np.float32(1.0), 2.0], "float32"),
        ([2.0, np.float64(1.0)], "float64"),
        ([np.int32(1)], "int32"),
        ([np.int32(1), 2.0], "float32"),
        ([minigrad.tensor(2.0), 1], "float32"),
        ([np.zeros(2), [1.0, 2.0]], "float64"),
        (range(3), "int64"),
        ((1, (2)), "int64"),
        (np.array([1, 2], ">i4"), "int32"),
        (memoryview(b"ab"), "uint8"),
    ],
)
def test_inferred_dtypes(data: Any, dtype: str) -> None:
    assert minigrad.tensor(data).dtype == dtype


def test_python_types_mean_what_they_mean_in_pytorch() -> None:
    assert minigrad.tensor([1], dtype=float).dtype == "float64"
    assert minigrad.tensor([1.7], dtype=int).tolist() == [1]
    assert minigrad.tensor([0, 2], dtype=bool).tolist() == [False, True]


def test_tensor_copies_and_others_share() -> None:
    class Lender:
        def __init__(self) -> None:
            self.array = np.zeros(2)

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return self.array

    lender, array, x = Lender(), np.zeros(2), minigrad.zeros(2)
    for source, memory in ((lender, lender.array), (array, array), (x, x.numpy()), (array[:], array)):
        assert not np.shares_memory(minigrad.tensor(source).numpy(), memory)
    assert np.shares_memory(minigrad.as_tensor(array).numpy(), array)
    assert np.shares_memory(minigrad.from_numpy(array).numpy(), array)
    assert minigrad.as_tensor(x) is x and minigrad.as_tensor(x, dtype=minigrad.float64).dtype == "float64"


def test_copies_are_in_row_major_order_and_native_bytes() -> None:
    assert minigrad.tensor(np.ones((2, 3)).T).is_contiguous()
    swapped = minigrad.tensor(np.array([1.5, 2.5], ">f4"))
    assert swapped.tolist() == [1.5, 2.5] and swapped.dtype == minigrad.float32 and swapped.dtype.isnative


def test_subclasses_of_arrays_become_plain_arrays() -> None:
    matrix = np.ones((2, 2)).view(type("Special", (np.ndarray,), {}))
    for make in (minigrad.tensor, minigrad.as_tensor, minigrad.from_numpy):
        assert type(make(matrix).numpy()) is np.ndarray


def test_history_lost_in_a_list_is_said() -> None:
    w = minigrad.tensor(2.0, requires_grad=True)
    with pytest.warns(UserWarning, match=r"has no history; use minigrad.stack\(\[...\]\)") as caught:
        assert minigrad.tensor([w * 2, 1.0]).tolist() == [4.0, 1.0]
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ("a", TypeError, "expected numbers, got str: 'a'"),
        ([1, None], TypeError, "expected numbers, got NoneType"),
        ({1, 2}, TypeError, "expected numbers, got set"),
        (object(), TypeError, "expected numbers, got object"),
        ([[1, 2], [3]], ValueError, "all rows of nested lists must have the same length"),
        ([minigrad.zeros(2), minigrad.zeros(3)], ValueError, "the same length"),
        (2**63, ValueError, "does not fit int64"),
        (1j, TypeError, "complex, strings and objects are not supported"),
        (np.ones(2, complex), TypeError, "dtype complex128"),
        (np.ones(2, np.float16), TypeError, "half precision"),
        (np.array(["a"]), TypeError, "complex, strings and objects"),
        (np.array(["2020"], "datetime64[Y]"), TypeError, "complex, strings and objects"),
    ],
)
def test_refused_data(data: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        minigrad.tensor(data)


def test_complex_is_refused_even_when_another_dtype_is_asked_for() -> None:
    with pytest.raises(TypeError, match="complex"):
        minigrad.tensor(np.ones(2, complex), dtype=minigrad.float32)
    assert minigrad.tensor(np.ones(2, np.float16), dtype=minigrad.float32).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="does not fit uint8: Python integer 256 out of bounds"):
        minigrad.tensor([1, 256], dtype=minigrad.uint8)
    with pytest.raises(TypeError, match="half precision"):
        minigrad.zeros(2, dtype="float16")


# ----------------------------------------------------------------------------------------------------------------
# Counted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arange_and_linspace_are_those_of_pytorch(dtype: str, torch: types.ModuleType) -> None:
    draw = np.random.default_rng(0)
    for _ in range(200):
        start, end = sorted(draw.uniform(-5, 5, 2).round(2))
        step = float(draw.integers(1, 100)) / 100
        ours = minigrad.arange(start, end, step, dtype=getattr(minigrad, dtype))
        theirs = torch.arange(start, end, step, dtype=getattr(torch, dtype)).numpy()
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)
        n = int(draw.integers(1, 50))
        ours = minigrad.linspace(start, end, n, dtype=getattr(minigrad, dtype))
        theirs = torch.linspace(start, end, n, dtype=getattr(torch, dtype)).numpy()
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)


def test_linspace_hits_both_ends() -> None:
    for n in (2, 3, 7, 100):
        x = minigrad.linspace(-1.1, 3.3, n)
        assert x[0] == np.float32(-1.1) and x[-1] == np.float32(3.3)


def test_whole_numbers_are_counted_exactly() -> None:
    assert minigrad.arange(2**53, 2**53 + 3).tolist() == [2**53, 2**53 + 1, 2**53 + 2]
    assert minigrad.arange(minigrad.tensor(2), np.int64(5)).dtype == "int64"
