"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.backend import Generator, array_module, default_generator
from minigrad.nn import ModuleList
from minigrad.tensor import Tensor
from minigrad.transforms.randomness import RandomTransform, on_chosen, probability

__all__ = ["Compose", "RandomApply", "RandomChoice", "RandomOrder"]

Transform = Callable[[Any], Any]


class Compose:
    """Apply transforms one after the other.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import transforms
    >>> augment = transforms.Compose([transforms.Pad(1), transforms.CenterCrop(2)])
    >>> augment
    Compose(
        Pad(padding=1, fill=0, padding_mode=constant)
        CenterCrop(size=(2, 2))
    )
    >>> augment(minigrad.ones(1, 2, 2)).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = _checked(type(self).__name__, transforms)

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(\n{_lines(self.transforms)}\n)"

    @property
    def takes_batches(self) -> bool:
        """Whether all of them take batches as they take images."""
        return _take_batches(self.transforms)


def _checked(name: str, transforms: Any) -> Any:
    if not isinstance(transforms, (Sequence, ModuleList)):
        raise TypeError(
            f"{name}: expected a list of transforms, got {type(transforms).__name__}; write {name}([a, b, ...])"
        )
    for k, transform in enumerate(transforms):
        if not callable(transform) or isinstance(transform, type):
            what = transform.__name__ if isinstance(transform, type) else f"a {type(transform).__name__}"
            hint = f"; make one: {what}(...)" if isinstance(transform, type) else ""
            raise TypeError(f"{name}: expected transforms, entry {k} is {what}{hint}")
    return transforms


def _lines(transforms: Any) -> str:
    return "\n".join("    " + repr(transform).replace("\n", "\n    ") for transform in transforms)


def _take_batches(transforms: Any) -> bool:
    return all(getattr(transform, "takes_batches", False) for transform in transforms)


class _RandomTransforms(RandomTransform):
    """A random transform made of others, which it keeps in a tuple: they need be no modules."""

    def __init__(self, transforms: Any, same_on_batch: bool, generator: Generator | None) -> None:
        super().__init__(same_on_batch, generator)
        _checked(type(self).__name__, transforms)
        self.__dict__["transforms"] = transforms  # past the check for lists of layers: nothing in here is trained

    transforms: Any

    @property
    def takes_batches(self) -> bool:
        """Whether all of them take batches as they take images."""
        return _take_batches(self.transforms)

    def _draws(self, img: Any) -> int:
        """Return how many draws are needed: what is no image, such as an array for ToTensor, takes one."""
        return self.count(img) if isinstance(img, Tensor) else 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}(\n{_lines(self.transforms)}\n)"


class RandomApply(_RandomTransforms):
    """Apply all of some transforms, or none, with probability ``p``.

    In a batch each image has its own luck; then the transforms must keep shape and dtype.
    """

    def __init__(
        self,
        transforms: Sequence[Transform] | ModuleList,
        p: float = 0.5,
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(transforms, same_on_batch, generator)
        self.p = probability("RandomApply", p)

    def forward(self, img: Any) -> Any:
        generator = self.generator or default_generator()
        chosen = generator.uniform((self._draws(img),), dtype=np.dtype("float64")) < self.p
        return on_chosen("RandomApply", img, chosen, self._all)

    def _all(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return f"RandomApply(\n    p={self.p}\n{_lines(self.transforms)}\n)"


class RandomOrder(_RandomTransforms):
    """Apply some transforms in random order: one order for all images of a batch."""

    def __init__(
        self, transforms: Sequence[Transform], *, same_on_batch: bool = False, generator: Generator | None = None
    ) -> None:
        super().__init__(transforms, same_on_batch, generator)

    def forward(self, img: Any) -> Any:
        for k in (self.generator or default_generator()).permutation(len(self.transforms)).tolist():
            img = self.transforms[k](img)
        return img


class RandomChoice(_RandomTransforms):
    """Apply one of some transforms.

    In a batch each image has its own; then all of them must make the same shape and dtype.

    Parameters
    ----------
    transforms : sequence of transforms
    p : sequence of float, optional
        How likely each is, up to a common factor; by default all alike.
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        p: Sequence[float] | None = None,
        *,
        same_on_batch: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(transforms, same_on_batch, generator)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(f"RandomChoice: expected p to be a list of numbers, got {type(p).__name__}")
        if p is not None and (len(p) != len(transforms) or min(p, default=0) < 0 or sum(p) <= 0):
            raise ValueError(
                f"RandomChoice: expected one weight of at least 0 for each transform, some above 0, got {p}"
            )
        self.p = p

    def forward(self, img: Any) -> Any:
        weights = np.ones(len(self.transforms)) if self.p is None else np.asarray(self.p, np.float64)
        generator = self.generator or default_generator()
        points = generator.uniform((self._draws(img),), dtype=np.dtype("float64")) * weights.sum()
        choice = np.searchsorted(weights.cumsum(), points, side="right")
        if (choice == choice[:1]).all():
            return self.transforms[int(choice[0])](img)
        parts, places = [], []
        for k in np.unique(choice):
            places.append(np.flatnonzero(choice == k))
            parts.append(self.transforms[int(k)](img[array_module(img.array).asarray(places[-1])]))
        if len({(tuple(part.shape[1:]), part.dtype) for part in parts}) > 1:
            shapes = " and ".join(f"{tuple(part.shape[1:])} {part.dtype}" for part in parts)
            raise RuntimeError(
                f"RandomChoice: expected images of one shape and dtype to put into one batch, got {shapes}; pass "
                "same_on_batch=True"
            )
        back = np.argsort(np.concatenate(places))
        return ops.cat(parts, 0)[array_module(img.array).asarray(back)]

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
