"""Op sheet: all pairs, all combinations, all powers. Made of expanding, stacking and indexing."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from minigrad.backend import array_module
from minigrad.ops.elementwise import mul
from minigrad.ops.indexing import getitem, raw
from minigrad.ops.op import broadcast_to
from minigrad.ops.shape import ravel, reshape, stack, transpose


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Return the coordinates of all points of a grid whose axes are given: one tensor for each axis, all views.

    The first axis runs along dimension 0; with ``indexing="xy"``, as in a plot, along dimension 1.

    >>> import minigrad
    >>> x, y = minigrad.meshgrid(minigrad.arange(3), minigrad.arange(2), indexing="xy")
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [0, 1, 2]], [[0, 0, 0], [1, 1, 1]])
    """
    axes = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: expected indexing 'ij' or 'xy', got {indexing!r}")
    if any(len(x.shape) > 1 or x.dtype != axes[0].dtype for x in axes):
        got = ", ".join(f"{tuple(x.shape)} {x.dtype}" for x in axes)
        raise RuntimeError(f"meshgrid: expected vectors of one dtype, got {got}")
    shape = tuple(math.prod(x.shape) for x in axes)
    n = len(axes)
    grids = [broadcast_to(reshape(x, (-1,) + (1,) * (n - k - 1)), shape) for k, x in enumerate(axes)]
    return tuple(grids if indexing == "ij" or n < 2 else [transpose(grid, 0, 1) for grid in grids])


def cartesian_prod(*tensors: Any) -> Any:
    """Return all ways to take one entry of each vector, one in each row."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(grid) for grid in meshgrid(*tensors)], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """Return all ways to choose ``r`` entries of a vector, each once or with repeats, one in each row.

    >>> import minigrad
    >>> minigrad.combinations(minigrad.tensor([5, 6, 7])).tolist()
    [[5, 6], [5, 7], [6, 7]]
    """
    if len(input.shape) != 1 or r < 0:
        raise RuntimeError(f"combinations: expected a vector and r >= 0, got shape {tuple(input.shape)} and r={r}")
    if r == 0:
        return getitem(input, slice(0))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    chosen = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return getitem(input, array_module(raw(input)).asarray(chosen))


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of a vector as columns, ``N`` of them: x^(N-1), ..., x, 1, or from 1 on if ``increasing``."""
    if len(x.shape) != 1:
        raise RuntimeError(f"vander: expected a vector, got shape {tuple(x.shape)}")
    n = x.shape[0] if N is None else N
    if n <= 0:
        return getitem(stack([x], 1), (slice(None), slice(0)))
    powers = [x * 0 + 1]
    for _ in range(n - 1):
        powers.append(mul(powers[-1], x))
    return stack(powers if increasing else powers[::-1], 1)
