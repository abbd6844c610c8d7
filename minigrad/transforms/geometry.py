"""Transforms that move pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.backend import Generator
from minigrad.nn import Module
from minigrad.tensor import Tensor
from minigrad.transforms import functional as F
from minigrad.transforms.functional.geometry import margins, new_size
from minigrad.transforms.images import check_range, pair
from minigrad.transforms.randomness import (
    Count,
    RandomTransform,
    first_fit,
    integers,
    on_chosen,
    probability,
    uniform,
)
from minigrad.transforms.resampling import InterpolationMode, interpolation_mode

__all__ = [
    "CenterCrop",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomPerspective",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
]

Mode = InterpolationMode | str
Fill = float | Sequence[float]
_PLACES = ("nearest", "bilinear")
NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR

# --------------------------------------------------------------------------------------------------------------
# Without chance


class Resize(Module):
    """Resize images to ``size``: (height, width), or one number for the shorter side.

    See :func:`~minigrad.transforms.functional.resize`.
    """

    takes_batches = True

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: Mode = BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        new_size("Resize", (1, 1), size, max_size)  # complains now, not at the first image
        self.size = size
        self.interpolation = interpolation_mode("Resize", interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def forward(self, img: Tensor) -> Tensor:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def extra_repr(self) -> str:
        return (
            f"size={self.size}, interpolation={self.interpolation}, max_size={self.max_size}, "
            f"antialias={self.antialias}"
        )


class CenterCrop(Module):
    """Cut the middle out, ``size`` = (height, width) or one number for both; smaller images get a border of 0."""

    takes_batches = True

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair("CenterCrop", "size", size)

    def forward(self, img: Tensor) -> Tensor:
        return F.center_crop(img, self.size)

    def extra_repr(self) -> str:
        return f"size={self.size}"


class Pad(Module):
    """Put a border around images. See :func:`~minigrad.transforms.functional.pad`."""

    takes_batches = True

    def __init__(self, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        margins("Pad", padding)
        self.padding = padding
        self.fill = fill
        self.padding_mode = _padding_mode("Pad", padding_mode)

    def forward(self, img: Tensor) -> Tensor:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode}"


def _padding_mode(name: str, mode: str) -> str:
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"{name}: expected padding_mode 'constant', 'edge', 'reflect' or 'symmetric', got {mode!r}")
    return mode


# --------------------------------------------------------------------------------------------------------------
# Flips and crops


class RandomHorizontalFlip(RandomTransform):
    """Exchange left and right with probability ``p``."""

    takes_batches = True

    def __init__(self, p: float = 0.5, *, same_on_batch: bool = False, generator: Generator | None = None) -> None:
        super().__init__(same_on_batch, generator)
        self.p = probability(type(self).__name__, p)

    def forward(self, img: Tensor) -> Tensor:
        return on_chosen(type(self).__name__, img, self.chosen(img, self.p), F.hflip)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class RandomVerticalFlip(RandomHorizontalFlip):
    """Turn upside down with probability ``p``."""

    def forward(self, img: Tensor) -> Tensor:
        return on_chosen(type(self).__name__, img, self.chosen(img, self.p), F.vflip)


class RandomCrop(RandomTransform):
    """Cut out a box at a random place.

    Parameters
    ----------
    size : int or sequence of int
        (height, width), or one number for both.
    padding : int or sequence of int, optional
        A border to put around before, see :func:`~minigrad.transforms.functional.pad`: moves the image by up to that.
    pad_if_needed : bool
        Whether images smaller than ``size`` get a border, instead of being refused.
    fill, padding_mode
        Of the border.

    Examples
    --------
    >>> import minigrad
    >>> _ = minigrad.manual_seed(0)
    >>> RandomCrop(8, padding=1)(minigrad.rand(5, 1, 8, 8)).shape  # each of the five moved by its own step
    minigrad.Size([5, 1, 8, 8])
    """

    takes_batches = True

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Fill = 0,
        padding_mode: str = "constant",
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(same_on_batch, generator)
        self.size = pair("RandomCrop", "size", size)
        if padding is not None:
            margins("RandomCrop", padding)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = _padding_mode("RandomCrop", padding_mode)

    @staticmethod
    def get_params(
        img: Tensor, output_size: tuple[int, int], *, n: Count = None, generator: Generator | None = None
    ) -> tuple[Any, Any, int, int]:
        """Draw (top, left, height, width); with ``n``, tops and lefts of n images."""
        h, w = (int(x) for x in img.shape[-2:])
        height, width = output_size
        if h < height or w < width:
            raise ValueError(
                f"RandomCrop: expected images of at least {height} x {width}, got {h} x {w}; pass padding=, or "
                "pad_if_needed=True"
            )
        return integers(0, h - height, n, generator), integers(0, w - width, n, generator), height, width

    def forward(self, img: Tensor) -> Tensor:
        n = self.count(img)
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            missing = (max(self.size[1] - int(img.shape[-1]), 0), max(self.size[0] - int(img.shape[-2]), 0))
            if any(missing):
                img = F.pad(img, missing, self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size, n=n, generator=self.generator))

    def extra_repr(self) -> str:
        return f"size={self.size}, padding={self.padding}"


class RandomResizedCrop(RandomTransform):
    """Cut out a box of random size and shape at a random place, and resize it to ``size``.

    Parameters
    ----------
    size : int or sequence of int
        (height, width), or one number for both.
    scale : pair of float
        Which share of the image's area the box has, at least and at most.
    ratio : pair of float
        Its width over its height, at least and at most; drawn evenly by logarithm, so that 1/2 is as likely as 2.
    interpolation, antialias
        As in :func:`~minigrad.transforms.functional.resize`.

    Notes
    -----
    A box that does not fit is drawn again; after ten the largest one in the middle with an allowed ratio is taken.
    """

    takes_batches = True

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Mode = BILINEAR,
        antialias: bool | None = True,
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(same_on_batch, generator)
        self.size = pair("RandomResizedCrop", "size", size)
        self.scale = check_range("RandomResizedCrop", "scale", scale, 0.0)
        self.ratio = _ratio("RandomResizedCrop", ratio)
        self.interpolation = interpolation_mode("RandomResizedCrop", interpolation)
        self.antialias = antialias

    @staticmethod
    def get_params(
        img: Tensor,
        scale: Sequence[float],
        ratio: Sequence[float],
        *,
        n: Count = None,
        generator: Generator | None = None,
    ) -> tuple[Any, Any, Any, Any]:
        """Draw (top, left, height, width) of a box; with ``n``, of n boxes."""
        h, w = (int(x) for x in img.shape[-2:])
        heights, widths = boxes(h, w, scale, ratio, n, generator)
        fits = (heights > 0) & (heights <= h) & (widths > 0) & (widths <= w)
        low, high = min(ratio), max(ratio)
        largest = (h, w)
        if w / h < low:
            largest = (max(round(w / low), 1), w)
        elif w / h > high:
            largest = (h, max(round(h * high), 1))
        height, width = first_fit(fits, [heights, widths], list(largest))
        some = fits.any(0)
        top = np.where(some, integers(0, h - height, len(height), generator), (h - height) // 2)
        left = np.where(some, integers(0, w - width, len(width), generator), (w - width) // 2)
        return one_or_all(n, top, left, height, width)

    def forward(self, img: Tensor) -> Tensor:
        box = self.get_params(img, self.scale, self.ratio, n=self.count(img), generator=self.generator)
        return F.resized_crop(img, *box, self.size, self.interpolation, self.antialias)

    def extra_repr(self) -> str:
        scale, ratio = (tuple(round(x, 4) for x in both) for both in (self.scale, self.ratio))
        return (
            f"size={self.size}, scale={scale}, ratio={ratio}, interpolation={self.interpolation}, "
            f"antialias={self.antialias}"
        )


def _ratio(name: str, ratio: Sequence[float]) -> tuple[float, float]:
    low, high = check_range(name, "ratio", ratio, 0.0)
    if low <= 0:
        raise ValueError(f"{name}: expected a ratio above 0, got {ratio!r}")
    return low, high


def boxes(h: int, w: int, scale: Any, ratio: Any, n: Count, generator: Generator | None) -> tuple[Any, Any]:
    """Draw ten attempts at the (height, width) of a box of some share of the area and some ratio: two (10, n)."""
    count = 1 if n is None else n
    area = h * w * uniform(scale[0], scale[1], 10 * count, generator).reshape(10, count)
    aspect = np.exp(uniform(math.log(ratio[0]), math.log(ratio[1]), 10 * count, generator).reshape(10, count))
    return np.rint(np.sqrt(area / aspect)).astype(int), np.rint(np.sqrt(area * aspect)).astype(int)


def one_or_all(n: Count, *drawn: Any) -> tuple[Any, ...]:
    """Return arrays of n draws, or of one draw the numbers."""
    return drawn if n is not None else tuple(int(x[0]) for x in drawn)


# --------------------------------------------------------------------------------------------------------------
# Rotations and their kin


def degrees_of(name: str, argument: str, value: float | Sequence[float], sizes: Sequence[int] = (2,)) -> list[float]:
    """Return [-x, x] of one number x >= 0, or the given numbers."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"{name}: expected {argument} of at least 0 if it is one number, got {value}")
        return [-float(value), float(value)]
    if len(value) not in sizes:
        raise ValueError(f"{name}: expected {argument} as one number or {' or '.join(map(str, sizes))}, got {value!r}")
    return [float(x) for x in value]


