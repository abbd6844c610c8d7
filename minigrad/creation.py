"""Making tensors: from data, filled with a value, or counted. Drawn at random: ``sampling.py``."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import CPU, DeviceLike, is_array, module_for, to_device
from minigrad.ops.promotion import INT64, checked_dtype, get_default_dtype, join, of_number
from minigrad.ops.shape import shape_from
from minigrad.tensor import Tensor


def made(array: Any, requires_grad: bool, device: DeviceLike = None) -> Tensor:
    """Return the tensor of an array, on ``device`` if it is given."""
    x: Tensor = tensor_of(to_device(array, device))
    return x.requires_grad_() if requires_grad else x


def tensor(data: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor by copying ``data``: a number, nested lists, a NumPy array, another tensor.

    Without ``dtype``, Python floats become float32 (the default dtype), integers int64, booleans bool, and arrays
    keep theirs.

    Raises
    ------
    ValueError
        The lists are ragged, or a number does not fit the dtype.
    TypeError
        The data is not numeric, or complex or half precision.
    RuntimeError
        ``requires_grad`` with integers.

    Examples
    --------
    >>> import minigrad
    >>> minigrad.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    >>> minigrad.tensor([1, 2]).dtype
    dtype('int64')
    """
    return made(_array_of(data, dtype, copy=True), requires_grad, device)


def as_tensor(data: Any, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Make a tensor of ``data`` as :func:`tensor` does, but share memory or return the tensor itself if possible."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    return made(_array_of(data, dtype, copy=False), False, device)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """Make a tensor on the memory of a NumPy array: a change of one is a change of the other."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}; use minigrad.tensor(...)")
    if checked_dtype(array.dtype) != array.dtype:
        raise ValueError(f"from_numpy: the bytes of {array.dtype.str} are in another order; use minigrad.tensor(array)")
    return made(array.view(np.ndarray), False)


def from_dlpack(x: Any) -> Tensor:
    """Make a tensor on the memory of another library's array, on either device: ``from_dlpack(torch_tensor)``."""
    on_cpu = int(x.__dlpack_device__()[0]) == 1
    array = module_for(CPU if on_cpu else "cuda").from_dlpack(x)
    checked_dtype(array.dtype)
    return made(array, False)


_PLAIN = {float, int, bool}
_LISTS = (list, tuple, range)


def _array_of(data: Any, dtype: Any, copy: bool) -> Any:
    """Return ``data`` as an array, of memory of its own if ``copy``."""
    wanted = None if dtype is None else checked_dtype(dtype)
    if isinstance(data, TensorBase):
        data = data.array
    elif isinstance(data, (*_LISTS, float, int)):
        leaves = list(_leaves([data]))
        found = functools.reduce(join, map(_dtype_of, leaves), None)
        wanted = wanted or (get_default_dtype() if found is None else checked_dtype(found))
        if any(isinstance(x, TensorBase) for x in leaves):
            data = _plain(data)
        if any(isinstance(x, TensorBase) and x._requires_grad for x in leaves):
            warnings.warn(
                "tensor: what is copied out of tensors that require grad has no history; use minigrad.stack([...]) to "
                "keep it, or detach() them to say that it is meant",
                stacklevel=3,
            )
        try:
            return np.array(data, dtype=wanted)
        except OverflowError as error:
            raise ValueError(f"tensor: a number does not fit {wanted}: {error}") from None
        except ValueError as error:
            raise ValueError(f"tensor: all rows of nested lists must have the same length ({error})") from None
    elif not is_array(data):
        kind, data = type(data).__name__, np.asarray(data)
        if data.dtype.kind not in "biufc":
            raise TypeError(f"tensor: expected numbers, got {kind}: {str(data)[:60]!r}")
    if isinstance(data, np.ndarray):
        data = np.asarray(data)  # not one of its subclasses
    if wanted is None or data.dtype.kind == "c":
        wanted = checked_dtype(data.dtype)
    return data.astype(wanted, order="C") if copy else data.astype(wanted, copy=False)


def _leaves(data: Any) -> Iterator[Any]:
    """Yield what nested lists hold; of plain numbers, however many, one of each kind."""
    kinds = set(map(type, data))
    for x in (kind() for kind in kinds) if kinds <= _PLAIN else data:
        if isinstance(x, _LISTS):
            yield from _leaves(x)
        else:
            yield x


