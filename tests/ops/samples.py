"""The op table: what each op is called with in the tests, and what it should give.

To add an op, add one row: its name, the same function on float64 NumPy arrays, and a few calls. From the row
follow, in ``test_ops.py``, the forward pass, first and second derivatives, dtypes, the stand-in for CuPy, and PyTorch
side by side. An op without a row fails the tests.

In a call, ``T(2, 3)`` is a tensor of random numbers from -2 to 2 that requires grad, ``F([1.0, 2.0])`` one of these
numbers; ``I([0, 1])`` are integers and ``M([True, False])`` a mask, which never do; everything else is itself.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.backend import CPU

Values = Any


@dataclass(frozen=True)
class Data:
    """A tensor in a call: a shape to draw, or values."""

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    values: Any = None
    dtype: str = "float64"

    def array(self, draw: np.random.Generator) -> np.ndarray[Any, Any]:
        if self.values is None:
            return draw.uniform(self.low, self.high, self.shape)
        return np.array(self.values, self.dtype)


def T(*shape: int, low: float = -2.0, high: float = 2.0) -> Data:
    return Data(shape, low, high)


def F(values: Any) -> Data:
    return Data(np.shape(values), values=values)


def I(values: Any) -> Data:  # noqa: E743
    return Data(np.shape(values), values=values, dtype="int64")


def M(values: Any) -> Data:
    return Data(np.shape(values), values=values, dtype="bool")


@dataclass(frozen=True)
class Call:
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        return f"call({', '.join([*map(repr, self.args), *(f'{k}={v!r}' for k, v in self.kwargs.items())])})"


def call(*args: Any, **kwargs: Any) -> Call:
    return Call(args, kwargs)


@dataclass(frozen=True)
class Row:
    op: str
    reference: Callable[..., Any]
    calls: list[Call]
    note: str = ""  # tells two rows of one op apart
    run: Callable[..., Any] | None = None  # how to call it, if not by op(...)
    torch: str | Callable[..., Any] | None = None  # PyTorch's name of it, if another one; or a function of its tensors
    kinks: list[Call] = field(default_factory=list)  # compared with PyTorch only: no slope is right there,
        one is agreed
    ints: str = "int64"  # the dtype that int64 inputs give; "" if they are refused or make no sense
    gradient: bool = True  # False: nothing to differentiate, as in comparisons
    dtype: str = ""  # the dtype that float32 inputs give, if another one
    beside: str = "gradients"  # "values": PyTorch has no derivative of it
    reads: bool = False  # must wait for the GPU: the size of the result depends on values, or it is moved
    rtol: float = 1e-12  # of the float64 forward

    @property
    def id(self) -> str:
        return f"{self.op}:{self.note}" if self.note else self.op

    @property
    def function(self) -> Callable[..., Any]:
        return self.run or ops.registry.get(self.op) or getattr(ops, self.op)

    def filled(self, sample: Call, make: Callable[[np.ndarray[Any, Any]], Any]) -> tuple[Any, Any]:
        """Return args and kwargs of a sample with ``make(array)`` for each tensor in them; always the same numbers."""
        draw = np.random.default_rng(zlib.crc32(repr((self.op, sample)).encode()))

        def fill(x: Any) -> Any:
            if isinstance(x, Data):
                return make(x.array(draw))
            return type(x)(map(fill, x)) if type(x) in (list, tuple) else x

        return fill(sample.args), {name: fill(value) for name, value in sample.kwargs.items()}


def unary(op: str, reference: Callable[..., Any], low: float = -2.0, high: float = 2.0, **columns: Any) -> Row:
    draw = dict(low=low, high=high)
    return Row(op, reference, [call(T(2, 3, **draw)), call(T(**draw)), call(T(0, 3, **draw))], **columns)


def binary(op: str, reference: Callable[..., Any], low: float = -2.0, high: float = 2.0, **columns: Any) -> Row:
    """Broadcasting in all directions, 0-d tensors, numbers on either side."""
    draw = dict(low=low, high=high)
    shapes = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((2, 3), ()), ((), ()), ((0, 3), (3,))]
    calls = [call(T(*a, **draw), T(*b, **draw)) for a, b in shapes]
    columns.setdefault("torch", lambda a, b: _torch(op)(_torch_tensor(a), _torch_tensor(b)))  # some take no numbers
    return Row(op, reference, [*calls, call(T(2, 3, **draw), 1.5), call(1.5, T(2, 3, **draw))], **columns)


def tupled(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list) else dim


def along(f: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's reduction with PyTorch's argument names."""
    return lambda x, dim=None, keepdim=False: f(
        x.reshape(1) if x.ndim == 0 and dim is not None else x, axis=tupled(dim), keepdims=keepdim
    )  # PyTorch takes a 0-d tensor for one entry along dim 0


