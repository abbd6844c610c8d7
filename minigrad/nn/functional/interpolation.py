"""Resizing and sampling images as functions."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import TensorBase
from minigrad.backend import array_module
from minigrad.nn.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from minigrad.ops.window import sizes
from minigrad.tensor import Tensor

__all__ = ["affine_grid", "grid_sample", "interpolate"]

_SMOOTH = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}  # and for how many dimensions


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize (N, C, L), (N, C, H, W) or (N, C, D, H, W) in all dimensions but the first two.

    An image covers an area; pixel i of it is the square from i to i + 1, with its centre at i + 1/2. The value at a
    centre of the new image is read off the old one at the same place.

    Parameters
    ----------
    size, scale_factor : number or sequence of numbers
        The new size, or by what to multiply the old one (and round down): one of the two.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"}
        The pixel that the new pixel's corner lies in, or its centre (exact); means of the 2 pixels around it along
        each of 1, 2 or 3 dimensions; a cubic through 4 (Keys, "Cubic convolution interpolation for digital image
        processing", 1981, with a = -3/4); the mean over its area.
    align_corners : bool, optional
        Whether the centres of the corner pixels fall on each other, instead of the corners of the images.
    recompute_scale_factor : bool, optional
        Whether a ``scale_factor`` only gives the new size, and the places come from the two sizes.
    antialias : bool
        Not in minigrad: ``mode="area"`` takes all pixels into account.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([[[0.0, 4.0]]])
    >>> minigrad.nn.functional.interpolate(x, scale_factor=2, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    """
    if not isinstance(input, TensorBase):
        raise TypeError(f"interpolate: expected a Tensor, got {type(input).__name__}; minigrad.tensor(x) makes one")
    dims = len(input.shape) - 2
    if antialias:
        raise NotImplementedError(
            "interpolate: antialias is not in minigrad; mode='area' takes all pixels into account"
        )
    if mode not in ("nearest", "nearest-exact", "area", *_SMOOTH) or dims not in (1, 2, 3):
        raise NotImplementedError(
            "interpolate: expected input (N, C, L), (N, C, H, W) or (N, C, D, H, W) and mode 'nearest', "
            f"'nearest-exact', 'area', {', '.join(map(repr, _SMOOTH))}, got {tuple(input.shape)} and {mode!r}"
        )
    if _SMOOTH.get(mode, dims) != dims:
        raise NotImplementedError(
            f"interpolate: mode {mode!r} takes inputs of {_SMOOTH[mode] + 2} dimensions, got {tuple(input.shape)}"
        )
    if mode not in _SMOOTH and align_corners is not None:
        raise ValueError(f"interpolate: align_corners is for the modes {', '.join(_SMOOTH)}, not for {mode!r}")
    old = tuple(input.shape[2:])
    new, scales = _sizes(old, size, scale_factor, recompute_scale_factor)
    if min(old + new) < 1:
        raise RuntimeError(f"interpolate: expected sizes of at least 1, got {old} to be made {new}")
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1](input, new)
    for d, (n, m, scale) in enumerate(zip(old, new, scales)):
        # Where a factor such as 1.1 does not change the size, PyTorch changes nothing in most modes, though not in all.
        if n == m and (scale in (None, 1.0) or mode.endswith("linear") or (dims == 2 and mode != "bicubic")):
            continue
        if mode not in _SMOOTH:
            input = ops.take_rising(input, _nearest(n, m, scale, mode == "nearest-exact"), d - dims)
        elif input.dtype.kind == "f":
            input = ops.resample(input, _weights(n, m, scale, bool(align_corners), mode == "bicubic"), d - dims)
        else:
            raise NotImplementedError(f"interpolate: mode {mode!r} needs a floating input, got {input.dtype}")
    return input


def _sizes(
    old: tuple[int, ...],
    size: int | Sequence[int] | None,
    scale_factor: float | Sequence[float] | None,
    recompute: bool | None,
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Return the new size, and for each dimension the step from one new pixel to the next if it is not old / new."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: expected either size or scale_factor, got both or neither")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor goes with scale_factor; a size says all")
        if isinstance(size, Sequence) and len(size) != len(old):
            raise ValueError(f"interpolate: expected {len(old)} numbers as size for an input of {old}, got {size}")
        return sizes("interpolate", "size", size, len(old), 0), (None,) * len(old)
    factors = tuple(scale_factor) if isinstance(scale_factor, Sequence) else (scale_factor,) * len(old)
    if len(factors) != len(old):
        raise ValueError(
            f"interpolate: expected {len(old)} numbers as scale_factor for an input of {old}, got {factors}"
        )
    new = tuple(math.floor(n * f) for n, f in zip(old, factors))  # type: ignore[operator]
    return new, tuple(None if recompute else 1.0 / f for f in factors)  # type: ignore[operator]


