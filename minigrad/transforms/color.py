"""Transforms that change what the pixels show, and leave them where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import tensor_of
from minigrad.backend import Generator, default_generator, to_device
from minigrad.creation import as_tensor
from minigrad.nn import Module
from minigrad.tensor import Tensor
from minigrad.transforms import functional as F
from minigrad.transforms.geometry import boxes, one_or_all
from minigrad.transforms.images import check_image, check_range, constant, pair
from minigrad.transforms.randomness import (
    Count,
    RandomTransform,
    first_fit,
    integers,
    on_chosen,
    probability,
    uniform,
)

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "RandomErasing",
    "RandomGrayscale",
    "RandomInvert",
]

Range = tuple[float, float] | None


class ColorJitter(RandomTransform):
    """Change brightness, contrast, saturation and hue at random, in random order.

    Parameters
    ----------
    brightness, contrast, saturation : float or pair of float
        The range of the factor; one number x means from max(0, 1 - x) to 1 + x.
    hue : float or pair of float
        The range of the step around the colour wheel, within -0.5 to 0.5; one number x means (-x, x).

    Notes
    -----
    In a batch each image has its own factors; the order of the four changes is one for all.
    """

    takes_batches = True

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(same_on_batch, generator)
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue = _factors("hue", hue, 0.0, -0.5, 0.5)

    @staticmethod
    def get_params(
        brightness: Range,
        contrast: Range,
        saturation: Range,
        hue: Range,
        *,
        n: Count = None,
        generator: Generator | None = None,
    ) -> tuple[Tensor, Any, Any, Any, Any]:
        """Draw (order, brightness, contrast, saturation, hue); with ``n``, n of each but the order."""
        order = as_tensor((generator or default_generator()).permutation(4))
        ranges = (brightness, contrast, saturation, hue)
        b, c, s, h = (None if given is None else uniform(*given, n, generator) for given in ranges)
        return order, b, c, s, h

    def forward(self, img: Tensor) -> Tensor:
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        order, *factors = self.get_params(*ranges, n=self.count(img), generator=self.generator)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for k in order.tolist():
            if factors[k] is not None:
                img = changes[k](img, factors[k])
        return img

    def extra_repr(self) -> str:
        names = ("brightness", "contrast", "saturation", "hue")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


def _factors(
    name: str, value: float | Sequence[float], middle: float = 1.0, low: float = 0.0, high: float = float("inf")
) -> Range:
    """Return the range of a factor; None if it can only be the one that changes nothing."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"ColorJitter: expected {name} of at least 0 if it is one number, got {value}")
        value = [middle - value, middle + value]
        if name != "hue":
            value[0] = max(value[0], 0.0)
    found = check_range("ColorJitter", name, value, low, high)
    return None if found == (middle, middle) else (float(found[0]), float(found[1]))


class Grayscale(Module):
    """Make colour images grey, in 1 or 3 equal channels."""

    takes_batches = True

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Tensor) -> Tensor:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def extra_repr(self) -> str:
        return f"num_output_channels={self.num_output_channels}"


class RandomGrayscale(RandomTransform):
    """Make grey with probability ``p``; the number of channels stays."""

    takes_batches = True

    def __init__(self, p: float = 0.1, *, same_on_batch: bool = False, generator: Generator | None = None) -> None:
        super().__init__(same_on_batch, generator)
        self.p = probability("RandomGrayscale", p)

    def forward(self, img: Tensor) -> Tensor:
        chosen = self.chosen(img, self.p)
        channels = F.get_dimensions(img)[0]
        return on_chosen("RandomGrayscale", img, chosen, lambda x: F.rgb_to_grayscale(x, num_output_channels=channels))

    def extra_repr(self) -> str:
        return f"p={self.p}"


class RandomInvert(RandomTransform):
    """Make the negative with probability ``p``."""

    takes_batches = True

    def __init__(self, p: float = 0.5, *, same_on_batch: bool = False, generator: Generator | None = None) -> None:
        super().__init__(same_on_batch, generator)
        self.p = probability("RandomInvert", p)

    def forward(self, img: Tensor) -> Tensor:
        return on_chosen("RandomInvert", img, self.chosen(img, self.p), F.invert)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class GaussianBlur(RandomTransform):
    """Blur by a random amount.

    Parameters
    ----------
    kernel_size : int or sequence of int
        Of the window in pixels, odd. See :func:`~minigrad.transforms.functional.gaussian_blur`.
    sigma : float or pair of float
        The range of the standard deviation in pixels; one number is always that.
    """

    takes_batches = True

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        sigma: float | Sequence[float] = (0.1, 2.0),
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(same_on_batch, generator)
        self.kernel_size = pair("GaussianBlur", "kernel_size", kernel_size)
        if not all(size % 2 for size in self.kernel_size):
            raise ValueError(f"GaussianBlur: expected kernel_size of odd numbers, got {kernel_size!r}")
        if isinstance(sigma, (int, float)):
            sigma = (float(sigma), float(sigma))
        self.sigma = check_range("GaussianBlur", "sigma", sigma, 0.0)
        if self.sigma[0] <= 0:
            raise ValueError(f"GaussianBlur: expected a sigma above 0, got {sigma!r}")

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float, *, n: Count = None, generator: Generator | None = None) -> Any:
        """Draw a standard deviation; with ``n``, n of them."""
        return uniform(sigma_min, sigma_max, n, generator)

    def forward(self, img: Tensor) -> Tensor:
        sigma = self.get_params(*self.sigma, n=self.count(img), generator=self.generator)
        return F.gaussian_blur(img, self.kernel_size, np.stack([sigma, sigma], -1))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, sigma={self.sigma}"


