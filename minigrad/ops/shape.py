"""Op sheet: the same values in another arrangement. Nothing is computed, so a rule only puts the gradient back.

Reshaping, permuting, expanding and sliding windows return views, which share the memory of their input.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from minigrad.autograd.node import TensorBase
from minigrad.ops.op import NUMPY_NAMES, Variadic, broadcast_to, op

Dims = int | Sequence[int] | None
Result = TypeVar("Result")


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


def numpy_names(function: Callable[..., Result]) -> Callable[..., Result]:
    """Let a function take ``axis`` and ``keepdims`` for ``dim`` and ``keepdim``, as ops do; decorator."""

    @functools.wraps(function)
    def renaming(*args: Any, **kwargs: Any) -> Result:
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


def expand(input: Any, size: Sequence[int]) -> Any:
    """Repeat along dimensions of size 1, and along new ones in front, without copying; -1 keeps a size."""
    new = len(size) - len(input.shape)
    if -1 in size[: max(new, 0)]:
        raise RuntimeError(f"expand: -1 keeps a size, and the new dimensions in front have none: {tuple(size)}")
    return broadcast_to(input, tuple(n if n != -1 else input.shape[k - new] for k, n in enumerate(size)))


@numpy_names
def squeeze(input: Any, dim: Dims = None) -> Any:
    """Drop dimensions of size 1: all, or those of ``dim`` that have it."""
    dims = wrap_dims(dim, len(input.shape))
    return reshape(input, tuple(n for d, n in enumerate(input.shape) if n != 1 or d not in dims))


@numpy_names
def unsqueeze(input: Any, dim: int) -> Any:
    """Insert a dimension of size 1 before ``dim``."""
    at = wrap_dim(dim, len(input.shape) + 1)
    return reshape(input, (*input.shape[:at], 1, *input.shape[at:]))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Join the dimensions from ``start_dim`` to ``end_dim``, both included, into one."""
    start, end = wrap_dim(start_dim, len(input.shape)), wrap_dim(end_dim, len(input.shape))
    if start > end:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(input, (*input.shape[:start], math.prod(input.shape[start : end + 1]), *input.shape[end + 1 :]))


@numpy_names
def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Split dimension ``dim`` into ``sizes``; one of them may be -1."""
    at = wrap_dim(dim, len(input.shape))
    return reshape(input, (*input.shape[:at], *sizes, *input.shape[at + 1 :]))


def movedim(input: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Move dimensions to new places; the others keep their order."""
    ndim = len(input.shape)
    moved = wrap_dims(source, ndim)
    order = [d for d in range(ndim) if d not in moved]
    for to, d in sorted(zip(wrap_dims(destination, ndim), moved, strict=True)):
        order.insert(to, d)
    return permute(input, tuple(order))


def t(input: Any) -> Any:
    """Return the transpose of a matrix; a vector or a number is its own."""
    if len(input.shape) > 2:
        raise RuntimeError(f"t: expected at most 2 dimensions, got {len(input.shape)}; use transpose(dim0, dim1)")
    return transpose(input, 0, 1) if len(input.shape) == 2 else input


def ravel(input: Any) -> Any:
    """Return all entries in one dimension."""
    return reshape(input, (-1,))


