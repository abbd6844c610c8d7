"""Tensors drawn at random: from minigrad's own generators, so that ``manual_seed`` repeats them.

With a probability or a rate for each entry: ``draws.py``. To fill a tensor that is already there, it has methods:
``uniform_``, ``normal_``, ``exponential_`` and so on.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.backend import DeviceLike, Generator, default_generator
from minigrad.creation import dtype_or_default, made
from minigrad.ops.promotion import checked_dtype
from minigrad.ops.shape import shape_from
from minigrad.tensor import Tensor


def _generator(generator: Generator | None, device: DeviceLike) -> Generator:
    return generator or default_generator(device)


# --------------------------------------------------------------------------------------------------------------
# Fractions


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the uniform distribution on [0, 1)."""
    shape = shape_from(sizes, size)
    return made(_generator(generator, device).uniform(shape, dtype=dtype_or_default(dtype)), requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the standard normal distribution."""
    shape = shape_from(sizes, size)
    return made(_generator(generator, device).normal(shape, dtype=dtype_or_default(dtype)), requires_grad)


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

    >>> import minigrad
    >>> minigrad.normal(minigrad.zeros(2), minigrad.tensor([0.1, 10.0])).shape
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
    return made(_generator(generator, device).normal(tuple(size), mean, std, dtype_or_default(dtype)), False)


# --------------------------------------------------------------------------------------------------------------
# Whole numbers


def randint(
    low: int = 0,
    high: Any = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw integers from ``low`` (0 if left out) to ``high - 1``: ``randint(10, (3,))``, ``randint(5, 10, (3,))``."""
    if size is None and isinstance(high, Sequence):
        low, high, size = 0, low, high
    if high is None and isinstance(size, Sequence):  # randint(10, size=(3,))
        low, high = 0, low
    if not isinstance(size, Sequence) or isinstance(high, (float, type(None))):
        raise TypeError("randint: expected randint(high, size) or randint(low, high, size), with the shape as a tuple")
    low, high = operator.index(low), operator.index(high)
    if high <= low:
        raise RuntimeError(f"randint: expected low < high, got {low} and {high}")
    drawn = _generator(generator, device).integers(low, high, tuple(size))
    return made(drawn if dtype is None else drawn.astype(checked_dtype(dtype)), requires_grad)


def randint_like(
    input: Tensor,
    low: int = 0,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw integers from ``low`` (0 if left out) to ``high - 1``, in shape, dtype and place of ``input``."""
    low, high = (0, low) if high is None else (low, high)
    options: Any = dict(dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)
    return randint(low, high, tuple(input.shape), generator=generator, **options)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return 0 ... n-1 in random order."""
    if n < 0:
        raise RuntimeError(f"randperm: expected n >= 0, got {n}")
    drawn = _generator(generator, device).permutation(n)
    return made(drawn if dtype is None else drawn.astype(checked_dtype(dtype)), requires_grad, device)
