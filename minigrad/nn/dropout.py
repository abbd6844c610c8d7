"""Dropout: noise in training that a network learns not to mind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    """Drop in training, pass on in evaluation; a subclass says what is dropped."""

    function: ClassVar[Callable[..., Any]]  # of nn.functional

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"{type(self).__name__}: expected a probability between 0 and 1, got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return type(self).function(input, self.p, self.training, self.inplace)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
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

    function = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """:class:`Dropout` of whole channels of (N, C, L) or (C, L): neighbours are too alike to be dropped one by one.

    Tompson et al., "Efficient object localization using convolutional networks", 2015.
    """

    function = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """:class:`Dropout` of whole channels of images (N, C, H, W); see :class:`Dropout1d`."""

    function = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """:class:`Dropout` of whole channels of volumes (N, C, D, H, W) or (C, D, H, W); see :class:`Dropout1d`."""

    function = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """In training, set entries to SELU's lowest value with probability ``p``, and keep mean 0 and variance 1.

    For networks of SELU, whose outputs have that mean and variance. Klambauer et al., "Self-normalizing neural
    networks", 2017.
    """

    function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """:class:`AlphaDropout` of whole channels of (N, C, ...)."""

    function = staticmethod(F.feature_alpha_dropout)
