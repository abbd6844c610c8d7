"""Distances and similarities of vectors, as modules."""

from __future__ import annotations

from minigrad.nn.functional import cosine_similarity, pairwise_distance
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """x1 . x2 / (|x1| |x2|) along ``dim``: 1 for the same direction, -1 for the opposite one; norms count at least eps.

    >>> import minigrad
    >>> minigrad.nn.CosineSimilarity()(minigrad.tensor([[2.0, 0.0]]), minigrad.tensor([[-3.0, 0.0]]))
    tensor([-1.])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        for x in (x1, x2):
            if not isinstance(x, Tensor):
                raise self._not_a_tensor(x)
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last dimension."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        for x in (x1, x2):
            if not isinstance(x, Tensor):
                raise self._not_a_tensor(x)
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