def _dtype_of(x: Any) -> Any:
    """Return the dtype that one entry of a list would have as a tensor of its own."""
    if isinstance(x, TensorBase) or is_array(x):
        return x.dtype
    if isinstance(x, (int, float, complex, np.generic)):
        return of_number(x) if not isinstance(x, complex) else np.dtype(complex)
    raise TypeError(f"tensor: expected numbers, got {type(x).__name__}: {str(x)[:60]!r}")


def _plain(data: Any) -> Any:
    """Return nested lists with arrays in place of tensors."""
    if isinstance(data, TensorBase):
        return to_device(data.array, CPU)
    return [_plain(x) for x in data] if isinstance(data, _LISTS) else data


# --------------------------------------------------------------------------------------------------------------
# Filled


def dtype_or_default(dtype: Any) -> Any:
    """Return ``dtype``, or without one the default dtype."""
    return get_default_dtype() if dtype is None else checked_dtype(dtype)


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of shape ``size`` filled with one value; the dtype follows the value.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    value = _array_of(fill_value, dtype, copy=False)
    return made(module_for(device).full(shape_from((size,)), value.item(), value.dtype), requires_grad, device)


def zeros(
    *sizes: Any, size: Any = None, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of zeros.

    >>> zeros(2, 3).shape
    minigrad.Size([2, 3])
    """
    return made(module_for(device).zeros(shape_from(sizes, size), dtype_or_default(dtype)), requires_grad, device)


def ones(
    *sizes: Any, size: Any = None, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of ones."""
    return made(module_for(device).ones(shape_from(sizes, size), dtype_or_default(dtype)), requires_grad, device)


def empty(
    *sizes: Any, size: Any = None, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of whatever the memory held before."""
    return made(module_for(device).empty(shape_from(sizes, size), dtype_or_default(dtype)), requires_grad, device)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make an n x m matrix with ones on the diagonal; square if ``m`` is not given."""
    return made(module_for(device).eye(n, m, dtype=dtype_or_default(dtype)), requires_grad, device)


def zeros_like(input: Tensor, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor of zeros with the shape, dtype and device of ``input``."""
    return zeros(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor of ones with the shape, dtype and device of ``input``."""
    return ones(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Make an unfilled tensor with the shape, dtype and device of ``input``."""
    return empty(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of one value with the shape, dtype and device of ``input``."""
    return full(
        input.shape,
        fill_value,
        dtype=dtype or input.dtype,
        device=device or input.device,
        requires_grad=requires_grad,
    )


# --------------------------------------------------------------------------------------------------------------
# Counted


def arange(
    start: float = 0,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Count from ``start`` (0 if only ``end`` is given) in steps; ``end`` is left out. Integers give int64.

    >>> arange(2, 8, 2)
    tensor([2, 4, 6])
    """
    if end is None:
        start, end = 0, start
    start, end, step = (x.item() if isinstance(x, (TensorBase, np.generic)) else x for x in (start, end, step))
    if step == 0 or (end - start) / step < 0:
        raise ValueError(f"arange: no steps of {step} lead from {start} to {end}")
    whole = all(isinstance(x, int) for x in (start, end, step))
    if dtype is None:
        dtype = INT64 if whole else get_default_dtype()
    xp = module_for(device)
    # Steps of 0.1 are counted, not added up, so that their errors do not add up either.
    counted = xp.arange(start, end, step) if whole else xp.arange(math.ceil((end - start) / step)) * step + start
    return made(counted.astype(checked_dtype(dtype)), requires_grad, device)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make ``steps`` evenly spaced numbers from ``start`` to ``end``, both included."""
    return made(module_for(device).linspace(start, end, steps).astype(dtype_or_default(dtype)), requires_grad, device)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make ``steps`` numbers from base^start to base^end, each the same multiple of the one before.

    >>> logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    exponents = module_for(device).linspace(start, end, steps)
    return made((float(base) ** exponents).astype(dtype_or_default(dtype)), requires_grad, device)


def _triangle_indices(name: str, row: int, col: int, offset: int, dtype: Any, device: DeviceLike) -> Tensor:
    if row < 0 or col < 0:
        raise RuntimeError(f"{name}: expected sizes that are not negative, got {row} and {col}")
    lower = name == "tril_indices"
    inside = np.tri(row, col, offset if lower else offset - 1, dtype=bool) == lower
    return made(np.stack(inside.nonzero()).astype(INT64 if dtype is None else checked_dtype(dtype)), False, device)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return the rows and the columns of the entries on and below a diagonal of a row x col matrix.

    >>> tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle_indices("tril_indices", row, col, offset, dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Return the rows and the columns of the entries on and above a diagonal of a row x col matrix."""
    return _triangle_indices("triu_indices", row, col, offset, dtype, device)