def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Turn the plane of two dimensions by ``k`` times 90 degrees, from the first towards the second."""
    first, second = wrap_dims(tuple(dims), len(input.shape)) if len(dims) == 2 else (0, 0)
    if first == second:
        raise RuntimeError(f"rot90: expected two different dims, got {tuple(dims)}")
    turned = input if k % 4 < 2 else flip(input, (first, second))
    return transpose(flip(turned, second), first, second) if k % 2 else turned


def fliplr(input: Any) -> Any:
    """Reverse the order of the columns: dimension 1."""
    return flip(_at_least(2, "fliplr", input), 1)


def flipud(input: Any) -> Any:
    """Reverse the order of the rows: dimension 0."""
    return flip(_at_least(1, "flipud", input), 0)


def _at_least(ndim: int, name: str, x: Any) -> Any:
    if len(x.shape) < ndim:
        raise RuntimeError(f"{name}: expected at least {ndim} dimensions, got shape {tuple(x.shape)}")
    return x


def _widened(widen: Callable[[Any], Any]) -> Callable[..., Any]:
    """Let a function of one tensor take several, or a list, and return a tuple of the results; decorator."""

    @functools.wraps(widen)
    def each(*tensors: Any) -> Any:
        if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
            return widen(tensors[0])
        return tuple(map(widen, tensors[0] if len(tensors) == 1 else tensors))

    return each


@_widened
def atleast_1d(x: Any) -> Any:
    """Return a tensor, or each of several, with a dimension if it has none."""
    return x if len(x.shape) else reshape(x, (1,))


@_widened
def atleast_2d(x: Any) -> Any:
    """Return a tensor, or each of several, with 2 dimensions or more: (3,) becomes (1, 3)."""
    return x if len(x.shape) > 1 else reshape(x, (1, -1))


@_widened
def atleast_3d(x: Any) -> Any:
    """Return a tensor, or each of several, with 3 dimensions or more: (3,) becomes (1, 3, 1), (2, 3) (2, 3, 1)."""
    return x if len(x.shape) > 2 else unsqueeze(atleast_2d(x), 2)


def broadcast_shapes(*shapes: int | Sequence[int]) -> tuple[int, ...]:
    """Return the shape that arrays of these shapes broadcast to.

    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise RuntimeError(
            f"broadcast_shapes: {', '.join(map(str, shapes))} do not go together: counted from the last one, sizes "
            "must be equal or 1"
        ) from None


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Expand tensors to the shape they broadcast to: views."""
    shape = broadcast_shapes(*(tuple(x.shape) for x in tensors))
    return tuple(broadcast_to(x, shape) for x in tensors)


# --------------------------------------------------------------------------------------------------------------
# Repeating


def tile(input: Any, dims: Sequence[int]) -> Any:
    """Repeat the whole ``dims[d]`` times along each dimension d, as tiles on a floor.

    The last entry of ``dims`` belongs to the last dimension; missing ones on either side count as 1.
    """
    dims = (1,) * (len(input.shape) - len(dims)) + tuple(dims)
    shape = (1,) * (len(dims) - len(input.shape)) + tuple(input.shape)
    pairs = broadcast_to(
        reshape(input, [m for n in shape for m in (1, n)]),
        tuple(m for r, n in zip(dims, shape, strict=True) for m in (r, n)),
    )
    return reshape(pairs, tuple(r * n for r, n in zip(dims, shape, strict=True)))


def repeat(input: Any, repeats: Sequence[int]) -> Any:
    """Repeat the whole ``repeats[d]`` times along each dimension d, with one number for each dimension at least."""
    if len(repeats) < len(input.shape):
        raise RuntimeError(
            f"repeat: expected a number for each of the {len(input.shape)} dimensions, got {tuple(repeats)}; tile() "
            "fills up with ones"
        )
    return tile(input, repeats)


# --------------------------------------------------------------------------------------------------------------
# Sliding windows


@op(promote=None)
def windows(xp: Any, x: Any, /, dimension: int, size: int, step: int) -> Any:
    """all runs of size entries along dimension, every step-th one, as a last dimension;   dx adds up the overlaps"""
    dim = wrap_dim(dimension, x.ndim)
    n = x.shape[dim] if x.ndim else 1
    if not 0 < size <= n or step <= 0:
        raise ValueError(f"expected 0 < size <= {n} and step > 0, got size {size} and step {step}")
    if not x.ndim:
        return x.reshape(1)
    options = {"writeable": bool(x.flags.writeable)} if isinstance(x, np.ndarray) else {}
    slid = xp.lib.stride_tricks.sliding_window_view(x, size, dim, **options)
    return slid[(slice(None),) * dim + (slice(None, None, step),)]


@op(promote=None)
def overlap_add(xp: Any, v: Any, /, dimension: int, size: int, step: int, shape: tuple[int, ...]) -> Any:
    """zeros of a shape with each window of v added where it was;   dv = windows of d"""
    out = xp.zeros(shape, v.dtype)
    if not shape:
        return out + v.reshape(())
    dim = wrap_dim(dimension, len(shape))
    for k in range(size):  # the k-th entries of all windows lie apart from each other
        out[(slice(None),) * dim + (slice(k, k + step * (v.shape[dim] - 1) + 1, step),)] += v[..., k]
    return out


windows.derivative(x=lambda g, x_shape, dimension, size, step: overlap_add(g, dimension, size, step, x_shape))
overlap_add.derivative(v=lambda g, dimension, size, step: windows(g, dimension, size, step))


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Return all runs of ``size`` entries along ``dimension``, every ``step``-th one, as a last dimension: a view.

    >>> import minigrad
    >>> minigrad.arange(5).unfold(0, 3, 1).tolist()
    [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    """
    y = windows(input, dimension, size, step)
    if isinstance(y, TensorBase):  # NumPy does not tell whose memory it is, so ``view=True`` would not notice
        y._writes, y.is_view = input.writes(), True
    return y


