"""Pooling as functions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from minigrad import ops
from minigrad.autograd.node import TensorBase
from minigrad.backend import array_module
from minigrad.ops.promotion import INT64
from minigrad.ops.window import Sizes, Window, sizes, window_over
from minigrad.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]

Ints = int | Sequence[int]
MaybeInts = int | Sequence[int | None] | None


def check_spatial(name: str, dims: int, input: Any) -> Sizes:
    """Return the size of the last ``dims`` dimensions; there must be channels, and may be a batch, before them."""
    if not isinstance(input, TensorBase):
        raise TypeError(f"{name}: expected a Tensor, got {type(input).__name__}; minigrad.tensor(x) makes one")
    if len(input.shape) not in (dims + 1, dims + 2):
        letters = ", ".join("DHW"[-dims:] if dims > 1 else "L")
        raise RuntimeError(
            f"{name}: expected input (N, C, {letters}) or a single (C, {letters}), got {tuple(input.shape)}"
        )
    return tuple(input.shape[-dims:])


def _window(
    name: str,
    dims: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> Window:
    size = check_spatial(name, dims, input)
    kernel, dilation = sizes(name, "kernel_size", kernel_size, dims), sizes(name, "dilation", dilation, dims)
    stride = sizes(name, "stride", kernel if stride is None else stride, dims)
    padding = sizes(name, "padding", padding, dims, 0)
    if any(2 * p > d * (k - 1) + 1 for k, p, d in zip(kernel, padding, dilation)):
        raise RuntimeError(
            f"{name}: expected padding of at most half the kernel, or a window would see nothing else, got padding "
            f"{padding} with kernel {kernel}"
        )
    return window_over(name, size, kernel, stride, padding, dilation, ceil_mode)


# --------------------------------------------------------------------------------------------------------------
# The largest


def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """:func:`max_pool2d` of (N, C, L)."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest entry in each window of (N, C, H, W), or of a single (C, H, W).

    The gradient goes to that entry, to the first if several are equal.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int or sequence of int
        As in :func:`conv2d`; the stride is the kernel's size if not given. Padding counts as minus infinity.
    ceil_mode : bool
        Whether rows and columns that the stride leaves over at the end get a window too.
    return_indices : bool
        Return (values, indices), which count through the pixels of a channel: what :func:`max_unpool2d` takes.

    Raises
    ------
    RuntimeError
        Another number of dimensions, a kernel larger than the input, padding of more than half the kernel.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.arange(16.0).reshape(1, 4, 4)
    >>> minigrad.nn.functional.max_pool2d(x, 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """:func:`max_pool2d` of (N, C, D, H, W)."""
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _max_pool(
    name: str,
    dims: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    window = _window(name, dims, input, kernel_size, stride, padding, dilation, ceil_mode)
    y = ops.max_pool(input, window)
    return (y, ops.max_pool_indices(input, window)) if return_indices else y


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """:func:`max_unpool2d` of (N, C, L)."""
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put the values of :func:`max_pool2d` back where they were found, with zeros everywhere else.

    ``indices`` are those that it returned, kernel, stride and padding those it was called with. Where several sizes
    pool to the one given, ``output_size`` chooses: that of the last dimensions, or the whole shape.
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """:func:`max_unpool2d` of (N, C, D, H, W)."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    name: str,
    dims: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    output_size: Sequence[int] | None,
) -> Tensor:
    size = check_spatial(name, dims, input)
    if tuple(indices.shape) != tuple(input.shape) or indices.dtype != INT64:
        raise RuntimeError(
            f"{name}: expected int64 indices of the input's shape {tuple(input.shape)}, as return_indices=True gives "
            f"them, got {indices.dtype} of shape {tuple(indices.shape)}"
        )
    kernel = sizes(name, "kernel_size", kernel_size, dims)
    strides = sizes(name, "stride", kernel if stride is None else stride, dims)
    padding = sizes(name, "padding", padding, dims, 0)
    out = tuple((n - 1) * s - 2 * p + k for n, k, s, p in zip(size, kernel, strides, padding))
    if output_size is not None:
        wanted = tuple(output_size)[-dims:]
        if len(wanted) != dims or any(abs(m - n) >= s for m, n, s in zip(wanted, out, strides)):
            raise ValueError(
                f"{name}: output_size {tuple(output_size)} is not one that pools to {size}; expected {out}, give or "
                f"take less than the stride {strides}"
            )
        out = wanted
    return ops.max_unpool(input, indices, out)


# --------------------------------------------------------------------------------------------------------------
# The mean


def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """:func:`avg_pool2d` of (N, C, L)."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window of (N, C, H, W), or of a single (C, H, W).

    Parameters
    ----------
    kernel_size, stride, padding : int or sequence of int
        As in :func:`conv2d`; the stride is the kernel's size if not given.
    ceil_mode : bool
        Whether rows and columns that the stride leaves over at the end get a window too.
    count_include_pad : bool
        Whether zeros of the padding count as entries, or each window is divided by what it has of the input.
    divisor_override : int, optional
        Divide all sums by this.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.arange(16.0).reshape(1, 4, 4)
    >>> minigrad.nn.functional.avg_pool2d(x, 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """:func:`avg_pool2d` of (N, C, D, H, W)."""
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _avg_pool(
    name: str,
    dims: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    window = _window(name, dims, input, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override == 0:
        raise RuntimeError(f"{name}: expected a divisor_override other than 0")
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating input, got {input.dtype}; convert it: x.float()")
    total = ops.sum_pool(input, window)
    if divisor_override is not None:
        return ops.div(total, divisor_override)
    xp = array_module(input.array)
    return ops.div(total, _counts(window, bool(count_include_pad), xp, input.dtype))


@functools.lru_cache(maxsize=64)
def _counts(window: Window, padded: bool, xp: Any, dtype: Any) -> Any:
    """Return how many entries each window has: a number if all have as many."""
    counts: Any = 1
    for n, out, k, s, p, _ in zip(*window):
        start = np.arange(out) * s - p
        stop = np.minimum(start + k, n + p)
        if not padded:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        counts = np.multiply.outer(counts, stop - start)
    return int(counts.flat[0]) if (counts == counts.flat[0]).all() else xp.asarray(counts, dtype)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """:func:`lp_pool2d` of (N, C, L)."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """Return ``(sum of x^p)^(1 / p)`` over each window: the sum for p = 1, nearly the largest for a large p.

    As in PyTorch a negative sum, possible for odd p, has no root (nan), and a window that ``ceil_mode`` adds and that
    is not filled is scaled up to a full one.
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """:func:`lp_pool2d` of (N, C, D, H, W)."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    name: str, dims: int, input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None, ceil_mode: bool
) -> Tensor:
    check_spatial(name, dims, input)
    kernel = sizes(name, "kernel_size", kernel_size, dims)
    mean = _avg_pool(name, dims, ops.power(input, norm_type), kernel, stride, 0, ceil_mode, True, None)
    return ops.power(mean * float(np.prod(kernel)), 1.0 / norm_type)


# --------------------------------------------------------------------------------------------------------------
# Windows that adapt to the input


def _adapted(name: str, dims: int, input: Tensor, output_size: MaybeInts) -> tuple[Sizes, Window | None]:
    """Return the size of the output, and the window if all windows have one size."""
    size = check_spatial(name, dims, input)
    wanted = output_size if isinstance(output_size, Sequence) else (output_size,) * dims
    if len(wanted) != dims:
        raise RuntimeError(f"{name}: expected one number or {dims} as output_size, got {output_size}")
    if 0 in size:
        raise RuntimeError(f"{name}: expected an input with entries in its last {dims} dimensions, got {size}")
    out = sizes(name, "output_size", [n if o is None else o for n, o in zip(size, wanted)], dims, 0)
    if 0 in out or any(n % o for n, o in zip(size, out)):
        return out, None
    kernel = tuple(n // o for n, o in zip(size, out))
    return out, Window(size, out, kernel, kernel, (0,) * dims, (1,) * dims)


def adaptive_avg_pool1d(input: Tensor, output_size: MaybeInts) -> Tensor:
    """:func:`adaptive_avg_pool2d` of (N, C, L)."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: MaybeInts) -> Tensor:
    """Return means over windows that cover (N, C, H, W) evenly, as many as asked for: 1 is the mean of everything.

    Window i of ``o`` along a dimension of n entries goes from floor(i n / o) to ceil((i + 1) n / o). ``output_size``
    is one number or one for each dimension; None keeps a dimension as it is.

    >>> import minigrad
    >>> minigrad.nn.functional.adaptive_avg_pool2d(minigrad.arange(12.0).reshape(1, 3, 4), (2, None))
    tensor([[[2., 3., 4., 5.],
             [6., 7., 8., 9.]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: MaybeInts) -> Tensor:
    """:func:`adaptive_avg_pool2d` of (N, C, D, H, W)."""
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_avg_pool(name: str, dims: int, input: Tensor, output_size: MaybeInts) -> Tensor:
    out, window = _adapted(name, dims, input, output_size)
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating input, got {input.dtype}; convert it: x.float()")
    if max(out) == 1 == min(out):
        return ops.mean(input, tuple(range(-dims, 0)), True)
    if window is not None:
        return ops.div(ops.sum_pool(input, window), int(np.prod(window.kernel)))
    for d, o in enumerate(out):
        n = input.shape[d - dims]
        if n != o:
            input = ops.resample(input, _means(n, o), d - dims)
    return input


@functools.lru_cache(maxsize=64)
def _means(n: int, out: int) -> Any:
    """Return the matrix (out, n) that takes the means."""
    i = np.arange(out)[:, None]
    inside = (np.arange(n) >= i * n // max(out, 1)) & (np.arange(n) < -(-(i + 1) * n // max(out, 1)))
    return inside / inside.sum(1, keepdims=True)


def adaptive_max_pool1d(input: Tensor, output_size: MaybeInts, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool2d` of (N, C, L)."""
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: MaybeInts, return_indices: bool = False) -> Any:
    """Return the largest entries of windows that cover (N, C, H, W) evenly: those of :func:`adaptive_avg_pool2d`.

    With ``return_indices`` return (values, indices), as :func:`max_pool2d` does.
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: MaybeInts, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool2d` of (N, C, D, H, W)."""
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _adaptive_max_pool(name: str, dims: int, input: Tensor, output_size: MaybeInts, return_indices: bool) -> Any:
    out, window = _adapted(name, dims, input, output_size)
    if window is not None:
        y = ops.max_pool(input, window)
        return (y, ops.max_pool_indices(input, window)) if return_indices else y
    index = ops.adaptive_max_indices(input, out)
    y = ops.max_pool_at(input, index.array if isinstance(index, TensorBase) else index, dims)
    return (y, index) if return_indices else y


def _no_fractional(name: str) -> NoReturn:
    raise NotImplementedError(
        f"{name}: windows of random sizes are not in minigrad; adaptive_max_pool2d has fixed ones for any output size"
    )


def fractional_max_pool2d(*args: Any, **kwargs: Any) -> Any:
    """Not in minigrad: refused with a sentence."""
    _no_fractional("fractional_max_pool2d")


def fractional_max_pool3d(*args: Any, **kwargs: Any) -> Any:
    """Not in minigrad: refused with a sentence."""
    _no_fractional("fractional_max_pool3d")
