"""What transforms draw their parameters with, and what all of them that draw have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.backend import Generator, array_module, default_generator
from minigrad.nn import Module
from minigrad.tensor import Tensor
from minigrad.transforms.images import check_image

Count = int | None  # how many draws: None is a single number, n an array of n


class RandomTransform(Module):
    """A transform that draws its parameters anew in each call: in a batch for each image, unless told otherwise.

    Parameters
    ----------
    same_on_batch : bool
        Whether all images of a batch share one draw, as in torchvision.
    generator : Generator, optional
        Where the randomness comes from; by default what ``minigrad.manual_seed`` seeds.
    """

    def __init__(self, same_on_batch: bool = False, generator: Generator | None = None) -> None:
        super().__init__()
        if generator is not None and generator.device.type != "cpu":
            raise ValueError(f"{type(self).__name__}: expected a generator of the CPU, got {generator}")
        self.same_on_batch = same_on_batch
        self.generator = generator

    def count(self, img: Any) -> int:
        """Return how many draws an image or a batch takes."""
        check_image(type(self).__name__, img)
        return 1 if img.ndim == 3 or self.same_on_batch else max(len(img), 1)

    def chosen(self, img: Any, p: float) -> np.ndarray[Any, Any]:
        """Draw for each image whether it is changed: True with probability ``p``."""
        drawn: np.ndarray[Any, Any] = uniform(0.0, 1.0, self.count(img), self.generator) < p
        return drawn


def uniform(low: float, high: float, n: Count, generator: Generator | None) -> Any:
    """Draw from [low, high), in float64."""
    shape = () if n is None else (n,)
    drawn = (generator or default_generator()).uniform(shape, low, high, np.dtype("float64"))
    return float(drawn) if n is None else drawn


def integers(low: Any, high: Any, n: Count, generator: Generator | None) -> Any:
    """Draw integers from ``low`` to ``high``, both included, which may be arrays of n themselves."""
    above: Any = np.asarray(high) + 1
    drawn = (generator or default_generator()).integers(low, above, () if n is None else (n,))
    return int(drawn) if n is None else drawn


def first_fit(fits: np.ndarray[Any, Any], tries: list[Any], otherwise: list[Any]) -> list[Any]:
    """Return, of arrays (attempts, n), each column's entry of the first attempt that fits, or else ``otherwise``."""
    first, some = fits.argmax(0), fits.any(0)
    columns = np.arange(fits.shape[1])
    return [np.where(some, drawn[first, columns], other) for drawn, other in zip(tries, otherwise)]


def probability(name: str, p: float) -> float:
    """Return ``p`` if it is a probability."""
    if not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ValueError(f"{name}: expected a probability p between 0 and 1, got {p!r}")
    return p


def on_chosen(name: str, img: Tensor, chosen: np.ndarray[Any, Any], change: Callable[[Any], Any]) -> Any:
    """Return the images with ``change`` made to the chosen ones; one entry decides for all."""
    if len(chosen) == 1 or chosen.all() or not chosen.any():
        return change(img) if chosen.any() else img
    index = array_module(img.array).asarray(np.flatnonzero(chosen))
    changed = change(img[index])
    if tuple(changed.shape[1:]) != tuple(img.shape[1:]) or changed.dtype != img.dtype:
        raise RuntimeError(
            f"{name}: expected changed images of the shape and dtype of the others, {tuple(img.shape[1:])} and "
            f"{img.dtype}, to put them into one batch, got {tuple(changed.shape[1:])} and {changed.dtype}; pass "
            "same_on_batch=True"
        )
    return ops.index_put(img, (index,), changed)
