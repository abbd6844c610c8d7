"""Activations as functions.

Those with ``inplace`` overwrite their input if it is True: that saves memory where the old values are not needed, and
is refused where they are. ``relu_(x)`` is short for ``relu(x, inplace=True)``, and so on.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

from minigrad import ops
from minigrad.backend import Generator, array_module, default_generator, device_of
from minigrad.inplace import overwrite
from minigrad.ops import (
    glu,
    hardshrink,
    logsigmoid,
    sigmoid,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
)
from minigrad.tensor import Tensor

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]


def _apply(op: Any, inplace: bool, input: Tensor, *options: Any) -> Tensor:
    if inplace:
        return overwrite(input, f"{op.__name__}_", op, options, {})
    return op(input, *options)


# --------------------------------------------------------------------------------------------------------------
# Piecewise linear


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); its derivative at 0 is 0."""
    return input.relu_() if inplace else ops.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6); its derivative at 0 and at 6 is 0."""
    return _apply(ops.relu6, inplace, input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x for x > 0, else ``negative_slope`` x."""
    return _apply(ops.leaky_relu, inplace, input, negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x for x > 0, else w x: a leaky ReLU whose slope is learned, one for all or one for each channel (dim 1).

    Raises
    ------
    RuntimeError
        ``weight`` has neither one entry nor as many as the input has channels; an input of fewer than two
        dimensions counts as one channel.
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            f"prelu: expected a weight of 1 entry, or of one for each of the {channels} channels (dim 1 of the "
            f"input), got shape {tuple(weight.shape)} for an input {tuple(input.shape)}"
        )
    if weight.ndim == 1:
        weight = weight.reshape((-1,) + (1,) * (input.ndim - 2)) if input.ndim > 1 else weight.reshape(())
    return ops.prelu(input, weight)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """x for x > 0, else a x, with a drawn from [lower, upper) for each entry in training; else their mean.

    Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015.
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: expected lower <= upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    x = input.array
    if x.dtype.kind != "f":
        raise RuntimeError(f"rrelu: expected a floating tensor, got {x.dtype}; use x.float()")
    draws = (generator or default_generator(device_of(x))).uniform(x.shape, lower, upper, x.dtype)
    slope = array_module(x).where(x > 0, x.dtype.type(1), draws)
    return overwrite(input, "rrelu_", ops.mul, (slope,), {}) if inplace else ops.mul(input, slope)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x held between ``min_val`` and ``max_val``; its derivative at both is 0."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: expected min_val <= max_val, got {min_val} and {max_val}")
    return _apply(ops.hardtanh, inplace, input, min_val, max_val)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1/2 held between 0 and 1: straight lines in place of a sigmoid (Howard et al., 2019)."""
    return _apply(ops.hardsigmoid, inplace, input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x hardsigmoid(x): SiLU without an exponential (Howard et al., "Searching for MobileNetV3", 2019)."""
    return _apply(ops.hardswish, inplace, input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is larger than ``threshold``, else ``value``."""
    return _apply(ops.threshold, inplace, input, threshold, value)


# --------------------------------------------------------------------------------------------------------------
# Smooth


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x for x > 0, else ``alpha`` (e^x - 1) (Clevert et al., 2016)."""
    return _apply(ops.elu, inplace, input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """elu(x, 1.6733) times 1.0507, by which mean 0 and variance 1 pass from layer to layer (Klambauer et al., 2017)."""
    return _apply(ops.selu, inplace, input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x for x > 0, else ``alpha`` (e^(x / alpha) - 1): an ELU without a kink for any alpha (Barron, 2017)."""
    return _apply(ops.celu, inplace, input, alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x P(X < x) for a normal X, which is x (1 + erf(x / sqrt(2))) / 2: the activation of transformers.

    ``approximate="tanh"`` takes a tanh that comes within 0.0005 of it. Hendrycks and Gimpel, "Gaussian error linear
    units", 2016.
    """
    return ops.gelu(input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x), also called swish (Hendrycks and Gimpel, 2016; Ramachandran et al., 2017)."""
    return _apply(ops.silu, inplace, input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)) (Misra, 2019)."""
    return _apply(ops.mish, inplace, input)


relu_, elu_, selu_, celu_ = (partial(f, inplace=True) for f in (relu, elu, selu, celu))
leaky_relu_, rrelu_ = partial(leaky_relu, inplace=True), partial(rrelu, inplace=True)
hardtanh_, threshold_ = partial(hardtanh, inplace=True), partial(threshold, inplace=True)

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


def gumbel_softmax(
    logits: Tensor,
    tau: float = 1,
    hard: bool = False,
    eps: float = 1e-10,
    dim: int = -1,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the categories that ``logits`` describe, in a way that can be differentiated.

    softmax((logits + G) / tau) with G = -log(-log(U)) and U uniform. Its largest entry is category i with the
    probability softmax(logits)_i, and the smaller ``tau``, the closer it is to a vector of one 1 and zeros. With
    ``hard=True`` it is one, while the gradient stays that of the soft draw. Jang et al., 2017; Maddison et al., 2017.

    Parameters
    ----------
    logits : Tensor
        Scores before softmax, or log probabilities.
    tau : float
        Temperature, above 0.
    hard : bool
        Return one-hot vectors.
    eps : float
        Ignored; there because PyTorch has it.
    dim : int
        The dimension of the categories.
    generator : Generator, optional
        Where the numbers come from, if not from minigrad's default generator.
    """
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: expected a temperature above 0, got tau={tau}")
    x = logits.array
    if x.dtype.kind != "f":
        raise RuntimeError(f"gumbel_softmax: expected floating logits, got {x.dtype}; use x.float()")
    xp = array_module(x)
    u = (generator or default_generator(device_of(x))).uniform(x.shape, dtype=x.dtype)
    gumbel = -xp.log(-xp.log(xp.maximum(u, xp.finfo(x.dtype).tiny)))  # log(0), if U is 0
    soft = ops.softmax((logits + gumbel) / tau, dim)
    if not hard:
        return soft
    y = soft.array
    largest = y.argmax(axis=dim, keepdims=True)
    shape = [-1 if d == dim % max(y.ndim, 1) else 1 for d in range(y.ndim)]
    one_hot = (xp.arange(y.shape[dim] if y.ndim else 1).reshape(shape) == largest).astype(y.dtype)
    return soft + (one_hot - y)  # the value of one_hot, the gradient of soft
