"""Op sheet: the same values in another arrangement. Nothing is computed, so a rule only puts the gradient back.

Reshaping, permuting and expanding return views, which share the memory of their input.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.ops.op import NUMPY_NAMES, Variadic, broadcast_to, op

Dims = int | Sequence[int] | None


def wrap_dim(dim: int, ndim: int) -> int:
    """Return ``dim`` counted from the front; IndexError outside -ndim ... ndim-1 (a 0-d array counts as 1-d)."""
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"dim {dim} is out of range for {ndim} dimensions: expected {-n} to {n - 1}")
    return dim % n


def wrap_dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """Return one, several or all (None) dims as a tuple counted from the front."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, int):
        return (wrap_dim(dim, ndim),) if ndim else ()
    dims = tuple(wrap_dim(d, ndim) for d in dim)
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"dims {tuple(dim)} name a dimension twice")
    return dims if ndim else ()


def shape_from(sizes: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """Return the shape in ``f(2, 3)``, ``f((2, 3))`` or ``f(size=(2, 3))``."""
    if size is not None:
        sizes = (size,)
    elif not sizes:
        raise TypeError("expected a shape, as (2, 3) or ((2, 3)); () is that of a single number")
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    try:
        return tuple(map(operator.index, sizes))
    except TypeError:
        raise TypeError(f"expected a shape of integers, got {sizes}") from None


def numpy_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function take ``axis`` and ``keepdims`` for ``dim`` and ``keepdim``, as ops do; decorator."""

    @functools.wraps(function)
    def renaming(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs = {NUMPY_NAMES.get(name, name): value for name, value in kwargs.items()}
        return function(*args, **kwargs)

    return renaming


# --------------------------------------------------------------------------------------------------------------
# Views


@op(promote=None, view=True)
def reshape(xp: Any, x: Any, /, shape: Sequence[int]) -> Any:
    """the values in row-major order in another shape; -1 is worked out;   d = dx in that shape"""
    return x.reshape(shape)


@op(promote=None, view=True)
def permute(xp: Any, x: Any, /, dims: Sequence[int]) -> Any:
    """the dimensions in another order;   d = dx in that order"""
    return x.transpose(dims)


@op(promote=None, view=True)
def transpose(xp: Any, x: Any, /, dim0: int, dim1: int) -> Any:
    """two dimensions exchanged;   d = dx exchanged"""
    return x.swapaxes(dim0, dim1) if x.ndim else x


def _inverse(dims: Sequence[int]) -> tuple[int, ...]:
    order = [d % len(dims) for d in dims]
    return tuple(order.index(d) for d in range(len(order)))


reshape.derivative(x=lambda g, x_shape: reshape(g, x_shape))
permute.derivative(x=lambda g, dims: permute(g, _inverse(dims)))
transpose.derivative(x=lambda g, dim0, dim1: transpose(g, dim0, dim1))


def expand(x: Any, size: Sequence[int]) -> Any:
    """Repeat along dimensions of size 1, and along new ones in front, without copying; -1 keeps a size."""
    new = len(size) - len(x.shape)
    if -1 in size[: max(new, 0)]:
        raise RuntimeError(f"expand: -1 keeps a size, and the new dimensions in front have none: {tuple(size)}")
    return broadcast_to(x, tuple(n if n != -1 else x.shape[k - new] for k, n in enumerate(size)))


@numpy_names
def squeeze(x: Any, dim: Dims = None) -> Any:
    """Drop dimensions of size 1: all, or those of ``dim`` that have it."""
    dims = wrap_dims(dim, len(x.shape))
    return reshape(x, tuple(n for d, n in enumerate(x.shape) if n != 1 or d not in dims))


@numpy_names
def unsqueeze(x: Any, dim: int) -> Any:
    """Insert a dimension of size 1 before ``dim``."""
    at = wrap_dim(dim, len(x.shape) + 1)
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Join the dimensions from ``start_dim`` to ``end_dim``, both included, into one."""
    start, end = wrap_dim(start_dim, len(x.shape)), wrap_dim(end_dim, len(x.shape))
    if start > end:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Split dimension ``dim`` into ``sizes``; one of them may be -1."""
    at = wrap_dim(dim, len(x.shape))
    return reshape(x, (*x.shape[:at], *sizes, *x.shape[at + 1 :]))


def movedim(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Move dimensions to new places; the others keep their order."""
    ndim = len(x.shape)
    moved = wrap_dims(source, ndim)
    order = [d for d in range(ndim) if d not in moved]
    for to, d in sorted(zip(wrap_dims(destination, ndim), moved, strict=True)):
        order.insert(to, d)
    return permute(x, tuple(order))


# --------------------------------------------------------------------------------------------------------------
# Joining and splitting


@Variadic
def concatenate(xp: Any, *tensors: Any, dim: int, sizes: Sequence[int]) -> Any:
    """arrays one after the other along dim;   each gets the slice of g that it became"""
    return xp.concatenate(tensors, axis=dim)


concatenate.derivative(lambda i: lambda g, dim, sizes: narrow(g, dim, sum(sizes[:i]), sizes[i]))


@numpy_names
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors along an existing dimension; all others must agree.

    >>> import minigrad
    >>> minigrad.cat([minigrad.zeros(1, 2), minigrad.ones(2, 2)]).shape
    minigrad.Size([3, 2])
    """
    if not tensors:
        raise ValueError("cat: expected at least one tensor, got an empty list")
    shape = max((x.shape for x in tensors), key=len)
    dim = wrap_dim(dim, len(shape))
    if len(shape) > 1:  # tensor([]) goes with everything: lists that are to grow start with it
        tensors = [x if x.shape != (0,) else reshape(x, (*shape[:dim], 0, *shape[dim + 1 :])) for x in tensors]
    for k, x in enumerate(tensors):
        others = [n for d, n in enumerate(x.shape) if d != dim]
        if len(x.shape) == 0 or others != [n for d, n in enumerate(tensors[0].shape) if d != dim]:
            raise RuntimeError(
                f"cat: all sizes but dim {dim} must agree: tensor 0 is {tuple(tensors[0].shape)}, "
                f"tensor {k} is {tuple(x.shape)}"
            )
    return concatenate(*tensors, dim=dim, sizes=tuple(x.shape[dim] for x in tensors))


@numpy_names
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors of one shape along a new dimension.

    >>> import minigrad
    >>> minigrad.stack([minigrad.zeros(2), minigrad.ones(2)], dim=1)
    tensor([[0., 1.],
            [0., 1.]])
    """
    if not tensors:
        raise ValueError("stack: expected at least one tensor, got an empty list")
    for k, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack: expected tensors of one shape: tensor 0 is {tuple(tensors[0].shape)}, "
                f"tensor {k} is {tuple(x.shape)}"
            )
    return cat([unsqueeze(x, dim) for x in tensors], wrap_dim(dim, len(tensors[0].shape) + 1))


