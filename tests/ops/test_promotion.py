"""Which dtype comes out: every pair of dtypes, dimensioned and 0-d tensors and Python numbers, held against PyTorch."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ops

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]
NUMBERS = [True, 3, 2.5]
ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "==": operator.eq,
    "&": operator.and_,
}
# sign and square of booleans: refused, and boolean. all and any of uint8 are uint8 in PyTorch, for old times' sake.
DIFFERENT = {("bool", "sign"), ("bool", "square"), ("uint8", "all"), ("uint8", "any")}


def operands() -> list[tuple[str, Any]]:
    """Return name and value of every kind of operand, all small and positive, so that every dtype holds them."""
    arrays = [(f"{dtype}{list(shape)}", np.ones(shape, dtype)) for dtype in DTYPES for shape in ((2,), ())]
    return [*arrays, *((repr(number), number) for number in NUMBERS)]


PAIRS = [
    pytest.param(a, b, id=f"{name_a}-{name_b}")
    for (name_a, a), (name_b, b) in itertools.product(operands(), operands())
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray)
]


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


def as_tensor(x: Any) -> Any:
    return minigrad.tensor(x) if isinstance(x, np.ndarray) else x


def as_torch(torch: Any, x: Any) -> Any:
    return torch.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_operators(a: Any, b: Any, torch: Any) -> None:
    for symbol, f in ARITHMETIC.items():
        try:
            expected = f(as_torch(torch, a), as_torch(torch, b))
        except (RuntimeError, TypeError, NotImplementedError):
            continue  # nobody can rely on it
        if symbol == "**" and expected.dtype == torch.bool:
            continue  # int8 in NumPy
        result = f(as_tensor(a), as_tensor(b))
        assert str(result.dtype) == str(expected.dtype).removeprefix("torch."), symbol
        np.testing.assert_array_equal(result.array, expected.numpy(), err_msg=symbol)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_functions(a: Any, b: Any, torch: Any) -> None:
    condition = np.array([True, False])
    result = minigrad.where(as_tensor(condition), as_tensor(a), as_tensor(b))
    expected = torch.where(as_torch(torch, condition), as_torch(torch, a), as_torch(torch, b))
    assert str(result.dtype) == str(expected.dtype).removeprefix("torch.")
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        result = minigrad.maximum(as_tensor(a), as_tensor(b))
        expected = torch.maximum(as_torch(torch, a), as_torch(torch, b))
        assert str(result.dtype) == str(expected.dtype).removeprefix("torch.")
        assert minigrad.result_type(a, b) == result.dtype


TWO = [
    *("add", "sub", "mul", "div", "floor_divide", "remainder", "fmod", "pow", "maximum", "minimum", "atan2", "hypot"),
    *("logaddexp", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"),
    *("bitwise_and", "bitwise_or", "bitwise_xor"),
]


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_and_their_forms_in_place(name: str, torch: Any) -> None:
    for a, b in (pair.values for pair in PAIRS):
        try:
            expected = getattr(torch, name)(as_torch(torch, a), as_torch(torch, b))
        except (RuntimeError, TypeError, NotImplementedError):
            continue
        if name == "pow" and expected.dtype == torch.bool:
            continue  # int8 in NumPy
        result = getattr(minigrad, name)(as_tensor(a), as_tensor(b))
        assert str(result.dtype) == str(expected.dtype).removeprefix("torch."), (a, b)
        np.testing.assert_allclose(result.array, expected.numpy(), rtol=1e-6)
        if not isinstance(a, np.ndarray) or not hasattr(torch.Tensor, f"{name}_"):
            continue
        try:
            expected = getattr(as_torch(torch, a), f"{name}_")(as_torch(torch, b))
        except TypeError:
            continue  # PyTorch's form in place takes no numbers
        except RuntimeError:
            with pytest.raises(RuntimeError):
                getattr(as_tensor(a), f"{name}_")(as_tensor(b))
        else:
            result = getattr(as_tensor(a), f"{name}_")(as_tensor(b))
            assert str(result.dtype) == str(expected.dtype).removeprefix("torch."), (a, b)
            np.testing.assert_allclose(result.array, expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_joining_and_clamping(a: Any, b: Any, torch: Any) -> None:
    def same(result: Any, expected: Any) -> None:
        assert str(result.dtype) == str(expected.dtype).removeprefix("torch.")

    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape:
        joined = [as_tensor(a), as_tensor(b)], [as_torch(torch, a), as_torch(torch, b)]
        same(minigrad.stack(joined[0]), torch.stack(joined[1]))
        if a.ndim:
            same(minigrad.cat(joined[0]), torch.cat(joined[1]))
    if isinstance(a, np.ndarray) and a.dtype != bool:
        for bounds in ({"min": b}, {"max": b}, {"min": b, "max": b}):
            in_torch = {name: as_torch(torch, bound) for name, bound in bounds.items()}
            if isinstance(b, np.ndarray) and b.dtype == bool:
                continue
            ours = {name: as_tensor(bound) for name, bound in bounds.items()}
            same(as_tensor(a).clamp(**ours), as_torch(torch, a).clamp(**in_torch))


ONE = [
    *("sum", "prod", "mean", "max", "argmax", "all", "any"),
    *("exp", "sqrt", "abs", "neg", "square", "reciprocal", "sign", "floor", "round", "relu", "sigmoid", "clamp"),
]


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_tensor(name: str, dtype: str, torch: Any) -> None:
    x = np.ones(2, dtype)
    options = {"min": 0} if name == "clamp" else {}
    try:
        expected = getattr(torch, name)(torch.from_numpy(x), **options)
    except (RuntimeError, TypeError, NotImplementedError):
        return
    if (dtype, name) in DIFFERENT:
        return
    result = getattr(minigrad, name)(minigrad.tensor(x), **options)
    assert str(result.dtype) == str(expected.dtype).removeprefix("torch.")
    np.testing.assert_allclose(result.array, expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_in_place(a: Any, b: Any, torch: Any) -> None:
    if not isinstance(a, np.ndarray):
        return
    for f in (operator.iadd, operator.imul, operator.itruediv):
        try:
            expected = f(as_torch(torch, a), as_torch(torch, b))
        except RuntimeError:
            with pytest.raises(RuntimeError):
                f(as_tensor(a), as_tensor(b))
        else:
            result = f(as_tensor(a), as_tensor(b))
            assert str(result.dtype) == str(expected.dtype).removeprefix("torch.")
            np.testing.assert_array_equal(result.array, expected.numpy())


def test_gradients_come_back_in_the_dtype_of_each_input() -> None:
    a = minigrad.ones(2, dtype=minigrad.float32, requires_grad=True)
    b = minigrad.full((), 3.0, dtype=minigrad.float64, requires_grad=True)
    c = minigrad.ones(2, dtype=minigrad.float64, requires_grad=True)
    n = minigrad.tensor([2, 3])
    y = a * b * n + c
    assert y.dtype == minigrad.float64
    y.sum().backward()
    assert (a.grad.dtype, b.grad.dtype, c.grad.dtype) == (minigrad.float32, minigrad.float64, minigrad.float64)
    assert (a.grad.tolist(), b.grad.item(), c.grad.tolist()) == ([6.0, 9.0], 5.0, [1.0, 1.0])


def test_numbers_follow_the_default_dtype() -> None:
    whole = minigrad.tensor([1, 2])
    minigrad.set_default_dtype(minigrad.float64)
    try:
        assert (whole * 0.5).dtype == (whole / 2).dtype == whole.exp().dtype == minigrad.float64
    finally:
        minigrad.set_default_dtype(minigrad.float32)
    assert (whole * 0.5).dtype == minigrad.float32


def test_numpy_scalars_count_as_numbers() -> None:
    x = minigrad.ones(2)
    assert (x * np.float64(2.0)).dtype == (np.float64(2.0) * x).dtype == minigrad.float32
    assert (x / np.sqrt(2)).dtype == ops.clamp(x, np.float64(0.5)).dtype == minigrad.float32
    assert (minigrad.ones(2, dtype=minigrad.int64) * np.float32(0.5)).dtype == minigrad.float32
