"""The op table: what each op is called with in the tests, and what it should give.

To add an op, add one row: its name, the same function on float64 NumPy arrays, and a few calls. From the row follow,
in ``test_ops.py``, the forward pass, first and second derivatives, dtypes, memory, the stand-in for CuPy, and PyTorch
side by side. An op without a row fails the tests.

In a call, ``T(2, 3)`` is a tensor of random numbers from -2 to 2 that requires grad, ``F([1.0, 2.0])`` one of these
numbers; ``I([0, 1])`` are integers and ``M([True, False])`` a mask, which never do; everything else is itself. What
the other columns mean is said at ``Row``.
"""

from __future__ import annotations

import functools
import importlib
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.backend import CPU


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
    calls: tuple[Call, ...]
    note: str = ""  # tells two rows of one op apart
    run: Callable[..., Any] | None = None  # how to call it, if not by op(...)
    torch: str | Callable[..., Any] | None = None  # PyTorch's name of it, if another one; or a function of its tensors
    beside: str = "gradients"  # "values" if PyTorch has no derivative of it
    kinks: Sequence[Call] = ()  # compared with PyTorch only: no slope is right there, one is agreed upon
    ints: str = ""  # the dtype that int64 inputs give, if they make sense
    dtype: str = "float32"  # the dtype that float32 inputs give
    gradient: bool = True  # False: there is nothing to differentiate, as in comparisons
    reads: bool = False  # must wait for the GPU: the size of the result depends on values
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


def row(op: str, reference: Callable[..., Any], *calls: Call, **columns: Any) -> Row:
    return Row(op, reference, calls, **columns)


def unary(op: str, reference: Callable[..., Any], low: float = -2.0, high: float = 2.0, **columns: Any) -> Row:
    """A row of a function of one tensor: n-d, 0-d and empty, drawn between ``low`` and ``high``."""
    shapes: list[tuple[int, ...]] = [(2, 3), (), (0, 3)]
    return row(op, reference, *(call(T(*shape, low=low, high=high)) for shape in shapes), **columns)


def binary(op: str, reference: Callable[..., Any], low: float = -2.0, high: float = 2.0, **columns: Any) -> Row:
    """A row of a function of two tensors: broadcasting in all directions, 0-d tensors, numbers on either side."""

    def draw(*shape: int) -> Data:
        return T(*shape, low=low, high=high)

    shapes: list[tuple[Any, Any]] = [
        ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((2, 3), ()), ((), ()), ((0, 3), (3,)),
    ]  # fmt: skip
    calls = [call(draw(*a), draw(*b)) for a, b in shapes]
    columns.setdefault("torch", lambda a, b: torch(op)(torch_tensor(a), torch_tensor(b)))  # some take no numbers
    return row(op, reference, *calls, call(draw(2, 3), 1.5), call(1.5, draw(2, 3)), **columns)


# ----------------------------------------------------------------------------------------------------------------
# PyTorch, which is imported only where a test asks for it


def torch(name: str) -> Any:
    return functools.reduce(getattr, name.split("."), importlib.import_module("torch"))


def torch_tensor(x: Any) -> Any:
    return x if hasattr(x, "dtype") else torch("tensor")(x)


def torch_setitem(x: Any, value: Any, index: Any) -> Any:
    out = x.clone()
    out[index] = value
    return out


# ----------------------------------------------------------------------------------------------------------------
# References longer than a line


def tupled(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list) else dim