def narrow(x: Any, dim: int, start: int, length: int) -> Any:
    """Return ``length`` entries along ``dim`` from ``start`` on: a view."""
    dim = wrap_dim(dim, len(x.shape))
    if start < 0:
        start += x.shape[dim]
    if not 0 <= start <= start + length <= x.shape[dim]:
        raise RuntimeError(
            f"narrow: entries {start} to {start + length} do not lie within the {x.shape[dim]} of dim {dim}"
        )
    return x[(slice(None),) * dim + (slice(start, start + length),)]


def split(x: Any, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Cut along ``dim`` into pieces of one size (the last may be smaller), or of the sizes listed: views."""
    dim = wrap_dim(dim, len(x.shape))
    n = x.shape[dim]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size <= 0:
            raise RuntimeError(f"split: expected a positive size, got {size}")
        sizes = [min(size, n - start) for start in range(0, n, size)] or [0]
    else:
        sizes = list(split_size_or_sections)
        if sum(sizes) != n:
            raise RuntimeError(f"split: the sizes {sizes} sum to {sum(sizes)}, but dim {dim} has {n} entries")
    return tuple(narrow(x, dim, sum(sizes[:k]), size) for k, size in enumerate(sizes))


def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Cut along ``dim`` into at most ``chunks`` pieces of one size; the last may be smaller: views."""
    if chunks <= 0:
        raise RuntimeError(f"chunk: expected a positive number of chunks, got {chunks}")
    n = x.shape[wrap_dim(dim, len(x.shape))]
    return split(x, max(1, math.ceil(n / chunks)), dim)


def unbind(x: Any, dim: int = 0) -> tuple[Any, ...]:
    """Return the entries along ``dim`` one by one, without that dimension: views."""
    dim = wrap_dim(dim, len(x.shape))
    return tuple(x[(slice(None),) * dim + (k,)] for k in range(x.shape[dim]))


# --------------------------------------------------------------------------------------------------------------
# Moving entries


@op(promote=None)
def flip(xp: Any, x: Any, /, dims: Dims) -> Any:
    """the order along dims reversed, as a copy;   d = dx reversed"""
    return xp.flip(x, wrap_dims(dims, x.ndim)).copy()


@op(promote=None)
def roll(xp: Any, x: Any, /, shifts: int | Sequence[int], dims: Dims = None) -> Any:
    """entries shifted along dims, those pushed out coming in at the other end;   d = dx shifted back"""
    return xp.roll(x, shifts, dims)


def _back(shifts: int | Sequence[int]) -> int | tuple[int, ...]:
    return -shifts if isinstance(shifts, int) else tuple(-s for s in shifts)


flip.derivative(x=lambda g, dims: flip(g, dims))
roll.derivative(x=lambda g, shifts, dims: roll(g, _back(shifts), dims))
