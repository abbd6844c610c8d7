"""What all transforms ask of an image, and numbers that may differ from image to image of a batch."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.backend import array_module
from minigrad.tensor import Tensor

Numbers = Any  # a number, or an array of N numbers: one for each image of a batch


def check_image(name: str, img: Any) -> Tensor:
    """Return ``img`` if it is an image (C, H, W) or a batch (N, C, H, W) of numbers."""
    if not isinstance(img, Tensor):
        raise TypeError(
            f"{name}: expected a Tensor (C, H, W) or (N, C, H, W), got {type(img).__name__}; transforms.ToTensor() "
            "makes one of an array (H, W, C)"
        )
    if img.ndim not in (3, 4):
        hint = "; one grey image (H, W) is x.unsqueeze(0)" if img.ndim == 2 else ""
        raise TypeError(f"{name}: expected an image (C, H, W) or a batch (N, C, H, W), got {tuple(img.shape)}{hint}")
    if img.dtype.kind not in "fui":
        raise TypeError(f"{name}: expected floating or integer pixels, got {img.dtype}; convert them: x.float()")
    return img


def on_images(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make of a function of a batch (N, C, H, W) one that takes single images too and refuses what is neither."""

    @functools.wraps(function)
    def checked(img: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_image(function.__name__, img)
        if img.ndim == 4:
            return function(img, *args, **kwargs)
        return ops.squeeze(function(ops.unsqueeze(img, 0), *args, **kwargs), 0)

    return checked


def in_float(img: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``compute(img)``; of integers, its nearest values in their range."""
    if img.dtype.kind == "f":
        return compute(img)
    result, limits = compute(img.to(np.dtype("float32"))), np.iinfo(img.dtype)
    return ops.clamp(ops.round_(result), float(limits.min), float(limits.max)).to(img.dtype)


def per_image(name: str, argument: str, value: Numbers, img: Tensor, width: int | None = None) -> np.ndarray[Any, Any]:
    """Return ``value`` as (1,) or (N,) floats, or as rows of ``width`` of them: for all images, or one for each.

    Raises
    ------
    ValueError
        If their number is neither 1 nor that of the images.
    """
    array = np.asarray(value, np.float64)
    array = array.reshape(-1) if width is None else array.reshape(-1, width) if array.size % width == 0 else array
    if array.ndim != (1 if width is None else 2) or len(array) not in (1, len(img)):
        wanted = "a number" if width is None else f"{width} numbers"
        raise ValueError(f"{name}: expected {wanted} as {argument}, or as many as there are images, got {value!r}")
    return array


def constant(img: Tensor, values: np.ndarray[Any, Any]) -> Any:
    """Return host numbers as an array of the dtype and on the device of ``img``."""
    return array_module(img.array).asarray(values, img.dtype)


def pair(name: str, argument: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of one number for both, or of two."""
    both = (value, value) if isinstance(value, (int, np.integer)) else tuple(value)
    if len(both) == 1:
        both *= 2
    if len(both) != 2 or min(both) < 1:
        raise ValueError(f"{name}: expected {argument} to be one or two numbers of at least 1, got {value!r}")
    return int(both[0]), int(both[1])


def channel_values(name: str, argument: str, value: float | Sequence[float], channels: int) -> np.ndarray[Any, Any]:
    """Return one number for all channels or one for each, as (1, 1, 1) or (C, 1, 1)."""
    array = np.asarray(value, np.float64).reshape(-1, 1, 1)
    if len(array) not in (1, channels):
        raise ValueError(
            f"{name}: expected {argument} as one number or {channels}, one for each channel, got {value!r}"
        )
    return array


def brightest(img: Tensor) -> float:
    """Return what counts as white: 1 for floating pixels, the largest number for integers."""
    return 1.0 if img.dtype.kind == "f" else float(np.iinfo(img.dtype).max)


def check_range(
    name: str, argument: str, value: Sequence[float], low: float = -math.inf, high: float = math.inf
) -> tuple[float, float]:
    """Return two numbers in order, both between ``low`` and ``high``."""
    if isinstance(value, (int, float)) or len(value) != 2 or not low <= value[0] <= value[1] <= high:
        within = f" between {low:g} and {high:g}" if math.isfinite(low + high) else f" of at least {low:g}"
        within = within if low > -math.inf else ""
        raise ValueError(f"{name}: expected {argument} as (min, max) in this order{within}, got {value!r}")
    return value[0], value[1]
