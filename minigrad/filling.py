"""Filling a tensor that is already there: with a value, with another tensor's values, with random numbers.

What was there before has no part in the result, so the history that :func:`overwrite` leaves is that of the new values
alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import Generator, array_module, default_generator
from minigrad.inplace import overwrite


def filled(x: Any, value: Any) -> Any:
    """Return ``value`` in the shape of ``x``, with the history of ``value`` only."""
    return ops.setitem(x, value, ...)


def diagonal_filled(x: Any, value: float, wrap: bool) -> Any:
    """Return ``x`` with one value on its main diagonal."""
    shape = tuple(x.shape)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise RuntimeError(f"fill_diagonal_: expected a matrix, or dimensions of one length, got {shape}")
    step = sum(math.prod(shape[d + 1 :]) for d in range(len(shape)))  # from one entry to the next, in row-major order
    end = None if wrap or len(shape) > 2 else shape[1] ** 2  # where the diagonal of a tall matrix has left it
    return ops.reshape(ops.setitem(ops.reshape(x, (-1,)), value, slice(None, end, step)), shape)


def _next_after_highest(dtype: Any) -> int:
    if dtype.kind == "f":
        return int(2 ** (np.finfo(dtype).nmant + 1))
    return 2 if dtype.kind == "b" else int(np.iinfo(dtype).max)


class Filling(TensorBase):
    """Methods that replace all values of a tensor."""

    __slots__ = ()

    def zero_(self) -> Any:
        """Fill with zeros."""
        return self.fill_(0)

    def fill_(self, value: Any) -> Any:
        """Fill with one value."""
        return overwrite(self, "fill_", filled, (value,), {})

    def copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
        """Fill with the values of ``src``, broadcast and converted."""
        source: Any = src if isinstance(src, TensorBase) else tensor_of(np.asarray(src))
        return overwrite(self, "copy_", filled, (source.to(self.device, self.dtype),), {})

    def fill_diagonal_(self, fill_value: float, wrap: bool = False) -> Any:
        """Fill the main diagonal with one value; with ``wrap`` it starts again below the end of a tall matrix."""
        return overwrite(self, "fill_diagonal_", diagonal_filled, (fill_value, wrap), {})

    # ----------------------------------------------------------------------------------------------------------
    # Drawn from a distribution

    def uniform_(self: Any, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Fill with draws from [from_, to)."""
        g = generator or default_generator(self.device)
        return self._fill_random("uniform_", g.uniform(self.array.shape, from_, to, self.dtype))

    def normal_(self: Any, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Fill with draws from a normal distribution."""
        g = generator or default_generator(self.device)
        return self._fill_random("normal_", g.normal(self.array.shape, mean, std, self.dtype))

    def log_normal_(self: Any, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Any:
        """Fill with draws whose logarithms are normally distributed with ``mean`` and ``std``."""
        g = generator or default_generator(self.device)
        xp = array_module(self.array)
        return self._fill_random("log_normal_", xp.exp(g.normal(self.array.shape, mean, std, self.dtype)))

    def exponential_(self: Any, lambd: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Fill with draws from the exponential distribution of rate ``lambd``: -log(1 - u) / lambd for uniform u."""
        if lambd <= 0:
            raise RuntimeError(f"exponential_: expected lambd > 0, got {lambd}")
        xp, u = self._uniform(generator)
        return self._fill_random("exponential_", xp.log1p(-u) / -lambd)

    def cauchy_(self: Any, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Fill with draws from the Cauchy distribution: median + sigma tan(pi (u - 1/2)) for uniform u."""
        if sigma <= 0:
            raise RuntimeError(f"cauchy_: expected sigma > 0, got {sigma}")
        xp, u = self._uniform(generator)
        return self._fill_random("cauchy_", median + sigma * xp.tan(math.pi * (u - 0.5)))

    def geometric_(self: Any, p: float, *, generator: Generator | None = None) -> Any:
        """Fill with how often to try, 1 or more, until what succeeds with probability ``p`` does."""
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_: expected p between 0 and 1, got {p}")
        g = generator or default_generator(self.device)
        xp = array_module(self.array)
        tries = xp.ceil(xp.log1p(-g.uniform(self.array.shape)) / math.log1p(-p))
        return self._fill_random("geometric_", xp.maximum(tries, 1).astype(self.dtype))

    def bernoulli_(self: Any, p: Any = 0.5, *, generator: Generator | None = None) -> Any:
        """Fill with 1 with probability ``p``, which may be a tensor, else 0."""
        g = generator or default_generator(self.device)
        chance = p.array if isinstance(p, TensorBase) else p
        return self._fill_random("bernoulli_", (g.uniform(self.array.shape) < chance).astype(self.dtype))

    def random_(self: Any, from_: int = 0, to: int | None = None, *, generator: Generator | None = None) -> Any:
        """Fill with integers from ``from_`` to ``to - 1``: ``random_(6)``, ``random_(1, 7)``.

        Without bounds they are all that the dtype holds from 0 on; of the floats those up to 2^24 or 2^53.
        """
        if to is None and from_ != 0:
            from_, to = 0, from_
        if to is None:
            to = _next_after_highest(self.dtype)
        if to <= from_:
            raise RuntimeError(f"random_: expected from_ < to, got {from_} and {to}")
        g = generator or default_generator(self.device)
        return self._fill_random("random_", g.integers(from_, to, self.array.shape).astype(self.dtype))

    def _uniform(self: Any, generator: Generator | None) -> Any:
        g = generator or default_generator(self.device)
        return array_module(self.array), g.uniform(self.array.shape, dtype=self.dtype)

    def _fill_random(self, name: str, values: Any) -> Any:
        return overwrite(self, name, filled, (tensor_of(values),), {})
