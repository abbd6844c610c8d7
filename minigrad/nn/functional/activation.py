"""Activations as functions."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from minigrad import ops
from minigrad.inplace import overwrite
from minigrad.ops import logsigmoid, sigmoid, softplus, tanh
from minigrad.tensor import Tensor

__all__ = [
    "elu",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "tanh",
]

# --------------------------------------------------------------------------------------------------------------
# Activations that can overwrite their input


def _can_overwrite(function: Any) -> Callable[..., Tensor]:
    """Give an activation PyTorch's ``inplace`` option."""

    @functools.wraps(function, updated=())
    def activation(input: Tensor, *args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:
        if inplace:
            return overwrite(input, f"{function.__name__}_", function, args, kwargs)
        return function(input, *args, **kwargs)

    return activation


elu, hardtanh, leaky_relu, relu6, silu = map(
    _can_overwrite, (ops.elu, ops.hardtanh, ops.leaky_relu, ops.relu6, ops.silu)
)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); its derivative at 0 is 0. With ``inplace=True`` the input itself is overwritten."""
    return input.relu_() if inplace else ops.relu(input)


# --------------------------------------------------------------------------------------------------------------
# Softmax


def _softmax_dim(name: str, input: Tensor, dim: int | None) -> int:
    if dim is None:
        dim = 0 if input.ndim in (0, 1, 3) else 1
        warnings.warn(f"{name}: pass dim=; leaving it out is deprecated, and took dim={dim} here", stacklevel=3)
    return dim


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Turn scores into probabilities along ``dim``: e^x_i / sum_j e^x_j."""
    dim = _softmax_dim("softmax", input, dim)
    return ops.softmax(input if dtype is None else input.to(dtype), dim)


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return the logarithm of :func:`softmax` along ``dim``, without overflow or log(0)."""
    dim = _softmax_dim("log_softmax", input, dim)
    return ops.log_softmax(input if dtype is None else input.to(dtype), dim)


def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return the softmax of -x: the smallest score gets the largest probability."""
    return softmax(-input, _softmax_dim("softmin", input, dim), dtype)
