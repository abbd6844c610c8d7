"""Indexing, broadcasting and reshaping with whatever shapes and indices hypothesis thinks of, held against NumPy."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minigrad
from minigrad import ops

few = settings(max_examples=100)


def leaf(shape: tuple[int, ...], start: float = 1.0) -> minigrad.Tensor:
    """Return a tensor in which every number is another one."""
    values = start + np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    return minigrad.from_numpy(np.asarray(values)).requires_grad_()


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@st.composite
def basic(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An index of numbers, slices, None and an ellipsis."""
    parts: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        parts.append(draw(st.one_of(st.integers(-n, n - 1), st.slices(n))))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(parts)))  # an ellipsis at ``at``: what follows belongs to the last dims
        rest = [
            draw(st.one_of(st.integers(-n, n - 1), st.slices(n)))
            for n in shape[len(shape) - draw(st.integers(0, len(shape) - len(parts))) :]
        ]
        parts = [*parts[:at], ..., *rest] if at == len(parts) else parts
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return tuple(parts)


@st.composite
def advanced(draw: Any, shape: tuple[int, ...], repeats: bool = True) -> tuple[Any, ...]:
    """An index with arrays: integers (some of them several times), masks, with numbers and slices between."""
    k = draw(st.integers(1, 3))
    parts: list[Any] = []
    arrays = 0
    for n in shape[: draw(st.integers(1, len(shape)))]:
        kind = draw(st.sampled_from(["integers", "integers", "mask", "number", "slice", "column"]))
        if kind == "integers" and (repeats or arrays == 0) and (repeats or k <= n):
            numbers = st.lists(st.integers(0, n - 1), min_size=k, max_size=k, unique=not repeats)
            parts.append(np.array(draw(numbers)) - draw(st.sampled_from([0, n])))  # from the front or from the back
            arrays += 1
        elif kind == "column" and repeats:
            parts.append(np.array(draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2)))[:, None])
            arrays += 1
        elif kind == "mask" and arrays == 0:
            mask = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
            assume(mask.any())
            parts.append(mask)
            k = int(mask.sum())  # further arrays go along with it
            arrays += 1
        elif kind == "number":
            parts.append(draw(st.integers(-n, n - 1)))
        else:
            parts.append(draw(st.slices(n)))
    if draw(st.booleans()) and arrays:
        parts.append(...)
    return tuple(parts)


def is_ambiguous(index: tuple[Any, ...]) -> bool:
    """NumPy counts numbers among the arrays when it looks for slices between them, and PyTorch does not."""
    marks = "".join("a" if isinstance(p, np.ndarray) else "n" if isinstance(p, int) else "s" for p in index)
    if "a" not in marks:
        return False
    numbered = marks.strip("s")
    arrays = marks.replace("n", "").strip("s")
    return "s" in numbered and "s" not in arrays and "s" in marks[: marks.index("a")]