# --------------------------------------------------------------------------------------------------------------
# Joining and splitting


@Variadic
def concatenate(xp: Any, *tensors: Any, dim: int, sizes: Sequence[int]) -> Any:
    """arrays one after the other along dim;   each gets the slice of g that it became"""
    return xp.concatenate(tensors, axis=dim)


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


@numpy_names
def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """Return ``length`` entries along ``dim`` from ``start`` on: a view."""
    dim = wrap_dim(dim, len(input.shape))
    if start < 0:
        start += input.shape[dim]
    if not 0 <= start <= start + length <= input.shape[dim]:
        raise RuntimeError(
            f"narrow: entries {start} to {start + length} do not lie within the {input.shape[dim]} of dim {dim}"
        )
    return input[(slice(None),) * dim + (slice(start, start + length),)]


concatenate.derivative(lambda i: lambda g, dim, sizes: narrow(g, dim, sum(sizes[:i]), sizes[i]))


@numpy_names
def split(tensor: Any, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Cut along ``dim`` into pieces of one size (the last may be smaller), or of the sizes listed: views."""
    dim = wrap_dim(dim, len(tensor.shape))
    n = tensor.shape[dim]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size <= 0:
            raise RuntimeError(f"split: expected a positive size, got {size}")
        sizes = [min(size, n - start) for start in range(0, n, size)] or [0]
    else:
        sizes = list(split_size_or_sections)
        if sum(sizes) != n:
            raise RuntimeError(f"split: the sizes {sizes} sum to {sum(sizes)}, but dim {dim} has {n} entries")
    return tuple(narrow(tensor, dim, sum(sizes[:k]), size) for k, size in enumerate(sizes))


@numpy_names
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Cut along ``dim`` into at most ``chunks`` pieces of one size; the last may be smaller: views."""
    if chunks <= 0:
        raise RuntimeError(f"chunk: expected a positive number of chunks, got {chunks}")
    n = input.shape[wrap_dim(dim, len(input.shape))]
    return split(input, max(1, math.ceil(n / chunks)), dim)


def hstack(tensors: Sequence[Any]) -> Any:
    """Join side by side: along dimension 1, numbers and vectors along their only one."""
    tensors = [atleast_1d(x) for x in tensors]
    return cat(tensors, 0 if len(tensors[0].shape) == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Join one below the other: along dimension 0, with numbers and vectors as rows."""
    return cat([atleast_2d(x) for x in tensors], 0)


def dstack(tensors: Sequence[Any]) -> Any:
    """Join one behind the other: along dimension 2, which is added where it is missing."""
    return cat([atleast_3d(x) for x in tensors], 2)


def column_stack(tensors: Sequence[Any]) -> Any:
    """Join side by side: along dimension 1, with numbers and vectors as columns."""
    return hstack([x if len(x.shape) > 1 else reshape(x, (-1, 1)) for x in tensors])


@numpy_names
def tensor_split(input: Any, indices_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Cut along ``dim`` into so many pieces, the first ones longer by one if need be, or before the indices: views."""
    dim = wrap_dim(dim, len(_at_least(1, "tensor_split", input).shape))
    n = input.shape[dim]
    if isinstance(indices_or_sections, int):
        if indices_or_sections <= 0:
            raise RuntimeError(f"tensor_split: expected a positive number of sections, got {indices_or_sections}")
        size, longer = divmod(n, indices_or_sections)
        cuts = [k * size + min(k, longer) for k in range(1, indices_or_sections)]
    else:
        cuts = [int(k) for k in indices_or_sections]
    at = (slice(None),) * dim
    return tuple(input[(*at, slice(a, b))] for a, b in zip([None, *cuts], [*cuts, None], strict=True))


def _evenly_split(name: str, ndim: int, dim: int, x: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    dim = 0 if len(_at_least(ndim, name, x).shape) == 1 else dim
    if isinstance(indices_or_sections, int) and (indices_or_sections <= 0 or x.shape[dim] % indices_or_sections):
        raise RuntimeError(
            f"{name}: dimension {dim} of size {x.shape[dim]} cannot be cut into {indices_or_sections} equal pieces; "
            "tensor_split() allows unequal ones"
        )
    return tensor_split(x, indices_or_sections, dim)


def hsplit(input: Any, indices_or_sections: int | Sequence[int]) -> tuple[Any, ...]:
    """Cut side from side: along dimension 1, a vector along its only one, into equal pieces or before the indices."""
    return _evenly_split("hsplit", 1, 1, input, indices_or_sections)


def vsplit(input: Any, indices_or_sections: int | Sequence[int]) -> tuple[Any, ...]:
    """Cut along dimension 0, into equal pieces or before the indices."""
    return _evenly_split("vsplit", 2, 0, input, indices_or_sections)


def dsplit(input: Any, indices_or_sections: int | Sequence[int]) -> tuple[Any, ...]:
    """Cut along dimension 2, into equal pieces or before the indices."""
    return _evenly_split("dsplit", 3, 2, input, indices_or_sections)


@numpy_names
def select(input: Any, dim: int, index: int) -> Any:
    """Return the entries at ``index`` along ``dim``, without that dimension: a view."""
    dim = wrap_dim(dim, len(_at_least(1, "select", input).shape))
    if not -input.shape[dim] <= index < input.shape[dim]:
        raise IndexError(f"select: index {index} is out of range for the {input.shape[dim]} entries of dim {dim}")
    return input[(slice(None),) * dim + (index,)]


@numpy_names
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """Return the entries along ``dim`` one by one, without that dimension: views."""
    dim = wrap_dim(dim, len(input.shape))
    return tuple(input[(slice(None),) * dim + (k,)] for k in range(input.shape[dim]))


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


@op(promote=None)
def shift(xp: Any, x: Any, /, dim: int, by: int, fill: float = 1) -> Any:
    """entries moved by so many places along dim, those pushed out lost, fill coming in;   d = dx moved back"""
    out = xp.full(x.shape, fill, x.dtype)
    ahead = (slice(None),) * wrap_dim(dim, x.ndim)
    if by > 0:
        out[(*ahead, slice(by, None))] = x[(*ahead, slice(None, -by))]
    else:
        out[(*ahead, slice(None, by))] = x[(*ahead, slice(-by, None))]
    return out


def _back(shifts: int | Sequence[int]) -> int | tuple[int, ...]:
    return -shifts if isinstance(shifts, int) else tuple(-s for s in shifts)


flip.derivative(x=lambda g, dims: flip(g, dims))
roll.derivative(x=lambda g, shifts, dims: roll(g, _back(shifts), dims))
shift.derivative(x=lambda g, dim, by: shift(g, dim, -by, 0))
