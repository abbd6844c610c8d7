"""Op sheet: picking entries and putting entries. Each is the other's derivative.

All of NumPy's forms work: numbers, slices, ``...``, ``None``, boolean masks, integer arrays, and mixtures. An
integer array may name an entry several times; its gradient is then the sum over all the places it went to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd.node import TensorBase
from minigrad.backend import is_array
from minigrad.ops.op import broadcast_to, op
from minigrad.ops.shape import wrap_dim

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
    y = x[index]
    if not is_array(y):  # a single entry, which NumPy copies out as a number; with ``...`` it is a 0-d view
        y = x[(*index, ...) if isinstance(index, tuple) else (index, ...)]
    return y


@op(promote=None)
def place(xp: Any, v: Any, /, index: Any, shape: tuple[int, ...]) -> Any:
    """zeros of a shape with v added at index;   dv = d[index]"""
    out = xp.zeros(shape, v.dtype)
    if _has_integers(index):
        xp.add.at(out, index, v)  # out[index] += v would count a repeated entry once
    else:
        out[index] = v
    return out


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


def _along(xp: Any, index: Any, dim: int) -> Any:
    """Return the full index of which ``index`` gives the coordinates along ``dim``."""
    grids = [xp.arange(n).reshape((n,) + (1,) * (index.ndim - d - 1)) for d, n in enumerate(index.shape)]
    return tuple(index if d == dim else grids[d] for d in range(index.ndim))


@op(promote=None)
def gather(xp: Any, x: Any, index: Any, /, dim: int) -> Any:
    """y[i, j] = x[index[i, j], j] for dim 0, x[i, index[i, j]] for dim 1;   dx adds up where it was read"""
    if index.ndim != x.ndim:
        raise ValueError("expected an index with as many dimensions as x")
    return x[_along(xp, index, wrap_dim(dim, x.ndim))]


@op(promote=None)
def spread(xp: Any, v: Any, index: Any, /, dim: int, shape: tuple[int, ...]) -> Any:
    """zeros of a shape with v[i, j] added at [index[i, j], j] for dim 0;   dv = gather of d"""
    out = xp.zeros(shape, v.dtype)
    xp.add.at(out, _along(xp, index, wrap_dim(dim, len(shape))), v)
    return out


gather.derivative(x=lambda g, x_shape, index, dim: spread(g, index, dim, x_shape))
spread.derivative(v=lambda g, index, dim: gather(g, index, dim))


def take_along_dim(x: Any, indices: Any, dim: int) -> Any:
    """Return the entries of ``x`` at ``indices`` along ``dim``: what ``argmax(keepdim=True)`` or ``argsort`` found.

    The other dimensions broadcast.
    """
    at = wrap_dim(dim, len(x.shape))
    shape = [
        *np.broadcast_shapes((*x.shape[:at], 1, *x.shape[at + 1 :]), (*indices.shape[:at], 1, *indices.shape[at + 1 :]))
    ]
    x = broadcast_to(x, (*shape[:at], x.shape[at], *shape[at + 1 :]))
    return gather(x, broadcast_to(indices, (*shape[:at], indices.shape[at], *shape[at + 1 :])), at)


def index_select(x: Any, dim: int, index: Any) -> Any:
    """Return the slices of ``x`` along ``dim`` that the 1-D ``index`` names, in its order."""
    at = (slice(None),) * wrap_dim(dim, len(x.shape))
    return getitem(x, (*at, plain_index(index)))


def masked_select(x: Any, mask: Any) -> Any:
    """Return the entries of ``x`` where ``mask`` is True, as a 1-D tensor; the two broadcast."""
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return getitem(broadcast_to(x, shape), plain_index(broadcast_to(mask, shape)))