def as_user_writes_it(draw: Any, index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(as_user_writes_it(draw, part) for part in index)
    if isinstance(index, np.ndarray):
        return draw.draw(st.sampled_from([index, minigrad.tensor(index), index.tolist()]))
    return index


def check_getitem(x: minigrad.Tensor, index: Any, written: Any) -> None:
    expected = x.array[index]
    y = x[written]
    np.testing.assert_array_equal(y.array, expected)
    assert tuple(y.shape) == expected.shape and type(y.array) is np.ndarray
    g = np.random.default_rng(0).uniform(1, 2, expected.shape)
    wanted = np.zeros(x.shape)
    np.add.at(wanted, index, g)
    (first,) = minigrad.autograd.grad(y, x, minigrad.from_numpy(g), retain_graph=True)
    np.testing.assert_array_equal(first.array, wanted)
    incoming = minigrad.from_numpy(g).requires_grad_()
    (second,) = minigrad.autograd.grad(y, x, incoming, create_graph=True)
    h = np.random.default_rng(1).uniform(1, 2, x.shape)
    (back,) = minigrad.autograd.grad(second, incoming, minigrad.from_numpy(h))
    np.testing.assert_array_equal(back.array, h[index])


@few
@given(st.data())
def test_numbers_and_slices(data: Any) -> None:
    shape = data.draw(shapes)
    index = data.draw(basic(shape))
    x = leaf(shape)
    check_getitem(x, index, index)
    if index:
        check_getitem(x, index[0], index[0])
    y = x[index]
    assert not y.numel() or np.shares_memory(y.array, x.array), "an index without arrays gives a view"


@few
@given(st.data())
def test_arrays_and_masks(data: Any) -> None:
    shape = data.draw(shapes)
    index = data.draw(advanced(shape))
    x = leaf(shape)
    try:
        x.array[index]
    except IndexError:
        assume(False)  # arrays that do not broadcast
    written = as_user_writes_it(data, index)
    if is_ambiguous(index):
        with pytest.raises(IndexError, match="in two steps"):
            x[written]
    else:
        check_getitem(x, index, written)


@few
@given(st.data())
def test_indexing_is_that_of_pytorch(data: Any) -> None:
    torch = pytest.importorskip("torch")
    shape = data.draw(shapes)
    index = data.draw(st.one_of(advanced(shape), basic(shape)))
    assume(not is_ambiguous(index) and not any(isinstance(p, slice) and p.step and p.step < 0 for p in index))
    x = leaf(shape)
    try:
        in_torch = tuple(torch.from_numpy(p) if isinstance(p, np.ndarray) else p for p in index)
        expected = torch.from_numpy(x.array)[in_torch]
    except IndexError:
        assume(False)
    np.testing.assert_array_equal(x[index].array, expected.numpy())


@few
@given(st.data())
def test_a_mask_of_the_whole_shape(data: Any) -> None:
    shape = data.draw(shapes)
    size = math.prod(shape)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size))).reshape(shape)
    x = leaf(shape)
    check_getitem(x, mask, as_user_writes_it(data, mask))


@few
@given(st.data())
def test_assignment(data: Any) -> None:
    shape = data.draw(shapes)
    index = data.draw(st.one_of(basic(shape), advanced(shape, repeats=False)))
    assume(not is_ambiguous(index))
    x = leaf(shape)
    try:
        target = x.array[index].shape
    except IndexError:
        assume(False)
    ones = data.draw(st.lists(st.booleans(), min_size=len(target), max_size=len(target)))
    value_shape = tuple(1 if one else n for one, n in zip(ones, target, strict=True))
    value_shape = value_shape[data.draw(st.integers(0, len(target))) :]
    value = leaf(value_shape, 100.0)
    y = x.clone()
    y[as_user_writes_it(data, index)] = value
    expected = x.array.copy()
    expected[index] = value.array
    np.testing.assert_array_equal(y.array, expected)
    g = np.random.default_rng(0).uniform(1, 2, shape)
    dx, dvalue = minigrad.autograd.grad(y, [x, value], minigrad.from_numpy(g))
    kept = g.copy()
    kept[index] = 0.0
    np.testing.assert_array_equal(dx.array, kept)
    arrived = g[index]
    reference = minigrad.ops.registry["sum_to_size"](arrived, value_shape)
    np.testing.assert_allclose(dvalue.array, reference, rtol=1e-14)


@few
@given(st.data())
def test_broadcasting(data: Any) -> None:
    full = data.draw(shapes)

    def shrunk() -> tuple[int, ...]:
        ones = data.draw(st.lists(st.booleans(), min_size=len(full), max_size=len(full)))
        return tuple(1 if one else n for one, n in zip(ones, full, strict=True))[data.draw(st.integers(0, len(full))) :]

    a, b = leaf(shrunk()), leaf(shrunk(), 10.25)  # no ties for maximum
    f = data.draw(st.sampled_from([operator.add, operator.sub, operator.mul, operator.truediv, ops.maximum]))
    y = f(a, b)
    expected = np.maximum(a.array, b.array) if f is ops.maximum else f(a.array, b.array)
    np.testing.assert_array_equal(y.array, expected)
    assert minigrad.autograd.gradcheck(f, [a, b], rtol=1e-6)
    assert minigrad.autograd.gradgradcheck(f, [a, b], rtol=1e-5)


