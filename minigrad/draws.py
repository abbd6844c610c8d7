"""Draws with a probability, a rate or a weight for each entry, which a tensor gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import tensor_of
from minigrad.backend import Generator, array_module, default_generator


def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None) -> Any:
    """Draw 1 with the probability that each entry of ``input`` gives, or ``p`` for all; else 0."""
    chance = input.array if p is None else p
    if p is None and input.dtype.kind != "f":
        raise RuntimeError(f"bernoulli: expected floating probabilities, got {input.dtype}")
    if not input.is_cuda and not np.all((np.asarray(chance) >= 0) & (np.asarray(chance) <= 1)):
        raise RuntimeError("bernoulli: expected probabilities between 0 and 1")
    drawn = (generator or default_generator(input.device)).uniform(input.shape)
    return tensor_of((drawn < chance).astype(input.dtype))


def poisson(input: Any, generator: Generator | None = None) -> Any:
    """Draw how many events happen where ``input`` are expected, independently of each other."""
    if input.dtype.kind != "f":
        raise RuntimeError(f"poisson: expected floating rates, got {input.dtype}")
    if not input.is_cuda and not (input.array >= 0).all():
        raise RuntimeError("poisson: expected rates that are not negative")
    return tensor_of((generator or default_generator(input.device)).poisson(input.array).astype(input.dtype))


def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Any:
    """Draw indices with the probabilities of a vector, or of each row of a matrix; they need not sum to 1.

    Without ``replacement`` no index is drawn twice. All waiting times E / p with E exponential, the k smallest are such
    a draw, one after the other (Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006).

    >>> import minigrad
    >>> minigrad.multinomial(minigrad.tensor([0.0, 1.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    p = input.array
    n = p.shape[-1] if p.ndim else 0
    if p.ndim not in (1, 2) or p.dtype.kind != "f" or num_samples <= 0 or (num_samples > n and not replacement):
        raise RuntimeError(
            "multinomial: expected a floating vector or matrix and 0 < num_samples, without replacement up to the "
            f"number of entries, got shape {p.shape}, {p.dtype} and num_samples={num_samples}"
        )
    if not input.is_cuda and not ((p >= 0).all() and np.isfinite(p).all() and (p.sum(-1) > 0).all()):
        raise RuntimeError("multinomial: expected finite probabilities that are not negative, nor all 0")
    xp, g = array_module(p), (generator or default_generator(input.device))
    if not replacement:
        waiting = -xp.log1p(-g.uniform(p.shape, dtype=np.float64))
        waiting = xp.where(p > 0, waiting / xp.where(p > 0, p, 1), xp.inf)
        return tensor_of(ops.topk(waiting, num_samples, -1, False).indices)
    # The interval from 0 to the sum is cut into pieces of the length of each p: in which one does a point fall?
    ends = p.cumsum(axis=-1, dtype=np.float64)
    points = g.uniform((*p.shape[:-1], num_samples), dtype=np.float64) * ends[..., -1:]
    last = n - 1 - xp.flip(p > 0, -1).argmax(axis=-1)  # rounding may put a point on the very end
    return tensor_of(xp.minimum(ops.searchsorted(ends, points, right=True), xp.expand_dims(last, -1)))
