"""The two ways in which transforms make new pixels of old ones: along rows and columns, and at any places.

*Along rows and columns*: each new row is a weighted mean of old rows, and each new column of old columns, so a whole
image is two matrix products, ``R x C^T``. Resizing, cutting out a box and resizing it, and blurring are of this kind;
they differ in the matrices. For a batch each image may have its own, and the product is still one call.

*At any places*: for each new pixel a place in the old image, at which it is read off. Rotations, affine maps and
changes of perspective are of this kind; a 3 x 3 matrix in homogeneous coordinates says where the places are.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import tensor_of
from minigrad.backend import array_module
from minigrad.nn.functional import grid_sample
from minigrad.tensor import Tensor
from minigrad.transforms.images import channel_values, constant

Matrix = np.ndarray[Any, Any]


class InterpolationMode(Enum):
    """How a value between pixels is found. The names ``"nearest"``, ``"bilinear"`` ... are accepted in its place."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


def interpolation_mode(name: str, mode: InterpolationMode | str, allowed: Sequence[str] | None = None) -> str:
    """Return the name of a mode that is among the allowed ones."""
    known = allowed or [mode.value for mode in InterpolationMode]
    value = mode.value if isinstance(mode, InterpolationMode) else mode
    if value not in known:
        raise ValueError(f"{name}: expected interpolation to be one of {', '.join(map(repr, known))}, got {value!r}")
    return value


# --------------------------------------------------------------------------------------------------------------
# Along rows and columns


def along_rows_and_columns(img: Tensor, rows: Matrix, columns: Matrix) -> Tensor:
    """Return R x C^T for images x (N, C, H, W), matrices R (k, h, H) and C (k, w, W), k = 1 or N: (N, C, h, w)."""
    r, c = constant(img, rows), constant(img, columns.swapaxes(-1, -2))
    if len(c) == 1:
        y = ops.matmul(img, c[0])  # all rows of all images in one product
    else:
        y = ops.matmul(img, c[:, None])
    return ops.matmul(r[:, None], y)


def resizing(n: int, out: int, start: Matrix, length: Matrix, mode: str) -> Matrix:
    """Return the weights (k, out, n) that make ``out`` pixels of those from ``start`` to ``start + length`` of n.

    A new pixel covers s = length / out old ones. ``"bilinear"`` and ``"bicubic"`` weigh the old pixels by a hat or a
    cubic (Keys, 1981, with a = -1/2) around its centre, stretched by s if that is above 1: when an image is made
    smaller every old pixel counts, and fine patterns turn grey instead of into other patterns.
    """
    start, length = start.reshape(-1, 1, 1), length.reshape(-1, 1, 1)
    pixels = np.arange(n)
    s = length / out
    if mode.startswith("nearest"):  # in float32, which decides ties, as PyTorch does
        place = (np.arange(out, dtype=np.float32)[:, None] + np.float32(mode == "nearest-exact") / 2) * s.astype("f")
        return (pixels == start + np.minimum(np.floor(place), length - 1)).astype(np.float64)
    centre = start + (np.arange(out)[:, None] + 0.5) * s
    distance = np.abs(pixels + 0.5 - centre) / np.maximum(s, 1.0)
    weights = np.maximum(1 - distance, 0.0) if mode == "bilinear" else _cubic(distance)
    weights *= (start <= pixels) & (pixels < start + length)
    return weights / weights.sum(-1, keepdims=True)


def _cubic(x: Matrix, a: float = -0.5) -> Matrix:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def blurring(n: int, kernel_size: int, sigma: Matrix) -> Matrix:
    """Return the weights (k, n, n) of a Gaussian window of ``kernel_size`` pixels, for k values of sigma.

    Beyond the edge the pixels count that are as far within it.
    """
    offsets = np.arange(kernel_size) - (kernel_size - 1) / 2
    window = np.exp(-0.5 * (offsets / sigma.reshape(-1, 1)) ** 2)
    window /= window.sum(-1, keepdims=True)
    places = np.arange(n)
    matrix = np.zeros((len(window), n, n))
    for offset, weight in zip(range(-(kernel_size // 2), kernel_size // 2 + 1), window.T):
        matrix[:, places, reflected(places + offset, n)] += weight[:, None]
    return matrix


def reflected(places: Matrix, n: int, edge_twice: bool = False) -> Matrix:
    """Return the pixels 0 ... n-1 that places outside mirror, the pixel at the edge itself once or twice."""
    period = 2 * n if edge_twice else max(2 * n - 2, 1)
    places = places % period
    return np.minimum(places, period - edge_twice - places)


# --------------------------------------------------------------------------------------------------------------
# At any places


def at_places(
    name: str, img: Tensor, matrix: Matrix, size: tuple[int, int], mode: str, fill: float | Sequence[float] | None
) -> Tensor:
    """Return images (N, C, H, W) read off at the places that matrices (k, 3, 3), k = 1 or N, give for new pixels.

    Places (x, y) are in pixels and measured from the middle, of the new image before and of the old one after the
    matrix. Outside is ``fill``: one number, or one for each channel.

    Notes
    -----
    A pixel at the edge that is half outside is half ``fill``. (torchvision weighs the inside twice there, by 1/4 in
    this case, which leaves a seam even if image and ``fill`` have the same colour.)
    """
    n, channels, h, w = img.shape
    if n == 0:
        return ops.reshape(img, (0, channels, *size))
    xp = array_module(img.array)
    x, y = np.arange(size[1]) - (size[1] - 1) / 2, np.arange(size[0]) - (size[0] - 1) / 2
    points = xp.asarray(np.stack([*np.meshgrid(x, y), np.ones(size)], -1).reshape(-1, 3))
    to_units = np.array([[2 / w], [2 / h], [1.0]])  # grid_sample counts from -1 at one edge to 1 at the other
    places = points @ xp.asarray((matrix * to_units).swapaxes(-1, -2))
    grid = places[..., :2] if (matrix[:, 2] == [0, 0, 1]).all() else places[..., :2] / places[..., 2:]
    grid = xp.broadcast_to(grid.astype(img.dtype).reshape(len(matrix), *size, 2), (n, *size, 2))
    fills = None if fill is None else channel_values(name, "fill", fill, channels)
    if fills is None or not fills.any():
        return grid_sample(img, tensor_of(grid), mode, align_corners=False)
    outside = constant(img, fills)  # how far is a pixel from it? By as much as it is inside.
    return grid_sample(img - outside, tensor_of(grid), mode, align_corners=False) + outside
