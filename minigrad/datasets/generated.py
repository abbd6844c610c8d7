"""Data sets made on the spot, as many samples as you like: to see what a network learns.

The functions return tensors, float32 samples and their labels. They carry scikit-learn's names and meanings where it
has them; the randomness comes from minigrad's generators. ``TensorDataset(*make_moons(200))`` is a data set of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.backend import Generator, default_generator
from minigrad.creation import from_numpy
from minigrad.tensor import Tensor

__all__ = ["make_blobs", "make_circles", "make_moons", "make_regression", "make_sine", "make_spirals"]

_FLOAT64 = np.dtype("float64")


def make_moons(
    n_samples: int | Sequence[int] = 100,
    *,
    shuffle: bool = True,
    noise: float | None = None,
    seed: int | None = None,
    generator: Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return points on two half circles that reach into each other: (n, 2) float32, and 0 or 1.

    Parameters
    ----------
    n_samples : int or pair of int
        How many in all, or on each.
    shuffle : bool
        Whether the classes are mixed; else all of class 0 come first.
    noise : float, optional
        The standard deviation of what is added to each coordinate.
    seed : int, optional
        Draw from a generator of this seed.
    generator : Generator, optional
        Draw from this; by default from what ``minigrad.manual_seed`` seeds.

    Examples
    --------
    >>> x, y = make_moons(200, noise=0.1, seed=0)
    >>> x.shape, y.bincount()
    (minigrad.Size([200, 2]), tensor([100, 100]))
    """
    upper, lower = _shares("make_moons", n_samples, 2, odd_to_last=True)
    a, b = np.linspace(0, np.pi, upper), np.linspace(0, np.pi, lower)
    points = [np.stack([np.cos(a), np.sin(a)], 1), np.stack([1 - np.cos(b), 0.5 - np.sin(b)], 1)]
    return _classes("make_moons", points, shuffle, noise, seed, generator)


def make_circles(
    n_samples: int | Sequence[int] = 100,
    *,
    shuffle: bool = True,
    noise: float | None = None,
    factor: float = 0.8,
    seed: int | None = None,
    generator: Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return points on a circle and on a smaller one within: (n, 2) float32, and 0 or 1 for the inner one.

    ``factor``, from 0 to below 1, is the radius of the inner circle. The others as for :func:`make_moons`.
    """
    if not 0 <= factor < 1:
        raise ValueError(f"make_circles: expected a factor from 0 to below 1, got {factor}")
    outer, inner = _shares("make_circles", n_samples, 2, odd_to_last=True)
    points = []
    for n, radius in ((outer, 1.0), (inner, factor)):
        angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
        points.append(radius * np.stack([np.cos(angle), np.sin(angle)], 1))
    return _classes("make_circles", points, shuffle, noise, seed, generator)


def make_spirals(
    n_samples: int | Sequence[int] = 100,
    *,
    shuffle: bool = True,
    noise: float | None = None,
    arms: int = 2,
    turns: float = 1.0,
    seed: int | None = None,
    generator: Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return points on spirals around each other, from the middle to radius 1: (n, 2) float32, and the arm, int64.

    ``turns`` is how often an arm goes around. The others as for :func:`make_moons`.
    """
    if arms < 1:
        raise ValueError(f"make_spirals: expected at least one arm, got {arms}")
    points = []
    for arm, n in enumerate(_shares("make_spirals", n_samples, arms)):
        radius = np.linspace(0, 1, n + 1)[1:]
        angle = 2 * np.pi * (turns * radius + arm / arms)
        points.append(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1))
    return _classes("make_spirals", points, shuffle, noise, seed, generator)


