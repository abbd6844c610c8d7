"""Modules that only rearrange."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from minigrad.nn.module import Module
from minigrad.ops.shape import flatten, unflatten
from minigrad.tensor import Tensor

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Join the dimensions from ``start_dim`` to ``end_dim``, both included: all but the batch, if not told otherwise.

    >>> import minigrad
    >>> minigrad.nn.Flatten()(minigrad.zeros(32, 1, 5, 5)).shape
    minigrad.Size([32, 25])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return flatten(input, self.start_dim, self.end_dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split dimension ``dim`` into ``unflattened_size``; one of its entries may be -1.

    >>> import minigrad
    >>> minigrad.nn.Unflatten(1, (2, 5, 5))(minigrad.zeros(32, 50)).shape
    minigrad.Size([32, 2, 5, 5])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if isinstance(dim, str):
            raise TypeError(f"Unflatten: named dimensions are not supported, got {dim!r}; give the dimension's number")
        if not isinstance(unflattened_size, (tuple, list)):
            got = type(unflattened_size).__name__
            raise TypeError(f"Unflatten: expected unflattened_size as a tuple of integers, got {got}")
        try:
            list(map(operator.index, unflattened_size))
        except TypeError:
            raise TypeError(f"Unflatten: expected a tuple of integers, got {unflattened_size}") from None
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return unflatten(input, self.dim, self.unflattened_size)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
