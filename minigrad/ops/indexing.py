"""Op sheet: picking entries and putting entries. Each is the other's derivative.

All of NumPy's forms work: numbers, slices, ``...``, ``None``, boolean masks, integer arrays, and mixtures. An
integer array may name an entry several times; its gradient is then the sum over all the places it went to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.autograd.node import TensorBase
from minigrad.backend import array_module, is_array
from minigrad.ops import elementwise
from minigrad.ops.elementwise import add
from minigrad.ops.op import broadcast_to, cast, op
from minigrad.ops.shape import atleast_1d, numpy_names, ravel, reshape, unbind, unsqueeze, wrap_dim

# --------------------------------------------------------------------------------------------------------------
# x[index]


def plain_index(index: Any) -> Any:
    """Return an index with arrays in place of tensors and lists."""
    if isinstance(index, tuple):
        plain = tuple(plain_index(part) for part in index)
        _refuse_ambiguous(plain)
        return plain
    if isinstance(index, TensorBase):
        if index.dtype.kind == "f":
            raise IndexError("index: tensors used as indices must be integer or boolean, got a floating one")
        if index.dtype == np.uint8:
            raise IndexError("index: uint8 tensors are masks to PyTorch and indices to NumPy; use .bool() or .long()")
        return index.array.copy()  # rules keep it, and nobody would notice if it was overwritten
    if isinstance(index, list):
        found = np.asarray([plain_index(part) for part in index])
        return found.astype(np.int64) if found.size == 0 else found
    return index


def _refuse_ambiguous(index: tuple[Any, ...]) -> None:
    """Refuse what NumPy and PyTorch answer with different shapes.

    If slices stand between arrays, both put the arrays' dimensions in front. NumPy counts a number as an array here.
    """
    marks = "".join("a" if is_array(part) and part.ndim else "s" if _keeps_dims(part) else "n" for part in index)
    if "a" in marks and "s" in marks.strip("s"):
        arrays = marks.replace("n", "").strip("s")
        if "s" not in arrays and "s" in marks[: marks.index("a")]:
            raise IndexError(
                "index: with a slice between a number and an array, NumPy and PyTorch order the dimensions differently"
                "; index in two steps: x[0][:, rows] instead of x[0, :, rows]"
            )


def _keeps_dims(part: Any) -> bool:
    return part is None or part is Ellipsis or isinstance(part, slice)


def _has_integers(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(is_array(part) and part.dtype != bool and part.ndim > 0 for part in parts)


@op(promote=None, view=True)
def getitem(xp: Any, x: Any, /, index: Any) -> Any:
    """x[index], a view if the index has no arrays;   dx[index] = d, all else 0, repeats add up"""
    ahead, rows = _slices_before(index) if x.ndim > 1 and x.flags.c_contiguous else (0, None)
    if rows is not None and rows.dtype.kind == "i" and ahead < x.ndim and x.size:
        return x.take(rows, axis=ahead)  # the same entries, for rows of 8 in a fifth of the time
    y = x[index]
    if not is_array(y):  # a single entry, which NumPy copies out as a number; with ``...`` it is a 0-d view
        y = x[(*index, ...) if isinstance(index, tuple) else (index, ...)]
    return y


@op(promote=None)
def place(xp: Any, v: Any, /, index: Any, shape: tuple[int, ...]) -> Any:
    """zeros of a shape with v added at index;   dv = d[index]"""
    ahead, array = _slices_before(index)
    if array is not None and v.shape == (*shape[:ahead], *array.shape, *shape[ahead + 1 :]):
        n, width = shape[ahead], math.prod(shape[ahead + 1 :])
        blocks = xp.arange(math.prod(shape[:ahead])).reshape(-1, 1, 1) * n
        rows = xp.asarray(array, np.int64).reshape(1, -1, 1) % n  # in int8, n or a place may be too large
        return _added_up(xp, (blocks + rows) * width + xp.arange(width), v, shape)
    out = xp.zeros(shape, v.dtype)
    if _has_integers(index):
        xp.add.at(out, index, v)  # out[index] += v would count a repeated entry once
    else:
        out[index] = v
    return out


def _slices_before(index: Any) -> tuple[int, Any]:
    """Return k and the array of an index such as x[:, :, array], with k whole slices; 0 and None for all others."""
    *slices, last = index if isinstance(index, tuple) and index else (index,)
    whole = all(isinstance(part, slice) and part == slice(None) for part in slices)
    return (len(slices), last) if whole and _has_integers(last) else (0, None)


def _added_up(xp: Any, places: Any, v: Any, shape: tuple[int, ...]) -> Any:
    """Return zeros with v added at places in row-major order: NumPy adds numbers five times as fast as it adds rows."""
    out = xp.zeros(math.prod(shape), v.dtype)
    xp.add.at(out, places.reshape(-1), v.reshape(-1))
    return out.reshape(shape)


getitem.derivative(x=lambda g, x_shape, index: place(g, index, x_shape))
place.derivative(v=lambda g, index: getitem(g, index))


@op(promote=None)
def setitem(xp: Any, x: Any, value: Any, /, index: Any) -> Any:
    """a copy of x with value at index;   dx = d with 0 at index, dvalue = d[index]"""
    out = xp.array(x)  # a copy, also of the NumPy scalar that the gradient of a 0-d tensor may be
    out[index] = value
    return out


setitem.derivative(x=lambda g, index: setitem(g, 0.0, index), value=lambda g, index: getitem(g, index))

# --------------------------------------------------------------------------------------------------------------
# Along one dimension, an index for each entry


def raw(x: Any) -> Any:
    """Return the array of a tensor; an array as it is."""
    return x.array if isinstance(x, TensorBase) else x


def refuse_outside(name: str, index: Any, n: int) -> None:
    """Refuse indices that are not integers from 0 to n - 1 (on a GPU the values are not looked at: that would wait)."""
    array = raw(index)
    if array.dtype not in (np.int64, np.int32):
        raise IndexError(f"{name}: expected an index of int64, got {array.dtype}; call index.long()")
    if isinstance(array, np.ndarray) and array.size and not 0 <= array.min() <= array.max() < n:
        raise IndexError(f"{name}: expected indices from 0 to {n - 1}, got {array.min()} to {array.max()}")


def coordinates(index: Any, dim: int) -> tuple[Any, ...]:
    """Return the full index of which ``index`` gives the coordinates along ``dim``."""
    xp = array_module(index)
    grids = [xp.arange(n).reshape((n,) + (1,) * (index.ndim - d - 1)) for d, n in enumerate(index.shape)]
    return tuple(index if d == dim else grids[d] for d in range(index.ndim))


def flat_places(xp: Any, index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """Return where these entries stand among all of an array of that shape, in row-major order."""
    steps = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    places = index.astype(np.int64) * steps[dim] if shape else index * 0
    for d, n in enumerate(index.shape):
        if d != dim:
            places += xp.arange(n).reshape((n,) + (1,) * (index.ndim - d - 1)) * steps[d]
    return places


@op(promote=None)
def gather(xp: Any, x: Any, dim: Any, index: Any, /) -> Any:
    """y[i, j] = x[index[i, j], j] for dim 0, x[i, index[i, j]] for dim 1;   dx adds up where it was read"""
    dim = wrap_dim(dim, x.ndim)
    if index.ndim != x.ndim and index.size:
        raise ValueError("expected an index with as many dimensions as x")
    if any(index.shape[d] > x.shape[d] for d in range(index.ndim) if d != dim):
        raise ValueError(f"expected an index no longer than x, but along dim {dim}")
    refuse_outside("gather", index, x.shape[dim] if x.ndim else 1)
    return x.reshape(-1).take(flat_places(xp, index, dim, x.shape))


@op(promote=None)
def spread(xp: Any, v: Any, dim: Any, index: Any, /, shape: tuple[int, ...]) -> Any:
    """zeros of a shape with v[i, j] added at [index[i, j], j] for dim 0;   dv = gather of d"""
    return _added_up(xp, flat_places(xp, index, wrap_dim(dim, len(shape)), shape), v, shape)


gather.derivative(x=lambda g, x_shape, dim, index: spread(g, dim, index, x_shape))
spread.derivative(v=lambda g, dim, index: gather(g, dim, index))


@numpy_names
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """Return the entries of ``input`` at ``indices`` along ``dim``: what ``argmax(keepdim=True)`` or ``argsort`` found.

    The other dimensions broadcast. Without ``dim`` the indices count all entries in row-major order.
    """
    if dim is None:
        return gather(ravel(input), 0, ravel(indices))
    at = wrap_dim(dim, len(input.shape))
    before, behind = input.shape[:at], input.shape[at + 1 :]
    shape = np.broadcast_shapes((*before, 1, *behind), (*indices.shape[:at], 1, *indices.shape[at + 1 :]))
    input = broadcast_to(input, (*shape[:at], input.shape[at], *shape[at + 1 :]))
    return gather(input, at, broadcast_to(indices, (*shape[:at], indices.shape[at], *shape[at + 1 :])))


# --------------------------------------------------------------------------------------------------------------
# Whole slices along one dimension


def slices(name: str, input: Any, dim: int, index: Any) -> tuple[Any, ...]:
    """Return the full index of the slices along ``dim`` that the 1-D ``index`` names."""
    dim = wrap_dim(dim, len(input.shape))
    if len(index.shape) > 1:
        raise IndexError(f"{name}: expected an index of one dimension, got shape {tuple(index.shape)}")
    refuse_outside(name, index, input.shape[dim] if input.shape else 1)
    if not input.shape:
        return (...,)
    return (*(slice(None),) * dim, plain_index(ravel(index)))


@numpy_names
def index_select(input: Any, dim: int, index: Any) -> Any:
    """Return the slices of ``input`` along ``dim`` that the 1-D ``index`` names, in its order."""
    return getitem(input, slices("index_select", input, dim, index))


@op(promote=None)
def numbered(xp: Any, repeats: Any, /, output_size: int | None = None) -> Any:
    """0 repeats[0] times, 1 repeats[1] times, ..."""
    ends = xp.cumsum(repeats)
    total = output_size if output_size is not None else int(ends[-1]) if ends.size else 0
    return xp.searchsorted(ends, xp.arange(total), side="right")


@numpy_names
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Repeat each entry along ``dim``, or of all entries in a row: ``repeats`` times, or its own number of times.

    With one argument, return the numbers 0, 1, ... so many times. ``output_size``, the sum of the repeats, spares a
    GPU from being waited for.

    >>> import minigrad
    >>> minigrad.repeat_interleave(minigrad.tensor([5, 6]), minigrad.tensor([1, 3])).tolist()
    [5, 6, 6, 6]
    """
    if repeats is None:
        return numbered(input, output_size)
    input, dim = (ravel(input), 0) if dim is None else (input, wrap_dim(dim, len(input.shape)))
    if isinstance(repeats, int):
        n = input.shape[dim]
        wide = (*input.shape[: dim + 1], repeats, *input.shape[dim + 1 :])
        return reshape(broadcast_to(unsqueeze(input, dim + 1), wide), (*wide[:dim], n * repeats, *wide[dim + 2 :]))
    if repeats.shape not in ((), (1,), (input.shape[dim],)):
        raise RuntimeError(
            f"repeat_interleave: expected one number or {input.shape[dim]}, one for each entry of dim {dim}, got "
            f"{tuple(repeats.shape)}"
        )
    return index_select(input, dim, numbered(broadcast_to(repeats, (input.shape[dim],)), output_size))


