"""Making tensors: from data, filled with a value, counted, or drawn at random."""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import CPU, DeviceLike, Generator, default_generator, is_array, module_for, to_device
from minigrad.ops.promotion import INT64, checked_dtype, get_default_dtype, join, of_number
from minigrad.ops.shape import shape_from
from minigrad.tensor import Tensor


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
    return _made(_array_of(data, dtype, copy=True), requires_grad, device)


def as_tensor(data: Any, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """Make a tensor of ``data`` as :func:`tensor` does, but share memory or return the tensor itself if possible."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    return _made(_array_of(data, dtype, copy=False), False, device)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """Make a tensor on the memory of a NumPy array: a change of one is a change of the other."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}; use minigrad.tensor(...)")
    if checked_dtype(array.dtype) != array.dtype:
        raise ValueError(f"from_numpy: the bytes of {array.dtype.str} are in another order; use minigrad.tensor(array)")
    return _made(array.view(np.ndarray), False)


def from_dlpack(x: Any) -> Tensor:
    """Make a tensor on the memory of another library's array, on either device: ``from_dlpack(torch_tensor)``."""
    on_cpu = int(x.__dlpack_device__()[0]) == 1
    array = module_for(CPU if on_cpu else "cuda").from_dlpack(x)
    checked_dtype(array.dtype)
    return _made(array, False)


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


def _dtype(dtype: Any) -> Any:
    return get_default_dtype() if dtype is None else checked_dtype(dtype)


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of shape ``size`` filled with one value; the dtype follows the value.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    value = _array_of(fill_value, dtype, copy=False)
    return _made(module_for(device).full(shape_from((size,)), value.item(), value.dtype), requires_grad, device)


def zeros(
    *sizes: Any, size: Any = None, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of zeros.

    >>> zeros(2, 3).shape
    minigrad.Size([2, 3])
    """
    return _made(module_for(device).zeros(shape_from(sizes, size), _dtype(dtype)), requires_grad, device)


def ones(
    *sizes: Any, size: Any = None, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of ones."""
    return _made(module_for(device).ones(shape_from(sizes, size), _dtype(dtype)), requires_grad, device)


def empty(
    *sizes: Any, size: Any = None, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of whatever the memory held before."""
    return _made(module_for(device).empty(shape_from(sizes, size), _dtype(dtype)), requires_grad, device)


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
    return _made(counted.astype(checked_dtype(dtype)), requires_grad, device)


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
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the uniform distribution on [0, 1)."""
    return _made(_generator(generator, device).uniform(shape_from(sizes, size), dtype=_dtype(dtype)), requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the standard normal distribution."""
    return _made(_generator(generator, device).normal(shape_from(sizes, size), dtype=_dtype(dtype)), requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the uniform distribution on [0, 1), in the shape, dtype and on the device of ``input``."""
    options: Any = dict(dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)
    return rand(input.shape, generator=generator, **options)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the standard normal distribution, in the shape, dtype and on the device of ``input``."""
    options: Any = dict(dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)
    return randn(input.shape, generator=generator, **options)


def randint(
    low: int = 0,
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
    if not isinstance(size, Sequence) or isinstance(high, (float, type(None))):
        raise TypeError("randint: expected randint(high, size) or randint(low, high, size), with the shape as a tuple")
    low, high = operator.index(low), operator.index(high)
    if high <= low:
        raise RuntimeError(f"randint: expected low < high, got {low} and {high}")
    drawn = _generator(generator, device).integers(low, high, tuple(size))
    return _made(drawn if dtype is None else drawn.astype(checked_dtype(dtype)), False)


def randperm(n: int, *, generator: Generator | None = None, device: DeviceLike = None) -> Tensor:
    """Return 0 ... n-1 in random order."""
    if n < 0:
        raise RuntimeError(f"randperm: expected n >= 0, got {n}")
    return _made(_generator(generator, device).permutation(n), False, device)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
) -> Tensor:
    """Draw from a normal distribution: ``normal(0.0, 1.0, (2, 3))``, or one draw for each entry of mean and std.

    >>> normal(zeros(2), tensor([0.1, 10.0])).shape
    minigrad.Size([2])
    """
    given = next((x for x in (mean, std) if isinstance(x, Tensor)), None)
    if given is not None and size is None:
        shape = np.broadcast_shapes(*(x.shape for x in (mean, std) if isinstance(x, Tensor)))
        drawn = randn(shape, generator=generator, dtype=given.dtype, device=given.device)
        return (mean + std * drawn).detach()  # type: ignore[no-any-return]
    if given is not None or size is None:
        raise TypeError("normal: expected normal(mean, std, size) with numbers, or tensors as mean or std and no size")
    if std < 0:
        raise RuntimeError(f"normal: expected std >= 0, got {std}")
    return _made(_generator(generator, device).normal(tuple(size), mean, std, _dtype(dtype)), False)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """Draw 1 with the probability that each entry of ``input`` gives, or ``p`` for all; else 0."""
    chance = input.array if p is None else p
    if input.dtype.kind != "f":
        raise RuntimeError(f"bernoulli: expected floating probabilities, got {input.dtype}")
    if not input.is_cuda and not np.all((np.asarray(chance) >= 0) & (np.asarray(chance) <= 1)):
        raise RuntimeError("bernoulli: expected probabilities between 0 and 1")
    drawn = _generator(generator, input.device).uniform(input.shape)
    return _made((drawn < chance).astype(input.dtype), False)
