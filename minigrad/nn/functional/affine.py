"""Affine and bilinear maps as functions."""

from __future__ import annotations

from minigrad import ops
from minigrad.tensor import Tensor

__all__ = ["bilinear", "linear"]


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


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x1^T W_k x2 + b_k for each k: weight (out, in1, in2), bias (out,), inputs (..., in1) and (..., in2).

    It is a linear map of the products of every entry of x1 with every entry of x2.

    Raises
    ------
    RuntimeError
        The inputs do not fit the weight, or each other: the dimensions in front must be the same.
    """
    a, b, w = tuple(input1.shape), tuple(input2.shape), tuple(weight.shape)
    if len(w) != 3 or a[-1:] != w[1:2] or b[-1:] != w[2:] or a[:-1] != b[:-1]:
        raise RuntimeError(
            f"bilinear: expected inputs (..., in1) and (..., in2), equal in front, and a weight (out, in1, in2), got "
            f"{a}, {b} and {w}"
        )
    products = ops.unsqueeze(input1, -1) * ops.unsqueeze(input2, -2)
    flat = (w[1] * w[2],)
    return ops.linear(ops.reshape(products, (*a[:-1], *flat)), ops.reshape(weight, (w[0], *flat)), bias)