class RandomRotation(RandomTransform):
    """Turn by a random angle.

    Parameters
    ----------
    degrees : float or pair of float
        The range of the angle, counter-clockwise; one number x means (-x, x).
    interpolation, expand, center, fill
        As in :func:`~minigrad.transforms.functional.rotate`. With ``expand`` each angle makes another size, so a
        batch takes ``same_on_batch=True``.
    """

    takes_batches = True

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Mode = NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(same_on_batch, generator)
        self.degrees = degrees_of("RandomRotation", "degrees", degrees)
        self.interpolation = interpolation_mode("RandomRotation", interpolation, _PLACES)
        self.expand = expand
        self.center = center
        self.fill = fill

    @staticmethod
    def get_params(degrees: Sequence[float], *, n: Count = None, generator: Generator | None = None) -> Any:
        """Draw an angle; with ``n``, n angles."""
        return uniform(degrees[0], degrees[1], n, generator)

    def forward(self, img: Tensor) -> Tensor:
        n = self.count(img)
        if self.expand and n > 1:
            raise self.input_error(
                "expand=True makes another size for each angle, so images of a batch cannot have their own; pass "
                "same_on_batch=True, or rotate them one by one",
                ValueError,
            )
        angle = self.get_params(self.degrees, n=n, generator=self.generator)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def extra_repr(self) -> str:
        center = f", center={self.center}" if self.center is not None else ""
        turn = f"degrees={self.degrees}, interpolation={self.interpolation}, expand={self.expand}"
        return f"{turn}{center}, fill={self.fill}"


