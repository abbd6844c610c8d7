"""How light the pixels are and of which colour; blurring them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.tensor import Tensor
from minigrad.transforms.functional.conversion import convert_image_dtype
from minigrad.transforms.images import Numbers, brightest, constant, in_float, on_images, pair, per_image
from minigrad.transforms.resampling import along_rows_and_columns, blurring

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "gaussian_blur",
    "invert",
    "rgb_to_grayscale",
    "solarize",
]

_FLOAT32 = np.dtype("float32")


@on_images
def rgb_to_grayscale(img: Tensor, num_output_channels: int = 1) -> Tensor:
    """Return 0.2989 R + 0.587 G + 0.114 B, how light a colour looks, in 1 or 3 equal channels."""
    _check_channels("rgb_to_grayscale", img)
    if num_output_channels not in (1, 3):
        raise ValueError(f"rgb_to_grayscale: expected num_output_channels of 1 or 3, got {num_output_channels}")
    grey = _grey(img).to(img.dtype)
    return grey if num_output_channels == 1 else ops.expand(grey, (-1, 3, -1, -1))


def _grey(img: Tensor) -> Tensor:
    if img.shape[1] == 1:
        return img
    red, green, blue = _channels(img)
    grey = 0.2989 * red + 0.587 * green + 0.114 * blue
    return ops.trunc(grey) if img.dtype.kind != "f" else grey


def _channels(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three channels (N, 1, H, W), in floats."""
    x = img if img.dtype.kind == "f" else img.to(_FLOAT32)
    return x[:, 0:1], x[:, 1:2], x[:, 2:3]


def _check_channels(name: str, img: Tensor) -> None:
    if img.shape[1] not in (1, 3):
        raise ValueError(f"{name}: expected 1 (grey) or 3 (red, green, blue) channels, got {img.shape[1]}")


# --------------------------------------------------------------------------------------------------------------
# Between an image and one that lacks something: f image + (1 - f) lacking


def _blend(name: str, img: Tensor, lacking: Tensor | float, factor: Numbers) -> Tensor:
    """Return f image + (1 - f) lacking, cut off at black and white; above f = 1 it leads away from what it lacks."""
    factors = per_image(name, name.replace("adjust_", "") + "_factor", factor, img)
    if not (factors >= 0).all():
        raise ValueError(f"{name}: expected a factor of at least 0, got {factor!r}")
    x = img if img.dtype.kind == "f" else img.to(_FLOAT32)
    f = constant(x, factors.reshape(-1, 1, 1, 1))
    y = x * f if isinstance(lacking, float) else x * f + lacking * (1 - f)
    return ops.clamp(y, 0.0, brightest(img)).to(img.dtype)


@on_images
def adjust_brightness(img: Tensor, brightness_factor: Numbers) -> Tensor:
    """Return the image between black (factor 0), itself (1) and lighter (2 is twice as light)."""
    return _blend("adjust_brightness", img, 0.0, brightness_factor)


@on_images
def adjust_contrast(img: Tensor, contrast_factor: Numbers) -> Tensor:
    """Return the image between its mean grey everywhere (factor 0), itself (1) and harder."""
    _check_channels("adjust_contrast", img)
    grey = _grey(img)
    mean = ops.mean(grey if grey.dtype.kind == "f" else grey.to(_FLOAT32), (1, 2, 3), True)
    return _blend("adjust_contrast", img, mean, contrast_factor)


@on_images
def adjust_saturation(img: Tensor, saturation_factor: Numbers) -> Tensor:
    """Return the image between grey (factor 0), itself (1) and more colourful. A grey image stays as it is."""
    _check_channels("adjust_saturation", img)
    return img if img.shape[1] == 1 else _blend("adjust_saturation", img, _grey(img), saturation_factor)


