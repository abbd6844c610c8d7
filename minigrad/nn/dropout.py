"""Dropout: noise in training that a network learns not to mind."""

from __future__ import annotations

from minigrad.nn.functional import dropout
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, set each entry to 0 with probability ``p`` and multiply the others by 1 / (1 - p).

    In evaluation it does nothing: thanks to the factor the expected value is the same in both modes. Srivastava et
    al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Raises
    ------
    ValueError
        ``p`` is not between 0 and 1.

    Examples
    --------
    >>> import minigrad
    >>> layer = minigrad.nn.Dropout(0.2).eval()
    >>> layer(minigrad.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: expected a probability between 0 and 1, got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