# --------------------------------------------------------------------------------------------------------------
# By a mask


@op(promote=None)
def argwhere(xp: Any, x: Any, /) -> Any:
    """the indices of the entries that are not 0, one in each row"""
    return xp.argwhere(x)


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Return the indices of the entries that are not 0: one in each row, or the coordinates along each dimension."""
    if not as_tuple:
        return argwhere(input)
    return tuple(unbind(argwhere(atleast_1d(input)), 1))


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return ``input`` where ``condition`` holds, else ``other``; of a condition alone, the indices where it holds.

    >>> import minigrad
    >>> minigrad.where(minigrad.tensor([True, False]), 1.0, 2.0).tolist()
    [1.0, 2.0]
    >>> minigrad.where(minigrad.tensor([True, False]))
    (tensor([0]),)
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if condition.dtype != bool:
        raise RuntimeError(f"where: expected a condition of bool, got {condition.dtype}; write x > 0 or x.bool()")
    return elementwise.where(condition, input, other)


def _refuse_no_mask(name: str, mask: Any) -> None:
    if mask.dtype != bool:
        raise RuntimeError(f"{name}: expected a mask of bool, got {mask.dtype}; write mask.bool() or x > 0")


def masked_select(input: Any, mask: Any) -> Any:
    """Return the entries of ``input`` where ``mask`` is True, as a 1-D tensor; the two broadcast."""
    _refuse_no_mask("masked_select", mask)
    shape = np.broadcast_shapes(input.shape, mask.shape)
    return getitem(broadcast_to(input, shape), plain_index(broadcast_to(mask, shape)))


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """Return ``input`` with ``value``, one number, where ``mask`` is True."""
    _refuse_no_mask("masked_fill", mask)
    if getattr(value, "shape", ()) != ():
        raise RuntimeError(f"masked_fill: expected one value, got shape {tuple(value.shape)}; use where()")
    y = elementwise.where(mask, value, input)
    return y if y.dtype == input.dtype else cast(y, input.dtype)


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """Return ``input`` with the first, second, ... entry of ``source`` where ``mask`` is True."""
    _refuse_no_mask("masked_scatter", mask)
    refuse_dtypes("masked_scatter", input, source)
    shape, n = np.broadcast_shapes(input.shape, mask.shape), math.prod(source.shape)
    here = broadcast_to(raw(mask), shape)
    ordinal = here.cumsum().reshape(shape) - 1  # of each True among all, in row-major order
    if isinstance(here, np.ndarray) and here.sum() > n:
        raise RuntimeError(f"masked_scatter: expected a source of {here.sum()} entries, one for each True, got {n}")
    flat = ravel(source) if n else place(ravel(source), slice(0, 0), (1,))  # something to look at, never taken
    return elementwise.where(here, getitem(flat, ordinal.clip(0, max(n - 1, 0))), input)


def refuse_dtypes(name: str, input: Any, other: Any) -> None:
    """Refuse to put entries of one dtype among those of another."""
    if input.dtype != other.dtype:
        raise RuntimeError(
            f"{name}: expected a source of dtype {input.dtype}, as input has, got {other.dtype}; convert one of them"
        )


# --------------------------------------------------------------------------------------------------------------
# By place in row-major order


def _flat_index(name: str, index: Any, n: int) -> Any:
    array = plain_index(index)
    if array.dtype != np.int64:
        raise IndexError(f"{name}: expected an index of int64, got {array.dtype}; call index.long()")
    if isinstance(array, np.ndarray) and array.size and not -n <= array.min() <= array.max() < n:
        raise IndexError(f"{name}: expected indices from {-n} to {n - 1}, got {array.min()} to {array.max()}")
    return array


def take(input: Any, index: Any) -> Any:
    """Return the entries at ``index`` as if ``input`` had one dimension, in the shape of ``index``."""
    return getitem(ravel(input), _flat_index("take", index, math.prod(input.shape)))


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """Return ``input`` with ``source`` at, or added at, ``index``, as if it had one dimension."""
    refuse_dtypes("put", input, source)
    index = _flat_index("put", index, math.prod(input.shape))
    source = reshape(source, index.shape)
    return reshape(index_put(ravel(input), (index,), source, accumulate), input.shape)


def index_put(input: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """Return ``input`` with ``values`` at, or added at, ``input[indices]``."""
    refuse_dtypes("index_put", input, values)
    index = plain_index(tuple(indices))
    return add(input, place(values, index, tuple(input.shape))) if accumulate else setitem(input, values, index)


# --------------------------------------------------------------------------------------------------------------
# Putting back what narrow, select and slices cut out


def _replaced(name: str, input: Any, src: Any, index: tuple[Any, ...]) -> Any:
    expected = np.broadcast_to(np.False_, input.shape)[index].shape
    if tuple(src.shape) != expected:
        raise RuntimeError(f"{name}: expected src of shape {expected}, got {tuple(src.shape)}")
    return setitem(input, src, index)


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """Return a copy of ``input`` with ``src`` at ``index`` along ``dim``."""
    return _replaced("select_scatter", input, src, (*(slice(None),) * wrap_dim(dim, len(input.shape)), index))


def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """Return a copy of ``input`` with ``src`` at ``start:end:step`` along ``dim``."""
    at = (slice(None),) * wrap_dim(dim, len(input.shape))
    return _replaced("slice_scatter", input, src, (*at, slice(start, end, step)))