def make_blobs(
    n_samples: int | Sequence[int] = 100,
    n_features: int = 2,
    *,
    centers: int | Any | None = None,
    cluster_std: float | Sequence[float] = 1.0,
    center_box: Sequence[float] = (-10.0, 10.0),
    shuffle: bool = True,
    seed: int | None = None,
    generator: Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return points around some centres: (n, n_features) float32, and the number of the centre, int64.

    Parameters
    ----------
    n_samples : int or sequence of int
        How many in all, or around each centre.
    centers : int or array, optional
        How many centres to draw from ``center_box``, or (number, n_features) of your own; by default 3.
    cluster_std : float or sequence of float
        The standard deviation around all centres, or around each.
    shuffle, seed, generator
        As for :func:`make_moons`.
    """
    draw = _generator("make_blobs", seed, generator)
    if centers is None:
        centers = 3 if isinstance(n_samples, int) else len(n_samples)
    if isinstance(centers, int):
        places = draw.uniform((centers, n_features), center_box[0], center_box[1], _FLOAT64)
    else:
        places = np.asarray(centers.tolist() if isinstance(centers, Tensor) else centers, np.float64)
    if places.ndim != 2 or not len(places):
        raise ValueError(
            f"make_blobs: expected at least one centre, as a number or (number, features), got {centers!r}"
        )
    spreads = np.broadcast_to(np.asarray(cluster_std, np.float64), len(places))
    shares = _shares("make_blobs", n_samples, len(places))
    points = [
        place + spread * draw.normal((n, places.shape[1]), dtype=_FLOAT64)
        for place, spread, n in zip(places, spreads, shares)
    ]
    return _classes("make_blobs", points, shuffle, None, None, draw)


def make_regression(
    n_samples: int = 100,
    n_features: int = 100,
    *,
    n_informative: int = 10,
    n_targets: int = 1,
    bias: float = 0.0,
    noise: float = 0.0,
    shuffle: bool = True,
    coef: bool = False,
    seed: int | None = None,
    generator: Generator | None = None,
) -> tuple[Tensor, ...]:
    """Return normal samples X and y = X w + bias + noise: float32 (n, n_features) and (n,).

    Parameters
    ----------
    n_informative : int
        How many entries of w are not 0: they lie between 0 and 100, at random places if ``shuffle``.
    n_targets : int
        How many y: with more than one, y is (n, n_targets).
    noise : float
        The standard deviation of what is added to y.
    coef : bool
        Whether w is returned as a third tensor.
    seed, generator
        As for :func:`make_moons`.
    """
    draw = _generator("make_regression", seed, generator)
    x = draw.normal((n_samples, n_features), dtype=_FLOAT64)
    informative = min(n_informative, n_features)
    w = np.zeros((n_features, n_targets))
    w[:informative] = draw.uniform((informative, n_targets), 0.0, 100.0, _FLOAT64)
    if shuffle:
        w = w[draw.permutation(n_features)]
    y = x @ w + bias
    if noise > 0:
        y += draw.normal(y.shape, 0.0, noise, _FLOAT64)
    if n_targets == 1:
        y, w = y[:, 0], w[:, 0]
    parts = tuple(from_numpy(part.astype(np.float32)) for part in (x, y, w))
    return parts if coef else parts[:2]


def make_sine(
    n_samples: int = 100,
    *,
    noise: float | None = None,
    periods: float = 1.0,
    shuffle: bool = True,
    seed: int | None = None,
    generator: Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return evenly spaced x from -pi to pi and sin(periods x), both (n, 1) float32, as a linear layer takes them.

    ``noise`` is the standard deviation of what is added to y. The others as for :func:`make_moons`.
    """
    draw = _generator("make_sine", seed, generator)
    x = np.linspace(-math.pi, math.pi, n_samples)[:, None]
    y = np.sin(periods * x)
    if noise:
        y += draw.normal(y.shape, 0.0, noise, _FLOAT64)
    order = draw.permutation(n_samples) if shuffle else slice(None)
    return from_numpy(x[order].astype(np.float32)), from_numpy(y[order].astype(np.float32))


def _generator(name: str, seed: int | None, generator: Generator | None) -> Generator:
    if seed is not None and generator is not None:
        raise ValueError(f"{name}: expected seed or generator, got both")
    if seed is not None:
        return Generator().manual_seed(seed)
    return generator or default_generator()


def _shares(name: str, n_samples: int | Sequence[int], parts: int, odd_to_last: bool = False) -> list[int]:
    """Return how many samples each part gets; what one number leaves over goes to the first ones, or the last ones."""
    if not isinstance(n_samples, int):
        if len(n_samples) != parts:
            raise ValueError(
                f"{name}: expected n_samples as one number or {parts}, one for each class, got {n_samples}"
            )
        return list(n_samples)
    if n_samples < 0:
        raise ValueError(f"{name}: expected n_samples of at least 0, got {n_samples}")
    whole, left = divmod(n_samples, parts)
    shares = [whole + (k < left) for k in range(parts)]
    return shares[::-1] if odd_to_last else shares


def _classes(
    name: str,
    points: list[np.ndarray[Any, Any]],
    shuffle: bool,
    noise: float | None,
    seed: int | None,
    generator: Generator | None,
) -> tuple[Tensor, Tensor]:
    """Return the points of all classes, mixed and with noise, and the numbers of their classes."""
    draw = _generator(name, seed, generator)
    x = np.concatenate(points)
    y = np.repeat(np.arange(len(points)), [len(part) for part in points])
    if shuffle:
        order = draw.permutation(len(x))
        x, y = x[order], y[order]
    if noise is not None:
        if noise < 0:
            raise ValueError(f"{name}: expected noise of at least 0, got {noise}")
        x = x + draw.normal(x.shape, 0.0, noise, _FLOAT64)
    return from_numpy(x.astype(np.float32)), from_numpy(y.astype(np.int64))
