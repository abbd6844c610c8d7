"""Where the pixels are: mirrored, cut out, bordered, resized, rotated and seen from the side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import nn, ops
from minigrad.backend import array_module
from minigrad.creation import as_tensor
from minigrad.tensor import Tensor
from minigrad.transforms.images import (
    Numbers,
    channel_values,
    in_float,
    on_images,
    pair,
    per_image,
)
from minigrad.transforms.resampling import (
    InterpolationMode,
    along_rows_and_columns,
    at_places,
    interpolation_mode,
    reflected,
    resizing,
)

__all__ = [
    "affine",
    "center_crop",
    "crop",
    "erase",
    "hflip",
    "pad",
    "perspective",
    "resize",
    "resized_crop",
    "rotate",
    "vflip",
]

_PLACES = ("nearest", "bilinear")
_MODES = {"edge": "replicate", "reflect": "reflect"}
NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


# --------------------------------------------------------------------------------------------------------------
# Mirrors, boxes and borders


@on_images
def hflip(img: Tensor) -> Tensor:
    """Return the image with left and right exchanged."""
    return ops.flip(img, (3,))


@on_images
def vflip(img: Tensor) -> Tensor:
    """Return the image upside down."""
    return ops.flip(img, (2,))


@on_images
def crop(img: Tensor, top: Numbers, left: Numbers, height: int, width: int) -> Tensor:
    """Return the box of ``height`` x ``width`` pixels whose first row is ``top`` and whose first column is ``left``.

    Outside of the image is 0. In a batch ``top`` and ``left`` may be N numbers.

    >>> import minigrad
    >>> crop(minigrad.arange(9).reshape(1, 3, 3), 1, 0, 2, 2).tolist()
    [[[3, 4], [6, 7]]]
    """
    if height < 1 or width < 1:
        raise ValueError(f"crop: expected a height and width of at least 1, got {height} x {width}")
    tops = per_image("crop", "top", top, img).astype(np.int64)
    lefts = per_image("crop", "left", left, img).astype(np.int64)
    h, w = img.shape[2:]
    border = (
        *(max(0, -int(lefts.min(initial=0))), max(0, int(lefts.max(initial=0)) + width - w)),
        *(max(0, -int(tops.min(initial=0))), max(0, int(tops.max(initial=0)) + height - h)),
    )
    if any(border):
        img = nn.functional.pad(img, border)
        lefts, tops = lefts + border[0], tops + border[2]
    if len(tops) == len(lefts) == 1:
        return img[:, :, tops[0] : tops[0] + height, lefts[0] : lefts[0] + width]
    xp = array_module(img.array)
    n, channels = img.shape[:2]
    rows = tops[:, None, None, None] + np.arange(height)[:, None]
    columns = lefts[:, None, None, None] + np.arange(width)
    index = (np.arange(n)[:, None, None, None], np.arange(channels)[:, None, None], rows, columns)
    return img[tuple(xp.asarray(part) for part in index)]


@on_images
def center_crop(img: Tensor, output_size: int | Sequence[int]) -> Tensor:
    """Return the box of this size in the middle; where the image is smaller, with a border of 0 around."""
    height, width = pair("center_crop", "output_size", output_size)
    h, w = img.shape[2:]
    if height > h or width > w:
        dx, dy = max(width - w, 0), max(height - h, 0)
        img = nn.functional.pad(img, (dx // 2, (dx + 1) // 2, dy // 2, (dy + 1) // 2))
        h, w = img.shape[2:]
    return crop(img, round((h - height) / 2), round((w - width) / 2), height, width)


@on_images
def pad(
    img: Tensor, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant"
) -> Tensor:
    """Put a border around an image.

    Parameters
    ----------
    padding : int or sequence of int
        The width on all sides, or (left and right, top and bottom), or (left, top, right, bottom).
    fill : number or sequence of numbers
        What the border is filled with, for all channels or for each.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}
        Fill with ``fill``, with the nearest pixel, or with the image's mirror image, in which the pixel at the edge
        is not repeated (reflect) or is (symmetric).

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([[[1, 2, 3]]])
    >>> for mode in ("constant", "edge", "reflect", "symmetric"):
    ...     print(pad(x, (2, 0), padding_mode=mode).tolist())
    [[[0, 0, 1, 2, 3, 0, 0]]]
    [[[1, 1, 1, 2, 3, 3, 3]]]
    [[[3, 2, 1, 2, 3, 2, 1]]]
    [[[2, 1, 1, 2, 3, 3, 2]]]
    """
    left, top, right, bottom = margins("pad", padding)
    border = (left, right, top, bottom)
    if padding_mode == "symmetric":
        h, w = img.shape[2:]
        if max(left, right) > w or max(top, bottom) > h or min(border) < 0:
            raise ValueError(f"pad: mode 'symmetric' mirrors at most the whole image of {h} x {w}, got {padding}")
        xp = array_module(img.array)
        rows = reflected(np.arange(-top, h + bottom), h, edge_twice=True)
        columns = reflected(np.arange(-left, w + right), w, edge_twice=True)
        return img[:, :, xp.asarray(rows)[:, None], xp.asarray(columns)]
    if padding_mode in _MODES:
        return nn.functional.pad(img, border, _MODES[padding_mode])
    if padding_mode != "constant":
        raise ValueError(
            f"pad: expected padding_mode 'constant', 'edge', 'reflect' or 'symmetric', got {padding_mode!r}"
        )
    fills = channel_values("pad", "fill", fill, int(img.shape[1])).reshape(-1).tolist()
    if len(fills) == 1:
        value = fills[0] if img.dtype.kind == "f" else int(fills[0])
        return nn.functional.pad(img, border, value=value)
    parts = [nn.functional.pad(img[:, c : c + 1], border, value=value) for c, value in enumerate(fills)]
    return ops.cat(parts, 1)


def margins(name: str, padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of one, two or four numbers."""
    widths = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(widths) not in (1, 2, 4) or not all(isinstance(width, int) for width in widths):
        raise ValueError(f"{name}: expected padding as 1, 2 or 4 integers, got {padding!r}")
    left, top, right, bottom = widths * (4 // len(widths))
    return left, top, right, bottom


@on_images
def erase(
    img: Tensor, i: Numbers, j: Numbers, h: Numbers, w: Numbers, v: Tensor | float, inplace: bool = False
) -> Tensor:
    """Return the image with ``v`` in the box from row i and column j on, of h x w pixels.

    ``v`` is one number, one for each channel (C, 1, 1), of the size of the box (C, h, w), or of that of the images. In
    a batch i, j, h, w may be N numbers.
    """
    boxes = [per_image("erase", name, x, img).astype(int) for name, x in zip("ijhw", (i, j, h, w))]
    whole = isinstance(v, Tensor) and v.ndim > 1 and v.shape[-2:] == img.shape[-2:]
    if all(len(box) == 1 for box in boxes) and not whole:
        top, left, height, width = (int(box[0]) for box in boxes)
        result = img if inplace else img.clone()
        result[:, :, top : top + height, left : left + width] = v
        return result
    t, l, height_, width_ = (box[:, None, None, None] for box in boxes)  # noqa: E741
    y, x = np.arange(img.shape[2])[:, None], np.arange(img.shape[3])
    inside = (t <= y) & (y < t + height_) & (l <= x) & (x < l + width_)
    mask = as_tensor(array_module(img.array).asarray(inside))
    result = ops.where(mask, v.to(img.dtype) if isinstance(v, Tensor) else v, img).to(img.dtype)
    return img.copy_(result) if inplace else result


# --------------------------------------------------------------------------------------------------------------
# Along rows and columns


@on_images
def resize(
    img: Tensor,
    size: int | Sequence[int] | None,
    interpolation: InterpolationMode | str = BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    """Return the image in another size.

    Parameters
    ----------
    size : int or sequence of int, optional
        (height, width); or one number for the shorter side, and the longer one keeps the ratio.
    interpolation : InterpolationMode or str
        ``"nearest"``, ``"nearest-exact"``, ``"bilinear"`` or ``"bicubic"``.
    max_size : int, optional
        With one number: the most that the longer side may have; the shorter one gives way. With ``size=None``: the
        size of the longer side.
    antialias : bool, optional
        Whether, made smaller, every old pixel counts (bilinear and bicubic only).
    """
    mode = interpolation_mode("resize", interpolation)
    old = (int(img.shape[2]), int(img.shape[3]))
    new = new_size("resize", old, size, max_size)
    if new == old:
        return img
    if not antialias and mode.startswith("bi"):
        return in_float(img, lambda x: nn.functional.interpolate(x, new, mode=mode, align_corners=False))
    if mode.startswith("nearest"):
        return nn.functional.interpolate(img, new, mode=mode)
    return _cut_and_resized(img, (np.zeros(1), np.zeros(1), np.full(1, old[0]), np.full(1, old[1])), new, mode)


def new_size(
    name: str, old: tuple[int, int], size: int | Sequence[int] | None, max_size: int | None = None
) -> tuple[int, int]:
    """Return (height, width) for what ``resize`` is asked for."""
    one = isinstance(size, (int, np.integer)) or size is None or len(size) == 1
    if max_size is not None and not one:
        raise ValueError(f"{name}: max_size goes with one number as size, the shorter side; got size={size!r}")
    if not one:
        return pair(name, "size", size)  # type: ignore[arg-type]
    short, long = min(old), max(old)
    if size is None:
        if max_size is None:
            raise ValueError(f"{name}: expected size or max_size")
        short, long = max(int(max_size * short / long), 1), max_size
    else:
        wanted = pair(name, "size", size)[0]
        short, long = wanted, int(wanted * long / short)
        if max_size is not None and max_size <= wanted:
            raise ValueError(f"{name}: expected max_size above size={wanted}, got {max_size}")
        if max_size is not None and long > max_size:
            short, long = int(max_size * short / long), max_size
    return (short, long) if old[0] <= old[1] else (long, short)


@on_images
def resized_crop(
    img: Tensor,
    top: Numbers,
    left: Numbers,
    height: Numbers,
    width: Numbers,
    size: int | Sequence[int],
    interpolation: InterpolationMode | str = BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    """Return a box cut out and resized; in a batch the box may be given by N numbers each."""
    mode = interpolation_mode("resized_crop", interpolation)
    named = zip(("top", "left", "height", "width"), (top, left, height, width))
    boxes = [per_image("resized_crop", name, x, img).astype(np.int64) for name, x in named]
    t, l, h, w = boxes  # noqa: E741
    one = all(len(box) == 1 for box in boxes)
    inside = (t >= 0).all() and (l >= 0).all() and (t + h <= img.shape[2]).all() and (l + w <= img.shape[3]).all()
    if one and (not antialias or not inside):
        return resize(crop(img, t, l, int(h[0]), int(w[0])), size, mode, antialias=antialias)
    if not inside or not antialias:
        raise NotImplementedError(
            "resized_crop: boxes that differ between the images of a batch must lie inside them, and take "
            "antialias=True; call it for each image"
        )
    return _cut_and_resized(img, (t, l, h, w), pair("resized_crop", "size", size), mode)


def _cut_and_resized(img: Tensor, boxes: Sequence[Any], size: tuple[int, int], mode: str) -> Tensor:
    top, left, height, width = boxes
    rows = resizing(int(img.shape[2]), size[0], top, height, mode)
    columns = resizing(int(img.shape[3]), size[1], left, width, mode)
    return in_float(img, lambda x: along_rows_and_columns(x, rows, columns))


# --------------------------------------------------------------------------------------------------------------
# At any places


@on_images
def rotate(
    img: Tensor,
    angle: Numbers,
    interpolation: InterpolationMode | str = NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: float | Sequence[float] | None = None,
) -> Tensor:
    """Return the image turned by ``angle`` degrees counter-clockwise; in a batch the angle may be N numbers.

    Parameters
    ----------
    interpolation : InterpolationMode or str
        ``"nearest"`` or ``"bilinear"``.
    expand : bool
        Whether the image grows so that its corners stay in; the angle must be one for all.
    center : sequence of float, optional
        The (x, y) that stays where it is, in pixels from the upper left corner; by default the middle.
    fill : number or sequence of numbers, optional
        What comes in from outside, for all channels or for each; 0 by default.

    Examples
    --------
    >>> import minigrad
    >>> rotate(minigrad.tensor([[[1, 2], [3, 4]]]), 90).tolist()
    [[[2, 4], [1, 3]]]
    """
    mode = interpolation_mode("rotate", interpolation, _PLACES)
    angles = per_image("rotate", "angle", angle, img)
    if expand and (len(angles) > 1 or center is not None):
        raise ValueError(
            "rotate: expand=True turns all images by one angle about the middle, because each angle needs a size of "
            f"its own; got {len(angles)} angle(s), center={center}"
        )
    matrix = _inverse_affine(_from_middle(img, center), -angles, np.zeros((1, 2)), np.ones(1), np.zeros((1, 2)))
    size = (int(img.shape[2]), int(img.shape[3]))
    if expand:
        size = _size_around(matrix[0], size)
    return in_float(img, lambda x: at_places("rotate", x, matrix, size, mode, fill))


@on_images
def affine(
    img: Tensor,
    angle: Numbers,
    translate: Any,
    scale: Numbers,
    shear: Any,
    interpolation: InterpolationMode | str = NEAREST,
    fill: float | Sequence[float] | None = None,
    center: Sequence[float] | None = None,
) -> Tensor:
    """Return the image turned, scaled, sheared and moved.

    Parameters
    ----------
    angle : number, or N numbers
        Degrees clockwise.
    translate : pair of numbers, or N pairs
        (x, y) in pixels, to the right and down, after everything else.
    scale : number, or N numbers
        By what lengths are multiplied; above 0.
    shear : number or pair of numbers, or N pairs
        Degrees by which the vertical edges lean, and the horizontal ones.
    interpolation, fill, center
        As in :func:`rotate`.
    """
    mode = interpolation_mode("affine", interpolation, _PLACES)
    scales = per_image("affine", "scale", scale, img)
    if not (scales > 0).all():
        raise ValueError(f"affine: expected a scale above 0, got {scale!r}")
    shears = np.asarray(shear, np.float64)
    if shears.size == 1:
        shears = np.array([shears.item(), 0.0])
    matrix = _inverse_affine(
        _from_middle(img, center),
        per_image("affine", "angle", angle, img),
        per_image("affine", "translate", translate, img, 2),
        scales,
        per_image("affine", "shear", shears, img, 2),
    )
    size = (int(img.shape[2]), int(img.shape[3]))
    return in_float(img, lambda x: at_places("affine", x, matrix, size, mode, fill))


@on_images
def perspective(
    img: Tensor,
    startpoints: Any,
    endpoints: Any,
    interpolation: InterpolationMode | str = BILINEAR,
    fill: float | Sequence[float] | None = None,
) -> Tensor:
    """Return the image with four points (x, y) moved to four others, as if seen from elsewhere: lines stay lines.

    ``startpoints`` and ``endpoints`` are lists of four pairs, or in a batch N of them.
    """
    mode = interpolation_mode("perspective", interpolation, _PLACES)
    old, new = (np.asarray(points, np.float64).reshape(-1, 4, 2) for points in (startpoints, endpoints))
    if len(old) not in (1, len(img)) or len(new) not in (1, len(img)):
        raise ValueError(f"perspective: expected four points, or four for each of {len(img)} images, got {old.shape}")
    old, new = np.broadcast_arrays(old, new)
    # x' (g x + h y + 1) = a x + b y + c and y' (g x + h y + 1) = d x + e y + f at four points: 8 equations for a ... h.
    x, y = new[..., 0], new[..., 1]
    ones, zeros = np.ones_like(x), np.zeros_like(x)
    for_x = np.stack([x, y, ones, zeros, zeros, zeros, -x * old[..., 0], -y * old[..., 0]], -1)
    for_y = np.stack([zeros, zeros, zeros, x, y, ones, -x * old[..., 1], -y * old[..., 1]], -1)
    right = np.concatenate([old[..., 0], old[..., 1]], -1)
    try:
        solved = np.linalg.solve(np.concatenate([for_x, for_y], -2), right[..., None])[..., 0]
    except np.linalg.LinAlgError:
        raise ValueError("perspective: three of the endpoints lie on a line; no view does that") from None
    matrix = np.concatenate([solved, np.ones((len(solved), 1))], -1).reshape(-1, 3, 3)
    h, w = img.shape[2:]
    matrix = _shift(-w / 2, -h / 2) @ matrix @ _shift(w / 2, h / 2)
    return in_float(img, lambda x: at_places("perspective", x, matrix, (int(h), int(w)), mode, fill))


def _shift(x: float, y: float) -> np.ndarray[Any, Any]:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _from_middle(img: Tensor, center: Sequence[float] | None) -> np.ndarray[Any, Any]:
    if center is None:
        return np.zeros(2)
    if len(center) != 2:
        raise ValueError(f"expected center as (x, y), got {center!r}")
    return np.array([center[0] - img.shape[3] / 2, center[1] - img.shape[2] / 2])


def _inverse_affine(center: Any, angle: Any, translate: Any, scale: Any, shear: Any) -> np.ndarray[Any, Any]:
    """Return the matrices (k, 3, 3) from new places q to old ones p, where q = L (p - center) + center + translate.

    L = scale * rotation * shear along y * shear along x; y points down, so a positive angle is clockwise.
    """
    a, (sx, sy) = np.deg2rad(angle), np.deg2rad(shear).T
    rotation = _matrices(np.cos(a), -np.sin(a), np.sin(a), np.cos(a))
    along_y, along_x = _matrices(1, 0, -np.tan(sy), 1), _matrices(1, -np.tan(sx), 0, 1)
    back = np.linalg.inv(scale[:, None, None] * rotation @ along_y @ along_x)
    matrix = np.zeros((max(len(back), len(translate)), 3, 3))
    matrix[:, :2, :2] = back
    matrix[:, :2, 2] = center - (back @ (center + translate)[..., None])[..., 0]
    matrix[:, 2, 2] = 1.0
    return matrix


def _matrices(a: Any, b: Any, c: Any, d: Any) -> np.ndarray[Any, Any]:
    return np.stack(np.broadcast_arrays(a, b, c, d), -1).reshape(-1, 2, 2)


def _size_around(matrix: np.ndarray[Any, Any], size: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) in whole pixels of the upright box around the rotated image."""
    middle = np.array(size[::-1]) / 2
    reach = np.abs(matrix[:2, :2] * middle).sum(1)  # of the corner that comes farthest
    exact = np.rint(2 * reach)
    if np.abs(2 * reach - exact).max() < 1e-4:  # a quarter turn; torchvision lets 7 x 6 become 7 x 8, half a pixel off
        return int(exact[1]), int(exact[0])
    low, high = (np.trunc(edge * 1e4) / 1e4 for edge in (middle - reach, middle + reach))
    width, height = np.ceil(high) - np.floor(low)
    return int(height), int(width)