class RandomAffine(RandomTransform):
    """Turn, move, scale and shear at random, with the middle in place.

    Parameters
    ----------
    degrees : float or pair of float
        The range of the angle, clockwise; one number x means (-x, x); 0 does not turn.
    translate : pair of float, optional
        The largest shift along x and along y, as shares of width and height; whole pixels.
    scale : pair of float, optional
        The range of the factor of all lengths.
    shear : float, pair or four of float, optional
        The range of the shear along x in degrees, as for ``degrees``; four numbers are the ranges along x and y.
    interpolation, fill, center
        As in :func:`~minigrad.transforms.functional.affine`.
    """

    takes_batches = True

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Mode = NEAREST,
        fill: Fill = 0,
        center: Sequence[float] | None = None,
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(same_on_batch, generator)
        self.degrees = degrees_of("RandomAffine", "degrees", degrees)
        if translate is not None and (len(translate) != 2 or not all(0 <= t <= 1 for t in translate)):
            raise ValueError(f"RandomAffine: expected translate as two shares between 0 and 1, got {translate!r}")
        if scale is not None and (len(scale) != 2 or not 0 < scale[0] <= scale[1]):
            raise ValueError(f"RandomAffine: expected scale as (min, max) above 0, got {scale!r}")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else degrees_of("RandomAffine", "shear", shear, (2, 4))
        self.interpolation = interpolation_mode("RandomAffine", interpolation, _PLACES)
        self.fill = fill
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
        *,
        n: Count = None,
        generator: Generator | None = None,
    ) -> tuple[Any, Any, Any, Any]:
        """Draw (angle, (x, y), scale, (shear x, shear y)) for images of (width, height); with ``n``, n of each."""

        def draw(low: float, high: float) -> Any:
            return uniform(low, high, n, generator) if low < high else low if n is None else np.full(n, low)

        angle = draw(degrees[0], degrees[1])
        reach = [0.0, 0.0] if translate is None else [share * size for share, size in zip(translate, img_size)]
        shifts = tuple(np.rint(draw(-most, most)) for most in reach)
        scale = draw(*scale_ranges) if scale_ranges is not None else draw(1.0, 1.0)
        ranges = [*(shears or [0.0, 0.0]), 0.0, 0.0][:4]
        shear = draw(ranges[0], ranges[1]), draw(ranges[2], ranges[3])
        if n is None:
            return angle, (int(shifts[0]), int(shifts[1])), scale, shear
        return angle, np.stack(shifts, -1), scale, np.stack(shear, -1)

    def forward(self, img: Tensor) -> Tensor:
        n = self.count(img)
        drawn = self.get_params(
            *(self.degrees, self.translate, self.scale, self.shear, (int(img.shape[-1]), int(img.shape[-2]))),
            n=n,
            generator=self.generator,
        )
        return F.affine(img, *drawn, self.interpolation, self.fill, self.center)

    def extra_repr(self) -> str:
        shown = [f"degrees={self.degrees}"]
        shown += [f"{name}={getattr(self, name)}" for name in ("translate", "scale", "shear") if getattr(self, name)]
        if self.interpolation != "nearest":
            shown.append(f"interpolation={self.interpolation}")
        if self.fill != 0:
            shown.append(f"fill={self.fill}")
        if self.center is not None:
            shown.append(f"center={self.center}")
        return ", ".join(shown)


