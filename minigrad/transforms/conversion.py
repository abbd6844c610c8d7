"""Transforms between kinds of data; they draw nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.nn import Module
from minigrad.tensor import Tensor
from minigrad.transforms import functional as F

__all__ = ["ConvertImageDtype", "Lambda", "Normalize", "ToTensor"]


class ToTensor:
    """Make a tensor (C, H, W) of floats from 0 to 1 of an array (H, W, C) of bytes, or of a PIL image.

    Arrays of other numbers keep them. See :func:`~minigrad.transforms.functional.to_tensor`.
    """

    takes_batches = True

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class ConvertImageDtype(Module):
    """Convert an image to another dtype, with white as white: 255 in bytes is 1.0 in floats."""

    takes_batches = True

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = np.dtype(dtype)

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(Module):
    """Subtract the mean of each channel and divide by its standard deviation, both as you give them.

    Parameters
    ----------
    mean, std : sequence of float
        One for each channel, or one for all.
    inplace : bool
        Whether to write into the image that comes in.
    """

    takes_batches = True

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def extra_repr(self) -> str:
        return f"mean={self.mean}, std={self.std}"


class Lambda:
    """Apply a function of your own."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"
