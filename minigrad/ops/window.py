"""A window that walks over an array: which input lies under which entry of the kernel, for every output.

Output o, kernel entry k and input i belong together where, along each dimension,

    i = stride o + dilation k - padding

For one k the outputs that have such an i form a slice, and so do their inputs, with ``stride`` as its step. Hence
nobody has to copy windows or to visit outputs: the walk takes one step for each entry of the kernel, and each step
handles all outputs at once. Max pooling, for example, starts from y = -inf and does::

    for _, outputs, inputs in window.steps():
        y[..., *outputs] = maximum(y[..., *outputs], x[..., *inputs])

Padding is never stored either: it is where a step has no input.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Sizes = tuple[int, ...]
Slices = tuple[slice, ...]


class Window(NamedTuple):
    """The geometry of a walk, one number for each spatial dimension in every field."""

    size: Sizes  # of the input
    out: Sizes  # of the output
    kernel: Sizes
    stride: Sizes
    padding: Sizes  # before the first input; behind the last one the other numbers decide
    dilation: Sizes

    def along(self, d: int) -> tuple[tuple[int, slice, slice], ...]:
        """Return the steps of dimension ``d`` alone: kernel entry, its outputs, their inputs."""
        return _along(*(numbers[d] for numbers in self))

    def steps(self) -> tuple[tuple[Sizes, Slices, Slices], ...]:
        """Return the steps of the whole walk: kernel entry, its outputs, their inputs, in row-major order."""
        return _steps(self)

    def inside(self, *dims: int) -> bool:
        """Whether no window reaches into the padding, along ``dims`` or everywhere."""
        return all(
            self.padding[d] <= 0
            and self.stride[d] * (self.out[d] - 1) + self.dilation[d] * (self.kernel[d] - 1) - self.padding[d]
            < self.size[d]
            for d in dims or range(len(self.size))
        )

    def apart(self, *dims: int) -> bool:
        """Whether no two windows share an input, along ``dims`` or at all."""
        return all(self.stride[d] > self.dilation[d] * (self.kernel[d] - 1) for d in dims or range(len(self.size)))

    def is_slice(self) -> bool:
        """Whether a window has one entry and the next one has the next: the outputs are a slice of the inputs."""
        return math.prod(self.kernel + self.stride) == 1 and self.inside()

    def rows(self, n: int) -> Iterator[tuple[slice, Window]]:
        """Cut the output into blocks of ``n`` along its first dimension: each is a window with less output."""
        for start in range(0, self.out[0], n):
            stop = min(start + n, self.out[0])
            padding = self.padding[0] - self.stride[0] * start
            block = self._replace(out=(stop - start, *self.out[1:]), padding=(padding, *self.padding[1:]))
            yield slice(start, stop), block


@functools.lru_cache(maxsize=1024)
def _along(
    size: int, out: int, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[tuple[int, slice, slice], ...]:
    steps = []
    for k in range(kernel):
        shift = dilation * k - padding  # i = stride o + shift
        first = max(-(shift // stride), 0)  # the smallest o with i >= 0
        stop = min((size - 1 - shift) // stride + 1, out)
        if first < stop:
            inputs = slice(stride * first + shift, stride * (stop - 1) + shift + 1, stride)
            steps.append((k, slice(first, stop), inputs))
    return tuple(steps)


@functools.lru_cache(maxsize=256)
def _steps(window: Window) -> tuple[tuple[Sizes, Slices, Slices], ...]:
    every = itertools.product(*(window.along(d) for d in range(len(window.size))))
    return tuple(tuple(zip(*step)) for step in every)


@functools.lru_cache(maxsize=256)
def window_over(
    name: str, size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool = False
) -> Window:
    """Return the window with as many outputs as fit into the input and its padding on both sides.

    Where the stride leaves inputs over at the end, ``ceil_mode`` adds an output for them, unless its window would
    start in the padding.

    Raises
    ------
    RuntimeError
        Not even one output fits.
    """
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation):
        room = n + 2 * p - d * (k - 1) - 1
        o = (room + (s - 1 if ceil_mode else 0)) // s + 1
        out.append(o - 1 if ceil_mode and (o - 1) * s >= n + p else o)
    if min(out) < 1:
        padded = tuple(n + 2 * p for n, p in zip(size, padding))
        reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
        raise RuntimeError(
            f"{name}: the kernel reaches over {reach}, more than the input {size}"
            + (f", with its padding {padded}." if any(padding) else ".")
            + " Use a smaller kernel or more padding, or is the input pooled too often before?"
        )
    return Window(size, tuple(out), kernel, stride, padding, dilation)


def sizes(name: str, argument: str, value: int | Sequence[int], dims: int, least: int = 1) -> Sizes:
    """Return an argument with one number for all dimensions, or one for each, as a tuple.

    Raises
    ------
    RuntimeError
        It has neither one number nor ``dims`` of them, or one is smaller than ``least``.
    """
    numbers = tuple(value) if isinstance(value, Sequence) else (value,)
    numbers = numbers * dims if len(numbers) == 1 else numbers
    try:
        numbers = tuple(map(operator.index, numbers))
    except TypeError:
        raise TypeError(f"{name}: expected whole numbers as {argument}, got {value!r}") from None
    if len(numbers) != dims:
        raise RuntimeError(f"{name}: expected one number or {dims} as {argument}, one for each dimension, got {value}")
    if min(numbers) < least:
        raise RuntimeError(f"{name}: expected {argument} of at least {least}, got {value}")
    return numbers
