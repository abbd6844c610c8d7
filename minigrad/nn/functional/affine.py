"""Affine maps as functions."""

from __future__ import annotations

from minigrad import ops
from minigrad.tensor import Tensor

__all__ = ["linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W^T + b: weight (out, in), bias (out,), input (..., in); a weight of shape (in,) gives one number each.

    Raises
    ------
    RuntimeError
        The last dimension of the input is not ``in``, or the dtypes differ.
    """
    if weight.ndim == 1:
        y = ops.matmul(input, weight)
        return y if bias is None else y + bias
    return ops.linear(input, weight, bias)