class GaussianNoise(RandomTransform):
    """Add noise from a normal distribution to every pixel of a floating image, and cut off at 0 and 1 if ``clip``."""

    takes_batches = True

    def __init__(
        self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True, *, generator: Generator | None = None
    ) -> None:
        super().__init__(generator=generator)
        if sigma < 0:
            raise ValueError(f"GaussianNoise: expected sigma of at least 0, got {sigma}")
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def forward(self, img: Tensor) -> Tensor:
        check_image("GaussianNoise", img)
        if img.dtype.kind != "f":
            raise self.input_error(f"expected a floating image, got {img.dtype}; ToTensor() comes before", TypeError)
        y = img + tensor_of(_noise(img, self.generator, self.mean, self.sigma))
        return ops.clamp(y, 0.0, 1.0) if self.clip else y

    def extra_repr(self) -> str:
        return f"mean={self.mean}, sigma={self.sigma}, clip={self.clip}"


def _noise(img: Tensor, generator: Generator | None, mean: float = 0.0, std: float = 1.0) -> Any:
    drawn = (generator or default_generator(img.device)).normal(tuple(img.shape), mean, std, img.dtype)
    return to_device(drawn, img.device)


class RandomErasing(RandomTransform):
    """Overwrite a box of random size and shape at a random place, with probability ``p``.

    Parameters
    ----------
    scale : pair of float
        Which share of the image's area the box has, at least and at most.
    ratio : pair of float
        Its height over its width, at least and at most.
    value : number, sequence of numbers or "random"
        What with: one number, one for each channel, or noise from the normal distribution.
    inplace : bool
        Whether to write into the image that comes in.

    Notes
    -----
    A box has at least one pixel, so that something happens to small images too. One that does not fit is drawn again;
    after ten the image stays whole. Zhong et al., "Random erasing data augmentation", 2017.
    """

    takes_batches = True

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(same_on_batch, generator)
        self.p = probability("RandomErasing", p)
        self.scale = check_range("RandomErasing", "scale", scale, 0.0, 1.0)
        self.ratio = check_range("RandomErasing", "ratio", ratio, 0.0)
        if self.ratio[0] <= 0:
            raise ValueError(f"RandomErasing: expected a ratio above 0, got {ratio!r}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: expected value to be a number, numbers or 'random', got {value!r}")
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: Sequence[float] | None = None,
        *,
        n: Count = None,
        generator: Generator | None = None,
    ) -> tuple[Any, Any, Any, Any, Tensor]:
        """Draw (top, left, height, width) of a box, and return with what to fill it; with ``n``, n boxes.

        Where none fits, the box has height and width 0.
        """
        h, w = (int(x) for x in img.shape[-2:])
        widths, heights = boxes(h, w, scale, ratio, n, generator)
        heights, widths = np.maximum(heights, 1), np.maximum(widths, 1)
        height, width = first_fit((heights < h) & (widths < w), [heights, widths], [0, 0])
        top = integers(0, h - height, len(height), generator)
        left = integers(0, w - width, len(width), generator)
        box = one_or_all(n, top, left, height, width)
        if value is not None:
            return *box, as_tensor(constant(img, np.asarray(value, np.float64).reshape(-1, 1, 1)))
        noise = _noise(img if img.dtype.kind == "f" else img.float(), generator)
        if n is None:
            noise = noise[..., box[0] : box[0] + box[2], box[1] : box[1] + box[3]]
        return *box, tensor_of(noise)

    def forward(self, img: Tensor) -> Tensor:
        chosen = self.chosen(img, self.p)
        if isinstance(self.value, Sequence) and not isinstance(self.value, str):
            channels = F.get_dimensions(img)[0]
            if len(self.value) not in (1, channels):
                raise self.input_error(
                    f"expected value as one number or {channels}, one for each channel, got {self.value}", ValueError
                )
        if self.inplace and chosen.any() and not chosen.all():
            img.copy_(on_chosen("RandomErasing", img, chosen, self._erased))
            return img
        return on_chosen("RandomErasing", img, chosen, self._erased)

    def _erased(self, img: Tensor) -> Tensor:
        value: Any = [self.value] if isinstance(self.value, (int, float)) else self.value
        box = self.get_params(
            img,
            self.scale,
            self.ratio,
            None if value == "random" else value,
            n=None if img.ndim == 3 else self.count(img),
            generator=self.generator,
        )
        return F.erase(img, *box, inplace=self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, inplace={self.inplace}"
