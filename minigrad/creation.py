"""Making tensors: from data, filled with a value, counted, or drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import DeviceLike, Generator, default_generator, is_array, module_for, to_device
from minigrad.ops.promotion import get_default_dtype
from minigrad.tensor import Tensor, checked_dtype

INT64 = np.dtype(np.int64)


def _made(array: Any, requires_grad: bool, device: DeviceLike = None) -> Tensor:
    made: Tensor = tensor_of(to_device(array, device))
    return made.requires_grad_() if requires_grad else made


def tensor(data: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor by copying ``data``: a number, nested lists, a NumPy array, another tensor.

    Without ``dtype``, Python floats become float32 (the default dtype), integers int64, booleans bool, and arrays
    keep theirs.

    Raises
    ------
    ValueError
        The lists are ragged.
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
    array = _array_of(data, dtype)
    shared = data.array if isinstance(data, TensorBase) else data
    return _made(array.copy() if array is shared or array.base is not None else array, requires_grad, device)


def as_tensor(data: Any, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Make a tensor of ``data`` as :func:`tensor` does, but share memory or return the tensor itself if possible."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    return _made(_array_of(data, dtype), False, device)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """Make a tensor on the memory of a NumPy array: a change of one is a change of the other."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    checked_dtype(array.dtype)
    return _made(array, False)


def _array_of(data: Any, dtype: Any) -> Any:
    if isinstance(data, TensorBase):
        array = data.array
    elif is_array(data):
        array = data
    else:
        first = data
        while isinstance(first, (list, tuple)) and first:
            first = first[0]
        if isinstance(first, TensorBase):
            data = _plain(data)
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ValueError(f"tensor: all rows of nested lists must have the same length ({error})") from None
        typed = isinstance(first, (np.generic, np.ndarray, TensorBase))
        if dtype is None and array.dtype.kind == "f" and not typed:  # an empty list too: NumPy makes it float64
            dtype = get_default_dtype()
        if array.dtype.kind not in "biufc":
            raise TypeError(f"tensor: expected numbers, got {type(first).__name__} ({first!r})")
    wanted = checked_dtype(array.dtype if dtype is None else dtype)
    return array if array.dtype == wanted else array.astype(wanted)


def _plain(data: Any) -> Any:
    if isinstance(data, TensorBase):
        return to_device(data.array, "cpu")
    return [_plain(x) for x in data] if isinstance(data, (list, tuple)) else data


# --------------------------------------------------------------------------------------------------------------
# Filled


def _shape(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the shape in ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], (int, np.integer)) else sizes


def _dtype(dtype: Any) -> Any:
    return get_default_dtype() if dtype is None else checked_dtype(dtype)


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of shape ``size`` filled with one value; the dtype follows the value.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    dtype = _array_of(fill_value, None).dtype if dtype is None else checked_dtype(dtype)
    size = (size,) if isinstance(size, int) else tuple(size)
    return _made(module_for(device).full(size, fill_value, dtype), requires_grad, device)


def zeros(*size: Any, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor of zeros.

    >>> zeros(2, 3).shape
    minigrad.Size([2, 3])
    """
    return _made(module_for(device).zeros(_shape(size), _dtype(dtype)), requires_grad, device)


def ones(*size: Any, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor of ones."""
    return _made(module_for(device).ones(_shape(size), _dtype(dtype)), requires_grad, device)


def empty(*size: Any, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor of whatever the memory held before."""
    return _made(module_for(device).empty(_shape(size), _dtype(dtype)), requires_grad, device)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make an n x m matrix with ones on the diagonal; square if ``m`` is not given."""
    return _made(module_for(device).eye(n, m, dtype=_dtype(dtype)), requires_grad, device)


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
    start: float,
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
    if dtype is None:
        dtype = INT64 if all(isinstance(x, (int, np.integer)) for x in (start, end, step)) else get_default_dtype()
    return _made(module_for(device).arange(start, end, step).astype(checked_dtype(dtype)), requires_grad, device)


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
    return _made(module_for(device).linspace(start, end, steps).astype(_dtype(dtype)), requires_grad, device)


# --------------------------------------------------------------------------------------------------------------
# Drawn at random


def _generator(generator: Generator | None, device: DeviceLike) -> Generator:
    return generator or default_generator(device)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the uniform distribution on [0, 1)."""
    return _made(_generator(generator, device).uniform(_shape(size), dtype=_dtype(dtype)), requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the standard normal distribution."""
    return _made(_generator(generator, device).normal(_shape(size), dtype=_dtype(dtype)), requires_grad)


def rand_like(input: Tensor, *, generator: Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Draw from the uniform distribution on [0, 1), in the shape, dtype and on the device of ``input``."""
    return rand(input.shape, generator=generator, dtype=input.dtype, device=input.device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, generator: Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Draw from the standard normal distribution, in the shape, dtype and on the device of ``input``."""
    return randn(input.shape, generator=generator, dtype=input.dtype, device=input.device, requires_grad=requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
) -> Tensor:
    """Draw integers from ``low`` (0 if left out) to ``high - 1``: ``randint(10, (3,))``, ``randint(5, 10, (3,))``."""
    if size is None and isinstance(high, Sequence):
        low, high, size = 0, low, high
    if size is None or not isinstance(high, int):
        raise TypeError("randint: expected randint(high, size) or randint(low, high, size), with the shape as a tuple")
    if high <= low:
        raise RuntimeError(f"randint: expected low < high, got {low} and {high}")
    drawn = _generator(generator, device).integers(low, high, tuple(size))
    return _made(drawn if dtype is None else drawn.astype(checked_dtype(dtype)), False)


def randperm(n: int, *, generator: Generator | None = None, device: DeviceLike = None) -> Tensor:
    """Return 0 ... n-1 in random order."""
    return _made(_generator(generator, device).permutation(n), False, device)


def normal(
    mean: float = 0.0,
    std: float = 1.0,
    size: Sequence[int] = (),
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
) -> Tensor:
    """Draw from a normal distribution."""
    return _made(_generator(generator, device).normal(tuple(size), mean, std, _dtype(dtype)), False)


def bernoulli(p: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Draw 1 with the probability each entry of ``p`` gives, else 0."""
    drawn = _generator(generator, p.device).uniform(p.shape)
    return _made((drawn < p.array).astype(p.dtype), False)
