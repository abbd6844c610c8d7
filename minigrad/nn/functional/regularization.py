"""Dropout, in its variants, as functions."""

from __future__ import annotations

import math
import warnings
from typing import Any

from minigrad import ops
from minigrad.autograd.node import tensor_of
from minigrad.backend import Generator, array_module, default_generator, device_of
from minigrad.tensor import Tensor

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def _does_nothing(name: str, input: Tensor, p: float, training: bool) -> bool:
    """Return whether the input is to be passed on; refuse what cannot be dropped from."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: expected a probability between 0 and 1, got p={p}")
    if not training or p == 0.0:
        return True
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating tensor, got {input.dtype}; use x.float()")
    return False


def _kept(input: Tensor, shape: tuple[int, ...], p: float, generator: Generator | None) -> Any:
    """Draw an array of ``shape`` that is True with probability 1 - p."""
    array = input.array
    return (generator or default_generator(device_of(array))).bernoulli(shape, 1.0 - p)


def _dropped(input: Tensor, shape: tuple[int, ...], p: float, inplace: bool, generator: Generator | None) -> Tensor:
    """Multiply by 0 with probability ``p``, else by 1 / (1 - p); ``shape`` is that of the draws, and broadcasts."""
    array = input.array
    scale = array.dtype.type(1.0 / (1.0 - p) if p < 1.0 else 0.0)
    kept = _kept(input, shape, p, generator)
    xp = array_module(array)
    mask = xp.multiply(kept, scale, dtype=array.dtype)
    if shape != array.shape and array.strides[0] < array.strides[1]:
        mask = mask.copy(order="F")  # in the order in memory of the input: two orders together are slow
    return input.mul_(tensor_of(mask)) if inplace else ops.mul(input, tensor_of(mask))


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Set each entry to 0 with probability ``p`` and scale the others by 1 / (1 - p); in evaluation do nothing.

    The scale keeps the expected value, so that evaluation needs no correction (Srivastava et al., 2014, in the
    "inverted" form).
    """
    if _does_nothing("dropout", input, p, training):
        return input
    return _dropped(input, input.array.shape, p, inplace, generator)


# --------------------------------------------------------------------------------------------------------------
# Whole channels: neighbours in an image are so alike that dropping one of them takes nothing away


def _channels(input: Tensor, channel_dims: int) -> tuple[int, ...]:
    """Return the shape with one entry for each of the first ``channel_dims`` dimensions' entries."""
    shape = input.array.shape
    return (*shape[:channel_dims], *(1,) * (len(shape) - channel_dims))


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Drop whole channels of (N, C, L) or (C, L); otherwise as :func:`dropout`. Tompson et al. (2015)."""
    ndim = input.ndim
    if ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: expected an input (N, C, L) or (C, L), got shape {tuple(input.shape)}")
    if _does_nothing("dropout1d", input, p, training):
        return input
    return _dropped(input, _channels(input, ndim - 1), p, inplace, generator)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Drop whole channels of (N, C, H, W); otherwise as :func:`dropout`.

    Three dimensions are taken as (N, C, L), with a warning, as PyTorch does.
    """
    ndim, shape = input.ndim, tuple(input.shape)
    if ndim < 2:
        raise RuntimeError(f"dropout2d: expected an input (N, C, H, W), got shape {shape}; use dropout()")
    if ndim == 3:
        warnings.warn(
            f"dropout2d: an input of shape {shape} is taken as (N, C, L) and not as (C, H, W); write dropout1d(), or "
            "x.unsqueeze(0) in front of it",
            stacklevel=2,
        )
    elif ndim != 4:
        warnings.warn(f"dropout2d: expected an input (N, C, H, W), got shape {shape}; use dropout()", stacklevel=2)
    if _does_nothing("dropout2d", input, p, training):
        return input
    return _dropped(input, _channels(input, 2), p, inplace, generator)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Drop whole channels of (N, C, D, H, W) or (C, D, H, W); otherwise as :func:`dropout`."""
    ndim, shape = input.ndim, tuple(input.shape)
    if ndim == 0:
        raise RuntimeError("dropout3d: expected an input (N, C, D, H, W) or (C, D, H, W), got shape (); use dropout()")
    if ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: expected an input (N, C, D, H, W) or (C, D, H, W), got shape {shape}; use dropout()",
            stacklevel=2,
        )
    if _does_nothing("dropout3d", input, p, training):
        return input
    return _dropped(input, _channels(input, 2 if ndim == 5 else 1), p, inplace, generator)


# --------------------------------------------------------------------------------------------------------------
# For networks of SELU, whose outputs have mean 0 and variance 1

_LOWEST = -1.7580993408473766  # SELU's value at -inf, minus its scale times its alpha


def _alpha_dropped(
    input: Tensor, shape: tuple[int, ...], p: float, inplace: bool, generator: Generator | None
) -> Tensor:
    if p == 1.0:
        return input.mul_(0.0) if inplace else input * 0.0
    # Set to the lowest value, and then the affine map that brings mean and variance back to 0 and 1.
    array = input.array
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * _LOWEST**2))
    kept = _kept(input, shape, p, generator)
    xp = array_module(array)
    mask = tensor_of(xp.multiply(kept, array.dtype.type(a), dtype=array.dtype))
    shift = tensor_of(xp.where(kept, array.dtype.type(-a * p * _LOWEST), array.dtype.type(a * (1.0 - p) * _LOWEST)))
    return input.mul_(mask).add_(shift) if inplace else input * mask + shift


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Set each entry to SELU's lowest value with probability ``p``, then scale and shift all.

    What had mean 0 and variance 1 has so still. Klambauer et al., "Self-normalizing neural networks", 2017.
    """
    if _does_nothing("alpha_dropout", input, p, training):
        return input
    return _alpha_dropped(input, input.array.shape, p, inplace, generator)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Do as :func:`alpha_dropout` to whole channels of (N, C, ...)."""
    if _does_nothing("feature_alpha_dropout", input, p, training):
        return input
    if input.ndim < 2:
        raise RuntimeError(f"feature_alpha_dropout: expected an input (N, C, ...), got shape {tuple(input.shape)}")
    return _alpha_dropped(input, _channels(input, 2), p, inplace, generator)