class RandomPerspective(RandomTransform):
    """See the image from a random side, with probability ``p``.

    Each corner moves inwards by up to ``distortion_scale`` times half the width and height.
    """

    takes_batches = True

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Mode = BILINEAR,
        fill: Fill = 0,
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(same_on_batch, generator)
        if not 0 <= distortion_scale <= 1:
            raise ValueError(f"RandomPerspective: expected distortion_scale between 0 and 1, got {distortion_scale}")
        self.distortion_scale = distortion_scale
        self.p = probability("RandomPerspective", p)
        self.interpolation = interpolation_mode("RandomPerspective", interpolation, _PLACES)
        self.fill = fill

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float, *, n: Count = None, generator: Generator | None = None
    ) -> tuple[Any, Any]:
        """Return the corners and draw where they go: two lists of four (x, y); with ``n``, the second is (n, 4, 2)."""
        right, bottom = width - 1, height - 1
        corners = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])
        inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        most = np.array([int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))])
        count = 1 if n is None else n
        steps = integers(np.zeros(8 * count, int), np.tile(most, 4 * count), 8 * count, generator)
        ends = corners + inwards * steps.reshape(count, 4, 2)
        return corners.tolist(), ends[0].tolist() if n is None else ends

    def forward(self, img: Tensor) -> Tensor:
        return on_chosen("RandomPerspective", img, self.chosen(img, self.p), self._seen_from_elsewhere)

    def _seen_from_elsewhere(self, img: Tensor) -> Tensor:
        size = int(img.shape[-1]), int(img.shape[-2])
        drawn = self.get_params(*size, self.distortion_scale, n=self.count(img), generator=self.generator)
        return F.perspective(img, *drawn, self.interpolation, self.fill)

    def extra_repr(self) -> str:
        return f"p={self.p}"