# One dim, several, none, negative, kept or not, and of a 0-d tensor.
ONE_DIM = [call(T(2, 3), dim=0), call(T(2, 3, 2), dim=-1, keepdim=True), call(T(2, 3, 2), dim=1), call(T(), dim=0)]
ALL_DIMS = [call(T(2, 3)), call(T())]
SOME_DIMS = [*ONE_DIM, call(T(2, 3, 2), dim=(0, 2)), call(T(2, 3, 2), dim=[-1, 0], keepdim=True)]
TIES = F([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])


def or_0d(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim: f(x.reshape(1), dim).reshape(()) if x.ndim == 0 else f(x, dim)


def np_softmax(x: Values, dim: int) -> Values:
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


def np_place(v: Values, index: Any, shape: tuple[int, ...]) -> Values:
    out = np.zeros(shape)
    np.add.at(out, index, v)
    return out


def np_setitem(x: Values, value: Values, index: Any) -> Values:
    out = x.copy()
    out[index] = value
    return out


def np_spread(v: Values, index: Values, dim: int, shape: tuple[int, ...]) -> Values:
    out = np.zeros(shape)
    for at in np.ndindex(*index.shape):
        to = list(at)
        to[dim] = index[at]
        out[tuple(to)] += v[at]
    return out


def np_cross_entropy(x: Values, target: Values) -> Values:
    return -np.log(np_softmax(x, 1)[np.arange(len(x)), target]).mean()


def np_batch_norm(x: Values, weight: Values, bias: Values, eps: float) -> Values:
    dims = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    y = (x - x.mean(axis=dims, keepdims=True)) / np.sqrt(x.var(axis=dims, keepdims=True) + eps)
    return y * (1.0 if weight is None else weight.reshape(shape)) + (0.0 if bias is None else bias.reshape(shape))


def np_extreme(largest: bool) -> Callable[..., Any]:
    value, where = (np.max, np.argmax) if largest else (np.min, np.argmin)

    def reference(x: Values, dim: int | None = None, keepdim: bool = False) -> Values:
        if dim is None or x.ndim == 0:
            return value(x) if dim is None else (x, np.int64(0))
        return value(x, axis=dim, keepdims=keepdim), where(x, axis=dim, keepdims=keepdim)

    return reference


def np_norm(x: Values, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Values:
    if p == 0:
        return (x != 0).sum(axis=dim, keepdims=keepdim).astype(float)
    if abs(p) == math.inf:
        return (np.max if p > 0 else np.min)(abs(x), axis=dim, keepdims=keepdim)
    return (abs(x) ** p).sum(axis=dim, keepdims=keepdim) ** (1 / p)


def np_var(x: Values, dim: Any = None, keepdim: bool = False, correction: float = 1) -> Values:
    return np.var(x, axis=tupled(dim), keepdims=keepdim, ddof=correction)


def np_clamp(x: Values, min: Any = None, max: Any = None) -> Values:
    return np.clip(x, min, max)


def np_shift(x: Values, shifts: Any, dims: Any = None) -> Values:
    return np.roll(x, shifts, dims)


POSITIVE = dict(low=0.2, high=3.0)
BATCH_NORM = "nn.functional.batch_norm"
relu = lambda x: np.maximum(x, 0)
sigmoid = lambda x: 1 / (1 + np.exp(-x))
logical = dict(gradient=False, ints="bool", dtype="bool")
bits = [call(I([[1, 2, 5], [7, -4, 0]]), I([3, 6, -1])), call(M([True, False, True]), M([True, True, False]))]
pieces = lambda x, sizes, dim: tuple(np.split(x, np.cumsum(sizes)[:-1], axis=dim))

ROWS = [
    # Arithmetic
    binary("add", np.add),
    binary("sub", np.subtract),
    binary("mul", np.multiply),
    binary("div", np.divide, **POSITIVE, ints="float32"),
    unary("neg", np.negative),
    binary("floor_divide", np.floor_divide, **POSITIVE, beside="values"),
    binary("remainder", np.remainder, **POSITIVE, beside="values",
        kinks=[call(F([5.5, -5.5, 5.5, -5.5]), F([2.0, 2.0, -2.0, -2.0]))]),
    binary("fmod", np.fmod, **POSITIVE, kinks=[call(F([5.5, -5.5, 5.5, -5.5]), F([2.0, 2.0, -2.0, -2.0]))]),
    Row("lerp", lambda a, b, weight: a + weight * (b - a), ints="", calls=[
        call(T(2, 3), T(3), 0.3), call(T(2, 3), T(2, 1), T(3)), call(T(), T(), T())]),
    # Powers and roots
    binary("pow", np.power, **POSITIVE, torch="pow", kinks=[
        call(F([0.0, 0.0, 0.0, 2.0]), F([0.0, 2.0, 1.0, 0.0])), call(F([-2.0, 0.0, 3.0]), 2), call(F([-1.5, 2.0]), 3),
        call(F([0.0, 2.0]), 0), call(F([0.0, 2.0]), 1.0), call(2, F([-1.0, 0.0, 3.0])), call(0, F([1.0, 0.0, 3.0]))]),
    unary("square", np.square),
    unary("sqrt", np.sqrt, **POSITIVE, ints="float32"),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), **POSITIVE, ints="float32"),
    unary("reciprocal", np.reciprocal, **POSITIVE, ints="float32"),
    binary("hypot", np.hypot, **POSITIVE, ints=""),
    # Exponentials and logarithms
    unary("exp", np.exp, ints="float32"),
    unary("exp2", np.exp2, ints="float32"),
    unary("expm1", np.expm1, ints="float32"),
    unary("log", np.log, **POSITIVE, ints="float32"),
    unary("log2", np.log2, **POSITIVE, ints="float32"),
    unary("log10", np.log10, **POSITIVE, ints="float32"),
    unary("log1p", np.log1p, -0.8, 3.0, ints="float32"),
    binary("logaddexp", np.logaddexp, ints=""),
    # Trigonometric and hyperbolic functions
    unary("sin", np.sin, ints="float32"),
    unary("cos", np.cos, ints="float32"),
    unary("tan", np.tan, -1.2, 1.2, ints="float32"),
    unary("asin", np.arcsin, -0.9, 0.9, ints="float32"),
    unary("acos", np.arccos, -0.9, 0.9, ints="float32"),
    unary("atan", np.arctan, ints="float32"),
    binary("atan2", np.arctan2, **POSITIVE, ints="float32"),
    unary("sinh", np.sinh, ints="float32"),
    unary("cosh", np.cosh, ints="float32"),
    unary("tanh", np.tanh, ints="float32"),
    unary("asinh", np.arcsinh, ints="float32"),
    unary("acosh", np.arccosh, 1.2, 3.0, ints="float32"),
    unary("atanh", np.arctanh, -0.9, 0.9, ints="float32"),
    # Absolute value, sign, rounding
    unary("abs", np.abs, kinks=[call(F([-1.0, 0.0, 2.0]))]),
    unary("sign", np.sign, kinks=[call(F([-1.0, 0.0, 2.0]))]),
    unary("floor", np.floor, kinks=[call(F([-1.5, -1.0, 0.0, 2.5]))]),
    unary("ceil", np.ceil, kinks=[call(F([-1.5, -1.0, 0.0, 2.5]))]),
    unary("round", np.round, kinks=[call(F([-1.5, -0.5, 0.5, 2.5]))]),
    Row("round", np.round, [call(T(2, 3), decimals=2)], note="decimals", ints=""),
    unary("trunc", np.trunc, kinks=[call(F([-1.5, -1.0, 0.0, 2.5]))]),
    unary("frac", lambda x: x - np.trunc(x), ints="", kinks=[call(F([-1.5, -1.0, 0.0, 2.5]))]),
    # Comparisons and logic
    binary("eq", np.equal, **logical, kinks=[call(F([1.0, math.nan]), F([1.0, math.nan]))]),
    binary("ne", np.not_equal, **logical, kinks=[call(F([1.0, math.nan]), F([1.0, math.nan]))]),
    binary("lt", np.less, **logical),
    binary("le", np.less_equal, **logical),
    binary("gt", np.greater, **logical),
    binary("ge", np.greater_equal, **logical),
    Row("isnan", np.isnan, gradient=False, ints="", dtype="bool", calls=[call(F([1.0, math.nan, math.inf]))]),
    Row("isinf", np.isinf, gradient=False, ints="", dtype="bool", calls=[call(F([1.0, math.nan, -math.inf]))]),
    Row("isfinite", np.isfinite, gradient=False, ints="", dtype="bool", calls=[call(F([1.0, math.nan, -math.inf]))]),
    Row("isclose", np.isclose, gradient=False, ints="", dtype="bool", calls=[
        call(F([1.0, 2.0, math.nan]), F([1.0 + 1e-6, 2.1, math.nan])),
            call(F([math.nan]), F([math.nan]), equal_nan=True),
        call(F([1.0, 2.0]), F([1.1, 2.3]), rtol=0.0, atol=0.2)]),
    Row("logical_and", np.logical_and, [call(F([0.0, 2.0]), F([3.0, 1.0])), call(T(2, 1), M([True, False]))],
        **logical),
    Row("logical_or", np.logical_or, [call(F([0.0, 2.0]), F([0.0, 0.0])), call(T(2, 1), M([True, False]))], **logical),
    Row("logical_xor", np.logical_xor, [call(F([0.0, 2.0]), F([3.0, 1.0])), call(T(2, 1), M([True, False]))],
        **logical),
    Row("logical_not", np.logical_not, [call(F([0.0, 2.0])), call(M([True, False]))], **logical),
    Row("bitwise_and", np.bitwise_and, bits, gradient=False, ints=""),
    Row("bitwise_or", np.bitwise_or, bits, gradient=False, ints=""),
    Row("bitwise_xor", np.bitwise_xor, bits, gradient=False, ints=""),
    Row("bitwise_not", np.bitwise_not, [call(I([5, 0, -1])), call(M([True, False]))], gradient=False, ints=""),
    # Choosing between values
    binary("maximum", np.maximum, kinks=[call(TIES, 2.0), call(TIES, TIES)]),
    binary("minimum", np.minimum, kinks=[call(TIES, 2.0), call(TIES, TIES)]),
    Row("where", np.where, ints="int64", calls=[
        call(M([[True], [False]]), T(2, 3), T(3)), call(M([True, False]), 1.5, T(2)), call(M([True, False]), T(2), 0.0),
        call(M(True), T(2), T())]),
    Row("clamp", np_clamp, [
        call(T(2, 3), -1.0, 1.0), call(T(2, 3), min=0.5), call(T(2, 3), max=0.5),
            call(T(4), T(4), T(4, low=2.1, high=3.0)),
        call(T(3, 4), T(4)), call(T(3, 4), None, T(3, 1)), call(T(2, 3), 1.0, -1.0)],
        kinks=[call(TIES, 2.0, 3.0), call(TIES, 2.0), call(TIES, None, 2.0), call(TIES, F([2.0, 2.0, 3.0])),
               call(TIES, None, F([2.0, 2.0, 3.0])), call(TIES, F([2.0, 2.0, 3.0]), F([2.0, 3.0, 3.0]))]),
    # Reductions
    Row("sum", along(np.sum), [*ALL_DIMS, *SOME_DIMS, call(T(0, 3), dim=0)]),
    Row("mean", along(np.mean), [*ALL_DIMS, *SOME_DIMS], ints=""),
    Row("var", np_var, ints="", calls=[
        call(T(2, 3)), call(T(2, 3), dim=1), call(T(2, 3, 2), dim=[0, -1], keepdim=True), call(T(4), correction=0)]),
    Row("std", lambda *a, **k: np.sqrt(np_var(*a, **k)), ints="", calls=[
        call(T(2, 3)), call(T(2, 3), dim=1), call(T(2, 3, 2), dim=[0, -1], keepdim=True), call(T(4), correction=0)]),
    Row("prod", along(np.prod), [*ALL_DIMS, *ONE_DIM, call(F([[0.0, 2.0, 3.0], [0.0, 0.0, 4.0]]), dim=1),
        call(F([0.0, 2.0]))]),
    Row("_diagonal_mask", lambda x, n: np.eye(n, dtype=bool), [call(T(2), 3)], torch=lambda x,
        n: x.new_ones(n).diag().bool(), **logical),
    Row("amax", along(np.max), [*ALL_DIMS, *SOME_DIMS],
        kinks=[call(TIES), call(TIES, dim=1), call(TIES, dim=(0, 1), keepdim=True)]),
    Row("amin", along(np.min), [*ALL_DIMS, *SOME_DIMS],
        kinks=[call(TIES), call(TIES, dim=1), call(TIES, dim=(0, 1), keepdim=True)]),
    Row("argmax", along(np.argmax), [*ALL_DIMS, *ONE_DIM, call(TIES, dim=1)], gradient=False, dtype="int64"),
    Row("argmin", along(np.argmin), [*ALL_DIMS, *ONE_DIM, call(TIES, dim=1)], gradient=False, dtype="int64"),
    Row("max_", np_extreme(True), [*ALL_DIMS, *ONE_DIM], torch="max",
        kinks=[call(TIES), call(TIES, dim=1), call(TIES, dim=0)]),
    Row("min_", np_extreme(False), [*ALL_DIMS, *ONE_DIM], torch="min",
        kinks=[call(TIES), call(TIES, dim=1), call(TIES, dim=0)]),
    Row("vector_norm", lambda x, dim=None, keepdim=False: np_norm(x, 2, tupled(dim), keepdim), [*ALL_DIMS, *SOME_DIMS],
        torch="linalg.vector_norm",
        ints="", kinks=[call(F([0.0, 0.0])), call(F([[0.0, 0.0], [3.0, 4.0]]), dim=1)]),
    Row("norm", np_norm, [
        call(T(2, 3)), call(T(2, 3), 1), call(T(2, 3), 3, dim=1), call(T(2, 3), 2.5, dim=(0, 1), keepdim=True),
        call(T(2, 3), math.inf, dim=0), call(T(2, 3), -math.inf), call(T(2, 3), 0, dim=1)], ints="",
        kinks=[call(F([0.0, 3.0]), 1), call(F([0.0, 0.0]), 2), call(F([2.0, -2.0]), math.inf)]),
    Row("logsumexp", lambda x, dim, keepdim=False: np.log(np.exp(x).sum(axis=tupled(dim), keepdims=keepdim)),
        SOME_DIMS, ints="float32"),
    Row("all", along(np.all), [call(M([[True, False], [True, True]]), dim=1), call(T(2, 3)), call(F([0.0, 1.0]))],
        **logical),
    Row("any", along(np.any), [call(M([[True, False], [False, False]]), dim=1), call(T(2, 3)), call(F([0.0, 0.0]))],
        **logical),
    Row("count_nonzero", lambda x, dim=None: np.count_nonzero(x, axis=dim), gradient=False, dtype="int64", calls=[
        call(F([[0.0, 2.0], [3.0, 1.0]])), call(F([[0.0, 2.0], [3.0, 1.0]]), dim=0),
            call(F([[0.0, 2.0]]), dim=(0, 1))]),
    # Shapes
    Row("reshape", lambda x, shape: x.reshape(shape),
        [call(T(2, 6), (3, 4)), call(T(2, 3), [-1]), call(T(1), ()), call(T(0, 2), (2, 0))]),
    Row("permute", np.transpose, [call(T(2, 3, 4), (2, 0, 1)), call(T(2, 3), [-1, 0])]),
    Row("transpose", lambda x, dim0, dim1: x.swapaxes(dim0, dim1) if x.ndim else x, [
        call(T(2, 3), 0, 1), call(T(2, 3, 4), -1, 0), call(T(), 0, -1)]),
    Row("broadcast_to", np.broadcast_to, [call(T(3), (2, 3)), call(T(2, 1, 3), (4, 2, 5, 3)), call(T(), (2,)),
        call(T(1), (0,))]),
    Row("expand", lambda x, size: np.broadcast_to(x, [3 if n == -1 else n for n in size]), [
        call(T(3, 1), (-1, 4)), call(T(3), (2, -1)), call(T(), (2,))], torch=lambda x, size: x.expand(*size)),
    Row("sum_to_size", lambda x, size: x.sum().reshape(size) if math.prod(size) == 1 else x.sum(0).reshape(size), [
        call(T(2, 3), (3,)), call(T(2, 3), (1, 3)), call(T(2, 3), ()), call(T(2, 3), (1, 1))], torch=lambda x,
            size: x.sum_to_size(*size) if size else x.sum()),
    Row("squeeze", lambda x, dim=None: np.squeeze(x, tupled(dim)) if x.ndim == 3 else x, [
        call(T(1, 3, 1)), call(T(1, 3, 1), dim=0), call(T(1, 3, 1), dim=[0, -1]), call(T(2, 3), dim=1), call(T())]),
    Row("unsqueeze", np.expand_dims, [call(T(2, 3), 0), call(T(2, 3), -1), call(T(2, 3), 1), call(T(), 0)]),
    Row("flatten", lambda x, start_dim=0, end_dim=-1: x.reshape({(0, -1): -1, (1, -1): (2, -1),
        (0, 1): (6, -1)}[start_dim, end_dim]), [
        call(T(2, 3, 4)), call(T(2, 3, 4), 1), call(T(2, 3, 4), 0, 1), call(T())]),
    Row("unflatten", lambda x, dim, sizes: x.reshape(2, 3, 2), [call(T(2, 6), 1, [3, 2]), call(T(2, 6), -1, (-1, 2))]),
    Row("movedim", np.moveaxis, [call(T(2, 3, 4), 0, -1), call(T(2, 3, 4), (0, 1), (2, 0)), call(T(2, 3, 4), -1, 0)]),
    # Joining, splitting, moving entries
    Row("concatenate", lambda *x, dim, sizes: np.concatenate(x, dim), [call(T(2, 3), T(1, 3), dim=0, sizes=(2, 1))],
        torch=lambda *x, dim, sizes: _torch("cat")(x, dim)),
    Row("cat", lambda x, dim=0: np.concatenate(x, dim), [
        call([T(2, 3), T(1, 3)]), call([T(2, 1), T(2, 2), T(2, 3)], dim=-1), call([T(3)]), call([T(0, 3), T(2, 3)])]),
    Row("stack", lambda x, dim=0: np.stack(x, dim),
        [call([T(3), T(3)]), call([T(2, 3), T(2, 3)], dim=-1), call([T(), T()])]),
    Row("narrow", lambda x, dim, start, length: x[:, start:][:, :length] if dim else x[start:][:length], [
        call(T(4, 3), 0, 1, 2), call(T(3, 4), 1, -2, 2)]),
    Row("split", lambda x, sizes, dim=0: pieces(x, [2, 2, 1] if sizes == 2 else sizes, dim), [
        call(T(5, 2), 2), call(T(2, 5), 2, dim=1), call(T(5, 2), [1, 4])]),
    Row("chunk", lambda x, chunks, dim=0: pieces(x, {3: [2, 2, 1], 4: [2, 2, 1]}[chunks], dim),
        [call(T(5, 2), 3), call(T(2, 5), 4, dim=-1)]),
    Row("unbind", lambda x, dim=0: tuple(np.moveaxis(x, dim, 0)), [call(T(3, 2)), call(T(2, 3), dim=-1)]),
    Row("flip", np.flip, [call(T(2, 3), (0,)), call(T(2, 3), [0, -1])]),
    Row("roll", np_shift, [call(T(2, 3), 1), call(T(2, 3), -1, 1), call(T(2, 3), [1, 2], [0, -1])]),
    # Picking and putting entries
    Row("getitem", lambda x, index: x[index], run=lambda x, index: x[index], torch=lambda x, index: x[index], calls=[
        call(T(4, 3), 1), call(T(4, 3), (slice(None, None, 2), -1)), call(T(4, 3), (None, ..., 0)), call(T(4, 3), ...),
        call(T(4, 3), I([0, 2, 2])), call(T(4, 3), (I([0, 2, 2]), I([1, 0, 0]))),
            call(T(4, 3), (slice(1, 3), I([2, 2]))),
        call(T(4, 3), (I([[0], [3]]), I([1, 1]))), call(T(2, 4, 3), (0, I([1, 1]))), call(T(4, 3), (1, 2)),
        call(T(4, 3), I([-1, 3]))]),
    Row("getitem", lambda x, index: x[index], run=lambda x, index: x[index], torch=lambda x, index: x[index],
        note="mask", reads=True, calls=[
        call(T(2, 2), M([[True, False], [True, True]])), call(T(3, 2), M([True, False, True])),
            call(T(3, 2), (slice(None), M([False, True]))),
        call(T(3), M([False, False, False]))]),
    Row("place", np_place, torch=lambda v, index, shape: v.new_zeros(shape).index_put(_index_tuple(index), v,
        accumulate=True),
        run=lambda v, index, shape: ops.registry["place"](v, ops.plain_index(index), shape), calls=[
        call(T(3), I([0, 2, 2]), (4,)), call(T(3, 2), I([0, 2, 2]), (4, 2)),
            call(T(3), (I([0, 2, 2]), I([1, 0, 0])), (4, 2))]),
    Row("setitem", np_setitem, ints="", torch=lambda x, value, index: _torch_setitem(x, value, index), calls=[
        call(T(4, 3), T(3), 1), call(T(4, 3), T(), slice(0, 2)), call(T(4, 3), 0.0, (slice(None), 1)),
            call(T(2), T(1), ...)]),
    Row("gather", lambda x, index, dim: np.take_along_axis(x, index, dim), torch=lambda x, index,
        dim: x.gather(dim, index), calls=[
        call(T(3, 2), I([[0, 2], [2, 2]]), 0), call(T(3, 4), I([[0, 3, 3], [1, 1, 0], [2, 0, 3]]), -1),
            call(T(3), I([2, 2]), 0)]),
    Row("spread", np_spread, torch=lambda v, index, dim, shape: v.new_zeros(shape).scatter_add(dim, index, v), calls=[
        call(T(2, 2), I([[0, 2], [2, 2]]), 0, (3, 2)), call(T(3), I([2, 2, 0]), 0, (4,))]),
    Row("take_along_dim", np.take_along_axis, [call(T(3, 2), I([[0, 2], [2, 2]]), 0),
        call(T(2, 3), I([[2], [0]]), -1)]),
    Row("index_select", lambda x, dim, index: np.take(x, index, dim),
        [call(T(4, 3), 0, I([0, 2, 2])), call(T(4, 3), -1, I([2, 0]))]),
    Row("masked_select", lambda x, mask: x[mask], [call(T(2, 2), M([[True, False], [True, True]]))], reads=True),
    # Products
    Row("matmul", np.matmul, [
        call(T(2, 3), T(3, 4)), call(T(3), T(3)), call(T(3), T(3, 4)), call(T(2, 3), T(3)), call(T(5, 2, 3), T(3, 4)),
        call(T(2, 2, 2, 3), T(3, 2)), call(T(2, 3), T(5, 3, 4)), call(T(5, 2, 3), T(5, 3, 4)),
            call(T(2, 1, 2, 3), T(3, 3, 2)),
        call(T(3), T(2, 3, 2)), call(T(2, 2, 3), T(3)), call(T(1, 2, 3), T(4, 3, 2)), call(T(2, 0), T(0, 3))]),
    Row("mm", np.matmul, [call(T(2, 3), T(3, 4))]),
    Row("bmm", np.matmul, [call(T(2, 2, 3), T(2, 3, 2))]),
    Row("mv", np.matmul, [call(T(2, 3), T(3))]),
    Row("dot", np.dot, [call(T(3), T(3))]),
    Row("outer", np.outer, [call(T(2), T(3))]),
    Row("linear", lambda x, weight, bias=None: x @ weight.T + (0.0 if bias is None else bias),
        torch="nn.functional.linear", ints="", calls=[
        call(T(2, 3), T(4, 3), T(4)), call(T(2, 3), T(4, 3)), call(T(3), T(4, 3), T(4)),
            call(T(2, 2, 3), T(4, 3), T(4))]),
    Row("_einsum2", lambda a, b, a_axes, b_axes, out: np.einsum(f"{a_axes},{b_axes}->{out}", a, b),
        torch=lambda a, b, a_axes, b_axes, out: _torch("einsum")(f"{a_axes},{b_axes}->{out}", a, b), calls=[
        call(T(2, 3), T(3, 4), "ij", "jk", "ik"), call(T(2, 3), T(2, 3), "bi", "bi", "b"),
            call(T(2), T(), "i", "", "i")]),
    Row("einsum", np.einsum, [
        call("ij,jk->ik", T(2, 3), T(3, 4)), call("ij,jk", T(2, 3), T(3, 4)), call("ii", T(3, 3)),
            call("ii->i", T(3, 3)), call("ij->ji", T(2, 3)),
        call("ij->", T(2, 3)), call("bij,bj->bi", T(2, 3, 4), T(2, 4)), call("i,j->ij", T(2), T(3)),
            call("...ij,...jk->...ik", T(2, 2, 3), T(3, 2)),
        call("ij,kj,k->i", T(2, 3), T(4, 3), T(4)), call("iij,j->i", T(2, 2, 3), T(3)), call("ij,k->i", T(2, 3), T(2)),
            call("i,i", T(3), T(3)),
        call("b...,b...->...", T(2, 3), T(2, 3))], torch="einsum"),
    # Activations
    unary("relu", relu, kinks=[call(F([-1.0, 0.0, 2.0]))]),
    unary("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x), torch="nn.functional.leaky_relu", ints="",
        kinks=[call(F([-1.0, 0.0, 2.0]))]),
    Row("leaky_relu", lambda x, a: np.where(x > 0, x, a * x), [call(T(2, 3), 0.2)], note="slope",
        torch="nn.functional.leaky_relu", ints=""),
    unary("hardtanh", lambda x: np.clip(x, -1, 1), torch="nn.functional.hardtanh", ints="",
        kinks=[call(F([-1.0, 0.0, 1.0]))]),
    unary("relu6", lambda x: np.clip(x, 0, 6), -8.0, 8.0, torch="nn.functional.relu6", ints="",
        kinks=[call(F([0.0, 6.0, 7.0]))]),
    unary("sigmoid", sigmoid, -6.0, 6.0, ints="float32"),
    unary("softplus", lambda x: np.log1p(np.exp(x)), -6.0, 6.0, torch="nn.functional.softplus", ints=""),
    Row("softplus", lambda x, beta, threshold: np.where(x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta),
        [call(T(2, 3, low=-6.0, high=6.0), 2.0, 5.0)], note="beta", torch="nn.functional.softplus", ints=""),
    unary("logsigmoid", lambda x: -np.log1p(np.exp(-x)), torch="nn.functional.logsigmoid", ints=""),
    unary("silu", lambda x: x * sigmoid(x), torch="nn.functional.silu", ints=""),
    unary("elu", lambda x: np.where(x > 0, x, np.expm1(x)), torch="nn.functional.elu", ints="",
        kinks=[call(F([-1.0, 0.0, 2.0]))]),
    Row("elu", lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), [call(T(2, 3), 0.5)], note="alpha",
        torch="nn.functional.elu", ints=""),
    Row("softmax", or_0d(np_softmax), [call(T(2, 3), dim=1), call(T(2, 3, 2), dim=0), call(T(3), dim=-1),
        call(T(), dim=0)], ints=""),
    Row("log_softmax", or_0d(lambda x, dim: np.log(np_softmax(x, dim))), ints="", calls=[
        call(T(2, 3), dim=1), call(T(2, 3, 2), dim=0), call(T(3), dim=-1), call(T(), dim=0)], rtol=1e-11),
    # Losses and normalisation
    Row("softmax_cross_entropy", np_cross_entropy, [call(T(3, 4), I([0, 3, 3])), call(T(1, 2), I([1]))],
        torch="nn.functional.cross_entropy", ints=""),
    Row("one_hot_like", lambda x, target: np.eye(x.shape[1])[target], [call(T(3, 4), I([0, 3, 3]))], gradient=False,
        ints="",
        torch=lambda x, target: x.new_ones(x.shape[1]).diag()[target]),
    Row("binary_cross_entropy", lambda x, t: -(t * np.log(x) + (1 - t) * np.log1p(-x)), ints="", calls=[
        call(T(2, 3, low=0.1, high=0.9), T(2, 3, low=0.1, high=0.9)), call(T(low=0.1, high=0.9), T(low=0.1, high=0.9))],
        torch=lambda x, t: _torch("nn.functional.binary_cross_entropy")(x, t.double(), reduction="none"),
        kinks=[call(F([0.0, 1.0, 0.0, 1.0, 0.5]), I([0, 0, 1, 1, 1]))]),
    Row("batch_norm", np_batch_norm, [
        call(T(4, 3), T(3), T(3), 1e-3), call(T(4, 3), None, None, 1e-3), call(T(2, 3, 2, 2), T(3), T(3), 1e-3),
            call(T(2, 3, 4), T(3), None, 1e-3)],
        torch=lambda x, w, b, eps: _torch(BATCH_NORM)(x, None, None, w, b, training=True, eps=eps), ints=""),
    Row("batch_norm_fixed", lambda x, m, v, w, b, eps: (x - m) / np.sqrt(v + eps) * w + b, ints="", calls=[
        call(T(4, 3), T(3), T(3, **POSITIVE), T(3), T(3), 1e-3)],
        torch=lambda x, m, v, w, b, eps: (x - m) / (v + eps).sqrt() * w + b),
    # Copies
    Row("clone", np.copy, [call(T(2, 3)), call(T())]),
    Row("cast", lambda x, dtype: x.astype(dtype), [call(T(2, 3), np.dtype("float64"))], dtype="float64",
        ints="float64", torch=lambda x, dtype: x.double()),
    Row("transfer", lambda x, device, source: x, [call(T(2, 3), CPU, CPU)], torch=lambda x, device, source: x,
        reads=True),
]  # fmt: skip


def _torch(name: str) -> Any:
    import functools

    import torch

    return functools.reduce(getattr, name.split("."), torch)


def _torch_tensor(x: Any) -> Any:
    return x if hasattr(x, "dtype") else _torch("tensor")(x)


def _index_tuple(index: Any) -> Any:
    return index if isinstance(index, tuple) else (index,)


def _torch_setitem(x: Any, value: Any, index: Any) -> Any:
    out = x.clone()
    out[index] = value
    return out
