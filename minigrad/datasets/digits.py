"""1,797 real handwritten digits, 8 by 8 pixels each: small enough to ship, real enough to learn from."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minigrad.creation import from_numpy
from minigrad.datasets.labelled import Function, Labelled

_FILE = Path(__file__).with_name("digits.npz")
_PARTS = ("train", "val", "test")


class Digits(Labelled):
    """Images of handwritten digits with their labels, (64,) float32 from 0 to 1 and int64 from 0 to 9.

    An image is a flat row of 8 x 8 pixels, 0 paper and 1 ink; with ``flat=False`` it is what a convolution takes. The
    split into 1,257 / 180 / 360 images for training, validation and test is stored in the file, so the held-out images
    are the same everywhere and always.

    Parameters
    ----------
    split : {"train", "val", "test"}, optional
        Which part; by default all 1,797 images in the order of the source.
    transform, target_transform : callable, optional
        What images and labels pass through when they are read.
    flat : bool
        Whether an image is a row of 64 pixels; if not it is (1, 8, 8), as convolutions and image transforms take it.

    Attributes
    ----------
    data : Tensor
        (N, 64) or (N, 1, 8, 8) float32: multiples of 1/16.
    targets : Tensor
        (N,) int64: the digit.
    classes : list of str
        The names of the classes, by label.

    Raises
    ------
    ValueError
        If there is no such split.

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
    1998, https://doi.org/10.24432/C50P49, licensed under CC BY 4.0; ``LICENSE-digits.txt`` beside the data says
    more. 13 people wrote these digits on forms; each form was scanned to 32 x 32 black and white points, and a pixel
    counts the black ones in a block of 4 x 4.

    How ``digits.npz`` was made: the table of the source's test half, in the copy that scikit-learn carries
    (``digits.csv.gz``), as unsigned bytes: ``data`` (1797, 64) from 0 to 16, ``targets`` (1797,), and ``part``
    (1797,) with 0, 1, 2 for train, val, test. For the parts, test first, each digit gave its share of images (the
    same share for all digits, up to rounding), drawn by ``numpy.random.default_rng(0)``. The file's SHA-256 is
    b7e6508b0b6cd707909a67f0ce32c5bc9983e4540a3c042f1194eb3dd059f583.

    The split is one of images, not of writers: all 13 occur in each part, so expect a few more mistakes on the
    handwriting of somebody new than on the test part.

    Examples
    --------
    >>> from minigrad.datasets import Digits
    >>> train, test = Digits("train"), Digits("test")
    >>> len(train), len(test)
    (1257, 360)
    >>> image, label = test[0]
    >>> image.shape, label
    (minigrad.Size([64]), tensor(5))
    """

    classes: ClassVar = [str(digit) for digit in range(10)]

    def __init__(
        self,
        split: str | None = None,
        transform: Function | None = None,
        target_transform: Function | None = None,
        flat: bool = True,
    ) -> None:
        if split is not None and split not in _PARTS:
            raise ValueError(f"Digits: expected split to be 'train', 'val', 'test' or None for all, got {split!r}")
        pixels, labels, part = _load()
        chosen = slice(None) if split is None else part == _PARTS.index(split)
        self.split = split
        images = pixels[chosen].astype(np.float32) / np.float32(16)
        data = from_numpy(images if flat else images.reshape(-1, 1, 8, 8))
        super().__init__(data, from_numpy(labels[chosen].astype(np.int64)), transform, target_transform)

    def __repr__(self) -> str:
        return f"Digits(split={self.split!r}, {len(self)} images)"


@functools.cache
def _load() -> tuple[Any, Any, Any]:
    with np.load(_FILE, allow_pickle=False) as file:
        return file["data"], file["targets"], file["part"]