@few
@given(st.data())
def test_reshape_and_permute(data: Any) -> None:
    shape = data.draw(shapes)
    x = leaf(shape)
    order = data.draw(st.permutations(range(len(shape))))
    signed = [d - len(shape) if data.draw(st.booleans()) else d for d in order]
    size = math.prod(shape)
    first = data.draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
    target = data.draw(st.sampled_from([(first, size // first), (first, -1), (-1, first, 1), (-1,)]))
    y = x.permute(*signed).reshape(*target)
    expected = x.array.transpose(order).reshape(target)
    np.testing.assert_array_equal(y.array, expected)
    g = np.random.default_rng(0).uniform(1, 2, expected.shape)
    (dx,) = minigrad.autograd.grad(y, x, minigrad.from_numpy(g))
    back = g.reshape([shape[d] for d in order]).transpose(np.argsort(order))
    np.testing.assert_array_equal(dx.array, back)


@few
@given(st.data())
def test_reductions(data: Any) -> None:
    shape = data.draw(shapes)
    x = leaf(shape)
    dims = data.draw(st.lists(st.sampled_from(range(len(shape))), min_size=1, unique=True))
    signed = tuple(d - len(shape) if data.draw(st.booleans()) else d for d in dims)
    keepdim = data.draw(st.booleans())
    name = data.draw(st.sampled_from(["sum", "mean", "amax", "amin", "logsumexp"]))
    y = getattr(x, name)(dim=signed, keepdim=keepdim)
    scaled = {"sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min, "logsumexp": np.logaddexp.reduce}[name]
    if name == "logsumexp":
        expected = np.log(np.exp(x.array).sum(axis=tuple(dims), keepdims=keepdim))
    else:
        expected = scaled(x.array, axis=tuple(dims), keepdims=keepdim)
    np.testing.assert_allclose(y.array, expected, rtol=1e-12)
    assert y.shape == expected.shape
    assert minigrad.autograd.gradcheck(lambda x: getattr(x, name)(dim=signed, keepdim=keepdim), x, atol=1e-7, rtol=1e-6)


def test_out_of_range_says_what_was_asked() -> None:
    x = minigrad.zeros(2, 3)
    for index in (2, (0, 3), (0, 0, 0), minigrad.tensor([5])):
        with pytest.raises(IndexError, match="getitem: "):
            x[index]
    with pytest.raises(IndexError, match="integer or boolean, got a floating one"):
        x[minigrad.tensor([0.0])]


def test_rows_out_of_no_rows() -> None:
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(IndexError, match=f"getitem: index 7 is out of bounds for axis 0 with size {shape[0]}"):
            minigrad.zeros(shape)[minigrad.tensor([7])]


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "uint32", "uint64", "int64"])
def test_a_small_integer_can_index_a_large_array(dtype: str) -> None:
    x = minigrad.zeros(300, 200, requires_grad=True)
    rows = np.array([0, 100, 100], dtype)
    x[rows].sum().backward()
    expected = np.zeros((300, 200))
    np.add.at(expected, rows, 1)
    np.testing.assert_array_equal(x.grad.array, expected)


def test_a_number_a_slice_and_an_array_are_refused() -> None:
    x = minigrad.zeros(2, 4, 3)
    with pytest.raises(IndexError, match="in two steps"):
        x[0, :, [1, 1]]
    with pytest.raises(IndexError, match="in two steps"):
        x[0, :, minigrad.tensor([1, 1])] = 0.0
    assert x[0][:, [1, 1]].shape == (4, 2)
    assert x[[1, 1], :, 0].shape == (2, 4)
    assert x[:, 0, [1, 1]].shape == (2, 2)


def test_expand_keeps_only_sizes_that_are_there() -> None:
    x = minigrad.zeros(2, 3)
    assert x.expand(4, -1, 3).shape == (4, 2, 3)
    with pytest.raises(RuntimeError, match="expand: -1 keeps a size"):
        x.expand(-1, 2, 3)
    with pytest.raises(RuntimeError, match="broadcast_to: "):
        x.expand(3, 3)