@on_images
def adjust_hue(img: Tensor, hue_factor: Numbers) -> Tensor:
    """Return the image with its colours moved around the colour wheel by a share of it, from -1/2 to 1/2.

    A third makes red green, green blue and blue red. A grey image stays as it is.

    Examples
    --------
    >>> import minigrad
    >>> red = minigrad.tensor([[[1.0]], [[0.0]], [[0.0]]])
    >>> adjust_hue(red, 1 / 3).reshape(3).round().tolist()
    [0.0, 1.0, 0.0]
    """
    factors = per_image("adjust_hue", "hue_factor", hue_factor, img)
    if not (np.abs(factors) <= 0.5).all():
        raise ValueError(f"adjust_hue: expected a hue_factor between -0.5 and 0.5, got {hue_factor!r}")
    _check_channels("adjust_hue", img)
    if img.shape[1] == 1:
        return img
    x = img if img.dtype.kind == "f" else convert_image_dtype(img, _FLOAT32)
    red, green, blue = _channels(x)
    light = ops.maximum(ops.maximum(red, green), blue)
    chroma = light - ops.minimum(ops.minimum(red, green), blue)
    divisor = ops.where(chroma == 0, 1.0, chroma)
    # Where on the wheel, in sixths: red is at 0, green at 2, blue at 4. The lightest channel says which third.
    sixths = ops.where(
        light == red,
        (green - blue) / divisor,
        ops.where(light == green, (blue - red) / divisor + 2.0, (red - green) / divisor + 4.0),
    )
    sixths = sixths + constant(x, 6 * factors.reshape(-1, 1, 1, 1))
    # Each channel is darker than the lightest one by as much as it is far from its own place on the wheel.
    away = [ops.remainder(sixths + float(k), 6.0) for k in (5, 3, 1)]
    channels = [light - chroma * ops.clamp(ops.minimum(d, 4.0 - d), 0.0, 1.0) for d in away]
    return convert_image_dtype(ops.cat(channels, 1), img.dtype)


@on_images
def adjust_gamma(img: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """Return gain x^gamma for x from 0 to 1: above 1 dark parts get darker, below 1 lighter."""
    if gamma < 0:
        raise ValueError(f"adjust_gamma: expected a gamma of at least 0, got {gamma}")
    x = convert_image_dtype(img, img.dtype if img.dtype.kind == "f" else _FLOAT32)
    return convert_image_dtype(ops.clamp(gain * x**gamma, 0.0, 1.0), img.dtype)


@on_images
def invert(img: Tensor) -> Tensor:
    """Return the negative: white minus the image."""
    white = brightest(img)
    return (white if img.dtype.kind == "f" else int(white)) - img


@on_images
def solarize(img: Tensor, threshold: float) -> Tensor:
    """Return the image with the pixels from ``threshold`` on inverted."""
    if threshold > brightest(img):
        raise TypeError(f"solarize: expected a threshold up to {brightest(img):g}, got {threshold}")
    return ops.where(img >= threshold, invert(img), img)


# --------------------------------------------------------------------------------------------------------------
# Blur


@on_images
def gaussian_blur(
    img: Tensor, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | Any | None = None
) -> Tensor:
    """Return the image with each pixel a mean of those around it, weighted by a Gaussian bell.

    Parameters
    ----------
    kernel_size : int or sequence of int
        (width, height) of the window: odd numbers.
    sigma : number, pair of numbers or (N, 2) numbers, optional
        The standard deviation of the bell along x and y, in pixels; by default 0.15 kernel_size + 0.35. In a batch,
        rows of pairs: one for each image.

    Notes
    -----
    Beyond its edge the image is mirrored, so at most kernel_size // 2 < height, width.
    """
    width, height = _odd("gaussian_blur", kernel_size)
    if sigma is None:
        sigma = (0.15 * width + 0.35, 0.15 * height + 0.35)
    deviations = np.asarray(sigma, np.float64)
    if deviations.size == 1:
        deviations = np.full(2, deviations.item())
    deviations = per_image("gaussian_blur", "sigma", deviations, img, 2)
    if not (deviations > 0).all():
        raise ValueError(f"gaussian_blur: expected a sigma above 0, got {sigma!r}")
    h, w = (int(n) for n in img.shape[2:])
    if height // 2 >= h or width // 2 >= w:
        raise ValueError(f"gaussian_blur: a window of {height} x {width} pixels reaches over an image of {h} x {w}")
    columns, rows = blurring(w, width, deviations[:, 0]), blurring(h, height, deviations[:, 1])
    return in_float(img, lambda x: along_rows_and_columns(x, rows, columns))


def _odd(name: str, kernel_size: int | Sequence[int]) -> tuple[int, int]:
    both = pair(name, "kernel_size", kernel_size)
    if not (both[0] % 2 and both[1] % 2):
        raise ValueError(f"{name}: expected kernel_size of odd numbers, got {kernel_size!r}")
    return both