def along(f: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's reduction with PyTorch's argument names; along dim 0, a 0-d tensor counts as one entry."""

    def reference(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return f(x.reshape(1) if x.ndim == 0 and dim is not None else x, axis=tupled(dim), keepdims=keepdim)

    return reference


def np_extreme(value: Callable[..., Any], where: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            return value(x)
        return along(value)(x, dim, keepdim), along(where)(x, dim, keepdim)

    return reference


def np_var(x: Any, dim: Any = None, keepdim: bool = False, correction: float = 1) -> Any:
    return np.var(x, axis=tupled(dim), keepdims=keepdim, ddof=correction)


def np_norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    if p == 0:
        return along(np.sum)((x != 0).astype(float), dim, keepdim)
    if abs(p) == math.inf:
        return along(np.max if p > 0 else np.min)(abs(x), dim, keepdim)
    return along(np.sum)(abs(x) ** p, dim, keepdim) ** (1 / p)


def np_softmax(x: Any, dim: int) -> Any:
    if x.ndim == 0:
        return np.ones(())
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


def np_pieces(x: Any, sizes: list[int], dim: int) -> Any:
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=dim))


def np_place(v: Any, index: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape)
    np.add.at(out, index, v)
    return out


def np_setitem(x: Any, value: Any, index: Any) -> Any:
    out = x.copy()
    out[index] = value
    return out


def np_spread(v: Any, index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape)
    for at in np.ndindex(*index.shape):
        to = list(at)
        to[dim] = index[at]
        out[tuple(to)] += v[at]
    return out


def np_cross_entropy(x: Any, target: Any) -> Any:
    return -np.log(np_softmax(x, 1)[np.arange(len(x)), target]).mean()


def np_batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    dims = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    y = (x - x.mean(axis=dims, keepdims=True)) / np.sqrt(x.var(axis=dims, keepdims=True) + eps)
    return y * (1.0 if weight is None else weight.reshape(shape)) + (0.0 if bias is None else bias.reshape(shape))


# ----------------------------------------------------------------------------------------------------------------
# Calls and columns that many rows share

POSITIVE = dict(low=0.2, high=3.0)
INSIDE = dict(low=-0.9, high=0.9)
LOGICAL = dict(gradient=False, ints="bool", dtype="bool")

ALL_DIMS = [call(T(2, 3)), call(T())]
ONE_DIM = [call(T(2, 3), dim=0), call(T(2, 3, 2), dim=-1, keepdim=True), call(T(2, 3, 2), dim=1), call(T(), dim=0)]
SOME_DIMS = [*ONE_DIM, call(T(2, 3, 2), dim=(0, 2)), call(T(2, 3, 2), dim=[-1, 0], keepdim=True)]

SIGNS = [call(F([-1.0, 0.0, 2.0]))]
STEPS = [call(F([-1.5, -1.0, -0.5, 0.0, 0.5, 2.5]))]
TIES = F([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
BOUNDS = F([2.0, 2.0, 3.0])
TIES_ALONG = [call(TIES), call(TIES, dim=1), call(TIES, dim=0)]
QUOTIENTS = [call(F([5.5, -5.5, 5.5, -5.5]), F([2.0, 2.0, -2.0, -2.0]))]
BITS = [call(I([[1, 2, 5], [7, -4, 0]]), I([3, 6, -1])), call(M([True, False, True]), M([True, True, False]))]
TRUTHS = [call(F([0.0, 2.0, 0.0]), F([3.0, 1.0, 0.0])), call(T(2, 1), M([True, False]))]
SPREADS = [call(T(2, 3)), call(T(2, 3), dim=1), call(T(2, 3, 2), dim=[0, -1], keepdim=True), call(T(4), correction=0)]
ODD = F([1.0, math.nan, math.inf, -math.inf])
SQUARE_MASK = M([[True, False], [True, True]])


# ----------------------------------------------------------------------------------------------------------------
# The table, sheet by sheet

# fmt: off
ELEMENTWISE = [
    binary("add", np.add, ints="int64"),
    binary("sub", np.subtract, ints="int64"),
    binary("mul", np.multiply, ints="int64"),
    binary("div", np.divide, **POSITIVE, ints="float32"),
    unary("neg", np.negative, ints="int64"),
    binary("floor_divide", np.floor_divide, **POSITIVE, ints="int64", beside="values", kinks=QUOTIENTS),
    binary("remainder", np.remainder, **POSITIVE, ints="int64", beside="values", kinks=QUOTIENTS),
    binary("fmod", np.fmod, **POSITIVE, ints="int64", kinks=QUOTIENTS),
    row("lerp", lambda a, b, weight: a + weight * (b - a),
        call(T(2, 3), T(3), 0.3), call(T(2, 3), T(2, 1), T(3)), call(T(), T(), T())),

    binary("pow", np.power, **POSITIVE, ints="int64", torch="pow", kinks=[
        call(F([0.0, 0.0, 0.0, 2.0]), F([0.0, 2.0, 1.0, 0.0])), call(F([-2.0, 0.0, 3.0]), 2), call(F([-1.5, 2.0]), 3),
        call(F([0.0, 2.0]), 0), call(F([0.0, 2.0]), 1.0), call(2, F([-1.0, 0.0, 3.0])), call(0, F([1.0, 0.0, 3.0]))]),
    unary("square", np.square, ints="int64"),
    unary("sqrt", np.sqrt, **POSITIVE, ints="float32"),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), **POSITIVE, ints="float32"),
    unary("reciprocal", np.reciprocal, **POSITIVE, ints="float32"),
    binary("hypot", np.hypot, **POSITIVE),

    unary("exp", np.exp, ints="float32"),
    unary("exp2", np.exp2, ints="float32"),
    unary("expm1", np.expm1, ints="float32"),
    unary("log", np.log, **POSITIVE, ints="float32"),
    unary("log2", np.log2, **POSITIVE, ints="float32"),
    unary("log10", np.log10, **POSITIVE, ints="float32"),
    unary("log1p", np.log1p, -0.8, 3.0, ints="float32"),
    binary("logaddexp", np.logaddexp),

    unary("sin", np.sin, ints="float32"),
    unary("cos", np.cos, ints="float32"),
    unary("tan", np.tan, -1.2, 1.2, ints="float32"),
    unary("asin", np.arcsin, **INSIDE, ints="float32"),
    unary("acos", np.arccos, **INSIDE, ints="float32"),
    unary("atan", np.arctan, ints="float32"),
    binary("atan2", np.arctan2, **POSITIVE, ints="float32"),
    unary("sinh", np.sinh, ints="float32"),
    unary("cosh", np.cosh, ints="float32"),
    unary("tanh", np.tanh, ints="float32"),
    unary("asinh", np.arcsinh, ints="float32"),
    unary("acosh", np.arccosh, 1.2, 3.0, ints="float32"),
    unary("atanh", np.arctanh, **INSIDE, ints="float32"),

    unary("abs", np.abs, ints="int64", kinks=SIGNS),
    unary("sign", np.sign, ints="int64", kinks=SIGNS),
    unary("floor", np.floor, ints="int64", kinks=STEPS),
    unary("ceil", np.ceil, ints="int64", kinks=STEPS),
    unary("round", np.round, ints="int64", kinks=STEPS),
    row("round", np.round, call(T(2, 3), decimals=2), note="decimals"),
    unary("trunc", np.trunc, ints="int64", kinks=STEPS),
    unary("frac", lambda x: x - np.trunc(x), kinks=STEPS),

    binary("eq", np.equal, **LOGICAL, kinks=[call(ODD, ODD)]),
    binary("ne", np.not_equal, **LOGICAL, kinks=[call(ODD, ODD)]),
    binary("lt", np.less, **LOGICAL, kinks=[call(TIES, 2.0)]),
    binary("le", np.less_equal, **LOGICAL, kinks=[call(TIES, 2.0)]),
    binary("gt", np.greater, **LOGICAL, kinks=[call(TIES, 2.0)]),
    binary("ge", np.greater_equal, **LOGICAL, kinks=[call(TIES, 2.0)]),
    row("isnan", np.isnan, call(ODD), gradient=False, dtype="bool"),
    row("isinf", np.isinf, call(ODD), gradient=False, dtype="bool"),
    row("isfinite", np.isfinite, call(ODD), gradient=False, dtype="bool"),
    row("isclose", np.isclose, call(F([1.0, 2.0, math.nan]), F([1.0 + 1e-6, 2.1, math.nan])),
        call(ODD, ODD, equal_nan=True), call(F([1.0, 2.0]), F([1.1, 2.3]), rtol=0.0, atol=0.2),
        gradient=False, dtype="bool"),
    row("logical_and", np.logical_and, *TRUTHS, **LOGICAL),
    row("logical_or", np.logical_or, *TRUTHS, **LOGICAL),
    row("logical_xor", np.logical_xor, *TRUTHS, **LOGICAL),
    row("logical_not", np.logical_not, call(F([0.0, 2.0])), call(M([True, False])), **LOGICAL),
    row("bitwise_and", np.bitwise_and, *BITS, gradient=False),
    row("bitwise_or", np.bitwise_or, *BITS, gradient=False),
    row("bitwise_xor", np.bitwise_xor, *BITS, gradient=False),
    row("bitwise_not", np.bitwise_not, call(I([5, 0, -1])), call(M([True, False])), gradient=False),

    binary("maximum", np.maximum, ints="int64", kinks=[call(TIES, 2.0), call(TIES, TIES)]),
    binary("minimum", np.minimum, ints="int64", kinks=[call(TIES, 2.0), call(TIES, TIES)]),
    row("where", np.where, call(M([[True], [False]]), T(2, 3), T(3)), call(M([True, False]), 1.5, T(2)),
        call(M([True, False]), T(2), 0.0), call(M(True), T(2), T()), ints="int64"),
    row("clamp", lambda x, min=None, max=None: np.clip(x, min, max),
        call(T(2, 3), -1.0, 1.0), call(T(2, 3), min=0.5), call(T(2, 3), max=0.5), call(T(2, 3), 1.0, -1.0),
        call(T(4), T(4), T(4, low=2.1, high=3.0)), call(T(3, 4), T(4)), call(T(3, 4), None, T(3, 1)), ints="int64",
        kinks=[call(TIES, 2.0, 3.0), call(TIES, 2.0), call(TIES, None, 2.0), call(TIES, BOUNDS),
               call(TIES, None, BOUNDS), call(TIES, BOUNDS, F([2.0, 3.0, 3.0]))]),
]

REDUCTION = [
    row("sum", along(np.sum), *ALL_DIMS, *SOME_DIMS, call(T(0, 3), dim=0), ints="int64"),
    row("mean", along(np.mean), *ALL_DIMS, *SOME_DIMS),
    row("var", np_var, *SPREADS),
    row("std", lambda *args, **kwargs: np.sqrt(np_var(*args, **kwargs)), *SPREADS),
    row("prod", along(np.prod), *ALL_DIMS, *ONE_DIM, call(F([0.0, 2.0])), call(T(0)),
        call(F([[0.0, 2.0, 3.0], [0.0, 0.0, 4.0]]), dim=1), ints="int64"),
    row("_diagonal_mask", lambda x, n: np.eye(n, dtype=bool), call(T(2), 3), **LOGICAL,
        torch=lambda x, n: x.new_ones(n).diag().bool()),
    row("amax", along(np.max), *ALL_DIMS, *SOME_DIMS, ints="int64", kinks=[*TIES_ALONG, call(TIES, dim=(0, 1))]),
    row("amin", along(np.min), *ALL_DIMS, *SOME_DIMS, ints="int64", kinks=[*TIES_ALONG, call(TIES, dim=(0, 1))]),
    row("argmax", along(np.argmax), *ALL_DIMS, *ONE_DIM, *TIES_ALONG, gradient=False, ints="int64", dtype="int64"),
    row("argmin", along(np.argmin), *ALL_DIMS, *ONE_DIM, *TIES_ALONG, gradient=False, ints="int64", dtype="int64"),
    row("max_", np_extreme(np.max, np.argmax), *ALL_DIMS, *ONE_DIM, torch="max", ints="int64", kinks=TIES_ALONG),
    row("min_", np_extreme(np.min, np.argmin), *ALL_DIMS, *ONE_DIM, torch="min", ints="int64", kinks=TIES_ALONG),
    row("vector_norm", lambda x, dim=None, keepdim=False: np_norm(x, 2, dim, keepdim), *ALL_DIMS, *SOME_DIMS,
        torch="linalg.vector_norm", kinks=[call(F([0.0, 0.0])), call(F([[0.0, 0.0], [3.0, 4.0]]), dim=1)]),
    row("norm", np_norm, call(T(2, 3)), call(T(2, 3), 1), call(T(2, 3), 3, dim=1), call(T(2, 3), math.inf, dim=0),
        call(T(2, 3), 2.5, dim=(0, 1), keepdim=True), call(T(2, 3), -math.inf), call(T(2, 3), 0, dim=1),
        kinks=[call(F([0.0, 3.0]), 1), call(F([0.0, 0.0]), 2), call(F([2.0, -2.0]), math.inf)]),
    row("logsumexp", lambda x, dim, keepdim=False: np.log(along(np.sum)(np.exp(x), dim, keepdim)), *SOME_DIMS,
        ints="float32"),
    row("all", along(np.all), call(SQUARE_MASK, dim=1), call(T(2, 3)), call(F([0.0, 1.0])), **LOGICAL),
    row("any", along(np.any), call(SQUARE_MASK, dim=1), call(T(2, 3)), call(F([0.0, 0.0])), **LOGICAL),
    row("count_nonzero", lambda x, dim=None: np.count_nonzero(x, axis=dim), call(F([[0.0, 2.0], [3.0, 1.0]])),
        call(F([[0.0, 2.0], [3.0, 1.0]]), dim=0), call(F([[0.0, 2.0]]), dim=(0, 1)),
        gradient=False, ints="int64", dtype="int64"),
]

SHAPE = [
    row("reshape", lambda x, shape: x.reshape(shape), call(T(2, 6), (3, 4)), call(T(2, 3), [-1]), call(T(1), ()),
        call(T(0, 2), (2, 0)), ints="int64"),
    row("permute", np.transpose, call(T(2, 3, 4), (2, 0, 1)), call(T(2, 3), [-1, 0]), call(T(), ()), ints="int64"),
    row("transpose", lambda x, dim0, dim1: x.swapaxes(dim0, dim1) if x.ndim else x,
        call(T(2, 3), 0, 1), call(T(2, 3, 4), -1, 0), call(T(), 0, -1), ints="int64"),
    row("broadcast_to", np.broadcast_to, call(T(3), (2, 3)), call(T(2, 1, 3), (4, 2, 5, 3)), call(T(), (2,)),
        call(T(1), (0,)), ints="int64"),
    row("sum_to_size", lambda x, size: (x.sum(0) if 3 in size else x.sum()).reshape(size), call(T(2, 3), (3,)),
        call(T(2, 3), (1, 3)), call(T(2, 3), ()), call(T(2, 3), (1, 1)),
        torch=lambda x, size: x.sum_to_size(*size) if size else x.sum()),
    row("expand", lambda x, size: np.broadcast_to(x, [3 if n == -1 else n for n in size]), call(T(3, 1), (-1, 4)),
        call(T(3), (2, -1)), call(T(), (2,)), torch=lambda x, size: x.expand(*size)),
    row("squeeze", lambda x, dim=None: np.squeeze(x, tupled(dim)) if 1 in x.shape else x,
        call(T(1, 3, 1)), call(T(1, 3, 1), dim=0), call(T(1, 3, 1), dim=[0, -1]), call(T(2, 3), dim=1), call(T())),
    row("unsqueeze", np.expand_dims, call(T(2, 3), 0), call(T(2, 3), -1), call(T(2, 3), 1), call(T(), 0)),
    row("flatten", lambda x, *dims: x.reshape({(): -1, (1,): (2, 12), (0, 1): (6, 4), (-2, -1): (2, 12)}[dims]),
        call(T(2, 3, 4)), call(T(2, 3, 4), 1), call(T(2, 3, 4), 0, 1), call(T(2, 3, 4), -2, -1), call(T())),
    row("unflatten", lambda x, dim, sizes: x.reshape(2, 3, 2), call(T(2, 6), 1, [3, 2]), call(T(2, 6), -1, (-1, 2))),
    row("movedim", np.moveaxis, call(T(2, 3, 4), 0, -1), call(T(2, 3, 4), (0, 1), (2, 0)), call(T(2, 3, 4), -1, 0)),
    row("concatenate", lambda *x, dim, sizes: np.concatenate(x, dim), call(T(2, 3), T(1, 3), dim=0, sizes=(2, 1)),
        torch=lambda *x, dim, sizes: torch("cat")(x, dim)),
    row("cat", lambda x, dim=0: np.concatenate(x, dim), call([T(2, 3), T(1, 3)]), call([T(3)]),
        call([T(2, 1), T(2, 2), T(2, 3)], dim=-1), call([T(0, 3), T(2, 3)]), call([T(2), I([1])]), ints="int64"),
    row("stack", lambda x, dim=0: np.stack(x, dim), call([T(3), T(3)]), call([T(2, 3), T(2, 3)], dim=-1),
        call([T(), T()])),
    row("narrow", lambda x, dim, start, length: x[:, start:][:, :length] if dim else x[start:][:length],
        call(T(4, 3), 0, 1, 2), call(T(3, 4), 1, -2, 2)),
    row("split", lambda x, sizes, dim=0: np_pieces(x, [2, 2, 1] if sizes == 2 else sizes, dim),
        call(T(5, 2), 2), call(T(2, 5), 2, dim=1), call(T(5, 2), [1, 4])),
    row("chunk", lambda x, chunks, dim=0: np_pieces(x, [2, 2, 1], dim), call(T(5, 2), 3), call(T(2, 5), 4, dim=-1)),
    row("unbind", lambda x, dim=0: tuple(np.moveaxis(x, dim, 0)), call(T(3, 2)), call(T(2, 3), dim=-1)),
    row("flip", np.flip, call(T(2, 3), (0,)), call(T(2, 3), [0, -1])),
    row("roll", np.roll, call(T(2, 3), 1), call(T(2, 3), -1, 1), call(T(2, 3), [1, 2], [0, -1])),
]

INDEXING = [
    row("getitem", lambda x, index: x[index], call(T(4, 3), 1), call(T(4, 3), (1, 2)), call(T(4, 3), ...),
        call(T(4, 3), (slice(None, None, 2), -1)), call(T(4, 3), (None, ..., 0)), call(T(4, 3), I([0, 2, 2])),
        call(T(4, 3), I([-1, 3])), call(T(4, 3), (I([0, 2, 2]), I([1, 0, 0]))), call(T(4, 3), (slice(1, 3), I([2, 2]))),
        call(T(4, 3), (I([[0], [3]]), I([1, 1]))), call(T(2, 4, 3), (0, I([1, 1]))), call(T(4, 3), I(2)),
        run=lambda x, index: x[index], torch=lambda x, index: x[index], ints="int64"),
    row("getitem", lambda x, index: x[index], call(T(2, 2), SQUARE_MASK), call(T(3, 2), M([True, False, True])),
        call(T(3, 2), (slice(None), M([False, True]))), call(T(3), M([False, False, False])), note="mask", reads=True,
        run=lambda x, index: x[index], torch=lambda x, index: x[index], ints="int64"),
    row("place", np_place, call(T(3), I([0, 2, 2]), (4,)), call(T(3, 2), I([0, 2, 2]), (4, 2)),
        call(T(3), (I([0, 2, 2]), I([1, 0, 0])), (4, 2)),
        run=lambda v, index, shape: ops.registry["place"](v, ops.plain_index(index), shape),
        torch=lambda v, index, shape: v.new_zeros(shape).index_put(
            index if isinstance(index, tuple) else (index,), v, accumulate=True)),
    row("setitem", np_setitem, call(T(4, 3), T(3), 1), call(T(4, 3), T(), slice(0, 2)), call(T(2), T(1), ...),
        call(T(4, 3), 0.0, (slice(None), 1)), torch=torch_setitem),
    row("gather", lambda x, index, dim: np.take_along_axis(x, index, dim), call(T(3, 2), I([[0, 2], [2, 2]]), 0),
        call(T(3, 4), I([[0, 3, 3], [1, 1, 0], [2, 0, 3]]), -1), call(T(3), I([2, 2]), 0),
        torch=lambda x, index, dim: x.gather(dim, index)),
    row("spread", np_spread, call(T(2, 2), I([[0, 2], [2, 2]]), 0, (3, 2)), call(T(3), I([2, 2, 0]), 0, (4,)),
        torch=lambda v, index, dim, shape: v.new_zeros(shape).scatter_add(dim, index, v)),
    row("take_along_dim", np.take_along_axis, call(T(3, 2), I([[0, 2], [2, 2]]), 0), call(T(2, 3), I([[2], [0]]), -1)),
    row("index_select", lambda x, dim, index: np.take(x, index, dim), call(T(4, 3), 0, I([0, 2, 2])),
        call(T(4, 3), -1, I([2, 0]))),
    row("masked_select", lambda x, mask: x[mask], call(T(2, 2), SQUARE_MASK), reads=True),
]

LINALG = [
    row("matmul", np.matmul, call(T(2, 3), T(3, 4)), call(T(3), T(3)), call(T(3), T(3, 4)), call(T(2, 3), T(3)),
        call(T(5, 2, 3), T(3, 4)), call(T(2, 2, 2, 3), T(3, 2)), call(T(2, 3), T(5, 3, 4)), call(T(3), T(2, 3, 2)),
        call(T(5, 2, 3), T(5, 3, 4)), call(T(2, 1, 2, 3), T(3, 3, 2)), call(T(2, 2, 3), T(3)),
        call(T(1, 2, 3), T(4, 3, 2)), call(T(2, 0), T(0, 3)), ints="int64"),
    row("mm", np.matmul, call(T(2, 3), T(3, 4))),
    row("bmm", np.matmul, call(T(2, 2, 3), T(2, 3, 2))),
    row("mv", np.matmul, call(T(2, 3), T(3))),
    row("dot", np.dot, call(T(3), T(3))),
    row("outer", np.outer, call(T(2), T(3))),
    row("linear", lambda x, weight, bias=0.0: x @ weight.T + bias, call(T(2, 3), T(4, 3), T(4)),
        call(T(2, 3), T(4, 3)), call(T(3), T(4, 3), T(4)), call(T(2, 2, 3), T(4, 3), T(4)),
        torch="nn.functional.linear"),
    row("_einsum2", lambda a, b, a_axes, b_axes, out: np.einsum(f"{a_axes},{b_axes}->{out}", a, b),
        call(T(2, 3), T(3, 4), "ij", "jk", "ik"), call(T(2, 3), T(2, 3), "bi", "bi", "b"),
        call(T(2), T(), "i", "", "i"),
        torch=lambda a, b, a_axes, b_axes, out: torch("einsum")(f"{a_axes},{b_axes}->{out}", a, b)),
    row("einsum", np.einsum, call("ij,jk->ik", T(2, 3), T(3, 4)), call("ij,jk", T(2, 3), T(3, 4)),
        call("ij,ij->i", T(2, 3), T(1, 3)), call("ij,jk,kl->il", T(2, 3), T(3, 1), T(4, 5)),
        call("ii", T(3, 3)), call("ii->i", T(3, 3)), call("ij->ji", T(2, 3)), call("ij->", T(2, 3)),
        call("bij,bj->bi", T(2, 3, 4), T(2, 4)), call("i,j->ij", T(2), T(3)), call("i,i", T(3), T(3)),
        call("...ij,...jk->...ik", T(2, 2, 3), T(3, 2)), call("b...,b...->...", T(2, 3), T(2, 3)),
        call("ij,kj,k->i", T(2, 3), T(4, 3), T(4)), call("iij,j->i", T(2, 2, 3), T(3)), call("ij,k->i", T(2, 3), T(2))),
]

ACTIVATION = [
    unary("relu", lambda x: np.maximum(x, 0), ints="int64", kinks=SIGNS),
    unary("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x), torch="nn.functional.leaky_relu", kinks=SIGNS),
    row("leaky_relu", lambda x, slope: np.where(x > 0, x, slope * x), call(T(2, 3), 0.2), note="slope",
        torch="nn.functional.leaky_relu"),
    unary("hardtanh", lambda x: np.clip(x, -1, 1), torch="nn.functional.hardtanh", kinks=[call(F([-1.0, 0.0, 1.0]))]),
    unary("relu6", lambda x: np.clip(x, 0, 6), -8.0, 8.0, torch="nn.functional.relu6",
        kinks=[call(F([0.0, 6.0, 7.0]))]),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)), -6.0, 6.0, ints="float32"),
    unary("softplus", lambda x: np.log1p(np.exp(x)), -6.0, 6.0, torch="nn.functional.softplus"),
    row("softplus", lambda x, beta, threshold: np.where(x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta),
        call(T(2, 3, low=-6.0, high=6.0), 2.0, 5.0), note="beta", torch="nn.functional.softplus"),
    unary("logsigmoid", lambda x: -np.log1p(np.exp(-x)), torch="nn.functional.logsigmoid"),
    unary("silu", lambda x: x / (1 + np.exp(-x)), torch="nn.functional.silu"),
    unary("elu", lambda x: np.where(x > 0, x, np.expm1(x)), torch="nn.functional.elu", kinks=SIGNS),
    row("elu", lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), call(T(2, 3), 0.5), note="alpha",
        torch="nn.functional.elu", kinks=[call(F([-1.0, 0.0, 2.0]), 0.5)]),
    row("softmax", np_softmax, call(T(2, 3), dim=1), call(T(2, 3, 2), dim=0), call(T(3), dim=-1), call(T(), dim=0)),
    row("log_softmax", lambda x, dim: np.log(np_softmax(x, dim)), call(T(2, 3), dim=1), call(T(2, 3, 2), dim=0),
        call(T(3), dim=-1), call(T(), dim=0), rtol=1e-11),
]

LOSS_AND_NORMALIZATION = [
    row("softmax_cross_entropy", np_cross_entropy, call(T(3, 4), I([0, 3, 3])), call(T(1, 2), I([1])),
        torch="nn.functional.cross_entropy"),
    row("one_hot_like", lambda x, target: np.eye(x.shape[1])[target], call(T(3, 4), I([0, 3, 3])), gradient=False,
        torch=lambda x, target: x.new_ones(x.shape[1]).diag()[target]),
    row("binary_cross_entropy", lambda x, t: -(t * np.log(x) + (1 - t) * np.log1p(-x)),
        call(T(2, 3, low=0.1, high=0.9), T(2, 3, low=0.1, high=0.9)), call(T(low=0.1, high=0.9), T(low=0.1, high=0.9)),
        torch=lambda x, t: torch("nn.functional.binary_cross_entropy")(x, t.double(), reduction="none"),
        kinks=[call(F([0.0, 1.0, 0.0, 1.0, 0.5]), I([0, 0, 1, 1, 1]))]),
    row("batch_norm", np_batch_norm, call(T(4, 3), T(3), T(3), 1e-3), call(T(4, 3), None, None, 1e-3),
        call(T(2, 3, 2, 2), T(3), T(3), 1e-3), call(T(2, 3, 4), T(3), None, 1e-3),
        torch=lambda x, w, b, eps: torch("nn.functional.batch_norm")(x, None, None, w, b, training=True, eps=eps)),
    row("batch_norm_fixed", lambda x, m, v, w, b, eps: (x - m) / np.sqrt(v + eps) * w + b,
        call(T(4, 3), T(3), T(3, **POSITIVE), T(3), T(3), 1e-3),
        torch=lambda x, m, v, w, b, eps: (x - m) / (v + eps).sqrt() * w + b),
]

CONVERSION = [
    row("clone", np.copy, call(T(2, 3)), call(T()), ints="int64"),
    row("cast", lambda x, dtype: x.astype(dtype), call(T(2, 3), np.dtype("float64")), dtype="float64", ints="float64",
        torch=lambda x, dtype: x.double()),
    row("transfer", lambda x, device, source: x, call(T(2, 3), CPU, CPU), torch=lambda x, device, source: x,
        ints="int64"),
]
# fmt: on

ROWS = [*ELEMENTWISE, *REDUCTION, *SHAPE, *INDEXING, *LINALG, *ACTIVATION, *LOSS_AND_NORMALIZATION, *CONVERSION]
