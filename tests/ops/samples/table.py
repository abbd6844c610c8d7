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
    beside: str = "gradients"  # "values" if PyTorch has no derivative of it, "first" if no second
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


# ----------------------------------------------------------------------------------------------------------------
# References that several sheets need


def tupled(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list) else dim


def along(f: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's reduction with PyTorch's argument names; along dim 0, a 0-d tensor counts as one entry."""

    def reference(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return f(x.reshape(1) if x.ndim == 0 and dim is not None else x, axis=tupled(dim), keepdims=keepdim)

    return reference


def np_softmax(x: Any, dim: int) -> Any:
    if x.ndim == 0:
        return np.ones(())
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


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
