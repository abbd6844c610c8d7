"""Op sheet: values sent to places that an index names, replacing, adding to, or combining with what is there.

``scatter`` and its kin have an index for each entry, as :func:`gather` has; ``index_add`` and its kin one for each
slice along a dimension.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.autograd.node import TensorBase
from minigrad.backend import array_module
from minigrad.ops.elementwise import add, div, eq, floor_divide, gt, maximum, mul, where
from minigrad.ops.indexing import (
    coordinates,
    flat_places,
    gather,
    getitem,
    place,
    plain_index,
    raw,
    refuse_dtypes,
    refuse_outside,
    setitem,
    slices,
    spread,
)
from minigrad.ops.op import broadcast_to, cast, op
from minigrad.ops.promotion import INT64
from minigrad.ops.shape import numpy_names, ravel, reshape, shift, wrap_dim

# --------------------------------------------------------------------------------------------------------------
# An index for each entry


def _fitted(name: str, input: Any, dim: int, index: Any, src: Any) -> tuple[int, Any]:
    """Return ``dim`` counted from the front and the part of ``src`` that ``index`` covers; refuse what does not fit."""
    at = wrap_dim(dim, len(input.shape))
    refuse_dtypes(name, input, src)
    n = len(input.shape)
    fits = len(index.shape) == len(src.shape) == n and all(
        m <= src.shape[d] and (d == at or m <= input.shape[d]) for d, m in enumerate(index.shape)
    )
    if not fits and math.prod(index.shape):
        raise RuntimeError(
            f"{name}: expected an index that is nowhere longer than src, nor than input but along dim {dim}: input is "
            f"{tuple(input.shape)}, index {tuple(index.shape)}, src {tuple(src.shape)}"
        )
    refuse_outside(name, index, input.shape[at] if n else 1)
    return at, src if src.shape == index.shape else src[tuple(slice(m) for m in index.shape)]


@numpy_names
def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """Return ``input`` with ``src[i, j]`` at ``[index[i, j], j]`` for dim 0; ``src`` may be one value for all.

    If the index names a place twice, one of the values gets there. ``reduce`` is "add" or "multiply": combine with what
    is there instead.

    >>> import minigrad
    >>> minigrad.zeros(3).scatter(0, minigrad.tensor([2, 0]), minigrad.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    src = value if src is None else src
    if isinstance(src, (int, float)):
        src = array_module(raw(index)).full(index.shape, src, input.dtype)
    elif isinstance(src, TensorBase) and not src.shape:
        src = broadcast_to(src, index.shape)
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError(f"scatter: expected reduce 'add' or 'multiply', got {reduce!r}; see scatter_reduce()")
        return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")
    at, src = _fitted("scatter", input, dim, index, src)
    return setitem(input, src, coordinates(plain_index(index), at))


@numpy_names
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """Return ``input`` with ``src[i, j]`` added at ``[index[i, j], j]`` for dim 0."""
    dim, src = _fitted("scatter_add", input, dim, index, src)
    return add(input, spread(src, dim, index, tuple(input.shape)))


@numpy_names
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """Combine ``src[i, j]`` with what else goes to ``[index[i, j], j]`` (for dim 0), and with ``input`` there.

    ``reduce`` is "sum", "prod", "mean", "amax" or "amin". Without ``include_self`` the values of ``input`` only stay
    where nothing goes. Equals share the gradient of an extreme.

    >>> import minigrad
    >>> minigrad.zeros(2).scatter_reduce(0, minigrad.tensor([0, 0]), minigrad.tensor([3.0, 5.0]), "amax")
    tensor([5., 0.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"scatter_reduce: expected sum, prod, mean, amax or amin, got {reduce!r}")
    dim, src = _fitted("scatter_reduce", input, dim, index, src)
    shape = tuple(input.shape)
    index = plain_index(index)
    arrivals = spread(array_module(index).ones(index.shape, INT64), dim, index, shape)
    if reduce in ("amax", "amin"):
        if not include_self:
            input = where(gt(arrivals, 0), _lowest(input.dtype) if reduce == "amax" else _highest(input.dtype), input)
        return _scatter_extreme(input, dim, index, src, reduce == "amax")
    if reduce == "prod":
        base = input if include_self else where(gt(arrivals, 0), 1, input)
        return mul(base, _product_at(src, dim, index, arrivals))
    total = add(input if include_self else where(gt(arrivals, 0), 0, input), spread(src, dim, index, shape))
    if reduce == "sum":
        return total
    n = arrivals + 1 if include_self else maximum(arrivals, 1)
    return (div if input.dtype.kind == "f" else floor_divide)(total, n)


def _lowest(dtype: Any) -> Any:
    return -math.inf if dtype.kind == "f" else False if dtype.kind == "b" else int(np.iinfo(dtype).min)


def _highest(dtype: Any) -> Any:
    return math.inf if dtype.kind == "f" else True if dtype.kind == "b" else int(np.iinfo(dtype).max)


@op(promote=None)
def _scatter_extreme(xp: Any, x: Any, dim: Any, index: Any, src: Any, /, largest: bool) -> Any:
    """the largest (or smallest) of x and all src sent there;   d of the extreme ones, in equal parts"""
    out = xp.array(x)
    (xp.maximum if largest else xp.minimum).at(out, coordinates(index, wrap_dim(dim, x.ndim)), src)
    return out


def _parts(g: Any, y: Any, x: Any, dim: int, index: Any, src: Any) -> tuple[Any, Any, Any]:
    """Return g divided by how many entries are the extreme, and which of x and of src are."""
    from_x, from_src = eq(x, y), eq(src, gather(y, dim, index))
    n = add(from_x, spread(cast(from_src, INT64), dim, index, tuple(x.shape)))
    return g / n, from_x, from_src


def _extreme_x(g: Any, y: Any, x: Any, dim: int, index: Any, src: Any) -> Any:
    share, from_x, _ = _parts(g, y, x, dim, index, src)
    return share * from_x


def _extreme_src(g: Any, y: Any, x: Any, dim: int, index: Any, src: Any) -> Any:
    share, _, from_src = _parts(g, y, x, dim, index, src)
    return gather(share, dim, index) * from_src


_scatter_extreme.derivative(x=_extreme_x, src=_extreme_src)


def _product_at(src: Any, dim: int, index: Any, arrivals: Any) -> Any:
    """Return the product of what is sent to each place, 1 where nothing is.

    Sorted by target, what belongs together is a run. Step by step each entry takes in the product of the 1, 2, 4, ...
    before it in its run, so that the last one has them all: no division, so zeros are nothing special.
    """
    shape = tuple(arrivals.shape)
    xp = array_module(index)
    target = flat_places(xp, index, dim, shape).ravel()
    order = target.argsort(kind="stable")
    target, running = target[order], getitem(ravel(src), order)
    by = 1
    while by < len(target):
        together = xp.zeros(target.shape, bool)
        together[by:] = target[by:] == target[:-by]
        running = mul(running, where(together, shift(running, 0, by), 1))
        by *= 2
    last = xp.ones(target.shape, bool)
    last[:-1] = target[1:] != target[:-1]
    whole = spread(where(last, running, 0), 0, target, (math.prod(shape),))
    return where(gt(arrivals, 0), reshape(whole, shape), 1)


# --------------------------------------------------------------------------------------------------------------
# An index for each slice along a dimension


def _slices_for(name: str, input: Any, dim: int, index: Any, source: Any) -> tuple[Any, ...]:
    refuse_dtypes(name, input, source)
    at = slices(name, input, dim, index)
    dim = wrap_dim(dim, len(input.shape))
    expected = (*input.shape[:dim], math.prod(index.shape), *input.shape[dim + 1 :]) if input.shape else ()
    if tuple(source.shape) != expected and not (math.prod(source.shape) == math.prod(expected) == 1):
        raise RuntimeError(f"{name}: expected a source of shape {expected}, got {tuple(source.shape)}")
    return at


@numpy_names
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """Return ``input`` with the slices of ``source``, times ``alpha``, added along ``dim`` where ``index`` says."""
    at = _slices_for("index_add", input, dim, index, source)
    if isinstance(alpha, float) and input.dtype.kind != "f":
        raise RuntimeError(f"index_add: alpha={alpha} is a fraction, and the tensor is {input.dtype}")
    return add(input, place(source if alpha == 1 else source * alpha, at, tuple(input.shape)))


@numpy_names
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """Return ``input`` with the slices of ``source`` along ``dim`` where ``index`` says."""
    return setitem(input, source, _slices_for("index_copy", input, dim, index, source))


@numpy_names
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """Return ``input`` with ``value``, one number, in the slices along ``dim`` that ``index`` names."""
    if getattr(value, "shape", ()) != ():
        raise RuntimeError(f"index_fill: expected one value, got shape {tuple(value.shape)}; see index_copy()")
    return setitem(input, value, slices("index_fill", input, dim, index))