@functools.lru_cache(maxsize=64)
def _nearest(n: int, m: int, scale: float | None, exact: bool) -> Any:
    """Return for each of m pixels the one of n that is nearest; in float32, which decides ties, as PyTorch does."""
    step = np.float32(n) / np.float32(m) if scale is None else np.float32(scale)
    places = (np.arange(m, dtype=np.float32) + np.float32(0.5 if exact else 0.0)) * step
    return np.minimum(np.floor(places).astype(np.int64), n - 1)


@functools.lru_cache(maxsize=64)
def _weights(n: int, m: int, scale: float | None, align_corners: bool, cubic: bool) -> Any:
    """Return the matrix (m, n) of the weights with which m pixels are made of n."""
    if align_corners:
        place = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        place = (np.arange(m) + 0.5) * (n / m if scale is None else scale) - 0.5
        if not cubic:
            place = np.maximum(place, 0.0)
    first = np.floor(place).astype(np.int64)
    t = place - first
    if cubic:
        weights = {k - 1: _cubic(np.abs(t - (k - 1))) for k in range(4)}
    else:
        weights = {0: 1 - t, 1: t}
    matrix = np.zeros((m, n))
    for k, w in weights.items():
        np.add.at(matrix, (np.arange(m), np.clip(first + k, 0, n - 1)), w)  # beyond the edge the edge counts
    return matrix


def _cubic(x: Any, a: float = -0.75) -> Any:
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, far)


# --------------------------------------------------------------------------------------------------------------
# Sampling anywhere


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Return the places (N, H, W, 2) to which matrices theta (N, 2, 3) map the pixels of an image (N, C, H, W).

    Places are (x, y), from -1 at the left and top to 1 at the right and bottom: at the centres of the corner pixels
    with ``align_corners``, else at their outer edges. For :func:`grid_sample`; volumes have theta (N, 3, 4).
    """
    dims = len(size) - 2
    if dims not in (2, 3) or tuple(theta.shape) != (size[0], dims, dims + 1):
        raise ValueError(
            "affine_grid: expected theta (N, 2, 3) with size (N, C, H, W), or (N, 3, 4) with (N, C, D, H, W), got "
            f"{tuple(theta.shape)} and {tuple(size)}"
        )
    xp = array_module(theta.array)
    axes = []
    for n in size[2:]:
        edge = 1.0 if align_corners else (n - 1) / n
        axes.append(np.linspace(-edge, edge, n) if n > 1 else np.zeros(n))
    grid = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(tuple(size[2:]))], -1)
    places = xp.asarray(grid.reshape(-1, dims + 1), theta.dtype)
    return ops.reshape(ops.matmul(places, ops.transpose(theta, 1, 2)), (size[0], *size[2:], dims))


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Read images (N, C, H, W) off at the places (x, y) of a grid (N, height, width, 2): (N, C, height, width).

    Places are as in :func:`affine_grid`. Gradients go to the images and, if bilinear, to the places. Jaderberg et al.,
    "Spatial transformer networks", 2015.

    Parameters
    ----------
    mode : {"bilinear", "nearest"}
        The mean of the four pixels around a place, or the nearest one.
    padding_mode : {"zeros", "border"}
        What lies outside: nothing, or the nearest pixel of the edge.
    """
    if mode not in ("bilinear", "nearest") or padding_mode not in ("zeros", "border"):
        raise NotImplementedError(
            "grid_sample: expected mode 'bilinear' or 'nearest' and padding_mode 'zeros' or 'border' (bicubic and "
            f"reflection are not in minigrad), got {mode!r} and {padding_mode!r}"
        )
    if len(input.shape) != 4 or len(grid.shape) != 4 or grid.shape[0] != input.shape[0] or grid.shape[3] != 2:
        raise RuntimeError(
            f"grid_sample: expected input (N, C, H, W) and grid (N, height, width, 2), got {tuple(input.shape)} and "
            f"{tuple(grid.shape)}"
        )
    h, w = input.shape[2:]
    places = []
    for k, size in ((0, w), (1, h)):  # from -1 ... 1 to pixels
        u = grid[..., k]
        u = (u + 1) * ((size - 1) / 2) if align_corners else ((u + 1) * size - 1) * 0.5
        places.append(ops.clamp(u, 0.0, size - 1.0) if padding_mode == "border" else u)
    found: Tensor = (ops.bilinear if mode == "bilinear" else ops.nearest_pixel)(input, ops.stack(places, -1))
    return found.contiguous()
