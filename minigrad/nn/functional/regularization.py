"""Dropout, in its variants, as functions."""

from __future__ import annotations

from minigrad import ops
from minigrad.backend import Generator, default_generator, device_of
from minigrad.tensor import Tensor

__all__ = ["dropout"]


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Set each entry to 0 with probability ``p`` and scale the others by 1 / (1 - p); in evaluation do nothing.

    The scale keeps the expected value, so that evaluation needs no correction (Srivastava et al., 2014, in the
    "inverted" form).
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: expected a probability between 0 and 1, got p={p}")
    if not training or p == 0.0:
        return input
    array = input.array
    if array.dtype.kind != "f":
        raise RuntimeError(f"dropout: expected a floating tensor, got {array.dtype}; use x.float()")
    draw = (generator or default_generator(device_of(array))).uniform(array.shape)
    scale = array.dtype.type(1.0 / (1.0 - p) if p < 1.0 else 0.0)
    mask = (draw >= p) * scale
    return input.mul_(mask) if inplace else ops.mul(input, mask)
