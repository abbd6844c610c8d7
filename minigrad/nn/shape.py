"""Modules that only rearrange."""

from __future__ import annotations

from minigrad.nn.module import Module
from minigrad.ops.shape import flatten
from minigrad.tensor import Tensor

__all__ = ["Flatten"]


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
