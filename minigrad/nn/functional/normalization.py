"""Normalisation as functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minigrad import ops
from minigrad.creation import zeros
from minigrad.tensor import Tensor

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]


def _refuse_integers(name: str, input: Tensor) -> None:
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating tensor, got {input.dtype}; use x.float()")


# --------------------------------------------------------------------------------------------------------------
# Each channel, over the batch or in each sample


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of (N, C, ...) to mean 0 and variance 1, then scale by weight and shift by bias.

    In training with the statistics of the batch, which also move ``running_mean`` and ``running_var`` in place by
    ``momentum`` of the difference; in evaluation with the running ones. The batch is normalised with the biased
    variance (divided by n), ``running_var`` takes the unbiased one (n - 1). Ioffe and Szegedy (2015).

    Raises
    ------
    ValueError
        One value per channel in training: its variance is 0 and every output would be the bias.
    """
    array = input.array
    _refuse_integers("batch_norm", input)
    for v in (running_mean, running_var, weight, bias):
        if array.ndim < 2 or (v is not None and v.array.shape != array.shape[1:2]):
            found = "" if v is None or array.ndim < 2 else f" and a vector of shape {tuple(v.shape)}"
            raise RuntimeError(
                "batch_norm: expected an input of shape (N, C, ...) and vectors with one entry per channel, got "
                f"{tuple(array.shape)}{found}"
            )
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: evaluation needs running_mean and running_var, and there are none")
        return ops.batch_norm_fixed(input, running_mean, running_var, weight, bias, eps)
    if array.size == array.shape[1]:
        raise ValueError(
            f"batch_norm: expected more than 1 value per channel when training, got input of shape {tuple(array.shape)}"
            "; use a larger batch (drop_last=True in the DataLoader), or model.eval()"
        )
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: expected running_mean and running_var, or neither of them, got only one")
    running = None
    if running_mean is not None and running_var is not None and array.size:  # an empty batch has no statistics
        running = (running_mean.array, running_var.array)
        running_mean.writes().add("batch_norm()")
        running_var.writes().add("batch_norm()")
    return ops.batch_norm(input, weight, bias, eps, momentum, running)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample of (N, C, ...): group norm with groups of one channel.

    Running statistics move as in batch norm, towards the mean over the samples of their statistics. Without
    ``use_input_stats`` they are what normalises. Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.

    Raises
    ------
    ValueError
        One value per channel of a sample: its variance is 0.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    shape = tuple(input.shape)
    if len(shape) < 3 or math.prod(shape[2:]) == 1:
        raise ValueError(
            "instance_norm: expected an input (N, C, ...) with more than 1 value per channel of a sample, got shape "
            f"{shape}"
        )
    n, c = shape[:2]
    if running_mean is None and running_var is None:
        return group_norm(input, c, weight, bias, eps)

    def repeated(v: Tensor | None) -> Tensor | None:
        return None if v is None else ops.reshape(ops.broadcast_to(v, (n, c)), (n * c,))

    mean, var = (v if v is None else v.clone() for v in map(repeated, (running_mean, running_var)))
    apart = ops.reshape(input, (1, n * c, *shape[2:]))
    y = batch_norm(apart, mean, var, repeated(weight), repeated(bias), True, momentum, eps)
    for running, of_each in ((running_mean, mean), (running_var, var)):
        if running is not None and of_each is not None and n:
            running.data.copy_(ops.mean(ops.reshape(of_each, (n, c)), 0))
    return ops.reshape(y, shape)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise groups of channels of each sample of (N, C, ...), then scale and shift each channel.

    It lies between layer norm (one group) and instance norm (as many groups as channels). Wu and He, "Group
    normalization", 2018.

    Raises
    ------
    RuntimeError
        The channels cannot be divided into ``num_groups`` groups of one size.
    ValueError
        One value per group: its variance is 0.
    """
    shape = tuple(input.shape)
    _refuse_integers("group_norm", input)
    if len(shape) < 2 or num_groups < 1 or shape[1] % num_groups:
        raise RuntimeError(
            f"group_norm: expected an input (N, C, ...) with C divisible by num_groups={num_groups}, got shape {shape}"
        )
    if math.prod(shape) == num_groups:
        raise ValueError(f"group_norm: expected more than 1 value per group, got input of shape {shape}")
    for v in (weight, bias):
        if v is not None and v.array.shape != shape[1:2]:
            raise RuntimeError(
                f"group_norm: expected a weight and a bias for each of {shape[1]} channels, got {tuple(v.shape)}"
            )
    return ops.group_norm(input, weight, bias, num_groups, eps)


# --------------------------------------------------------------------------------------------------------------
# The last dimensions of each sample


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise the last dimensions, which are ``normalized_shape``, to mean 0 and variance 1; scale and shift.

    ``weight`` and ``bias`` have that shape too. Ba, Kiros and Hinton, "Layer normalization", 2016.

    >>> import minigrad
    >>> layer_norm(minigrad.tensor([[1.0, 3.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.]])
    """
    ndim = _checked_shape("layer_norm", input, normalized_shape, weight, bias)
    return ops.layer_norm(input, weight, bias, ndim, eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide the last dimensions by their root mean square, then scale: layer norm without the mean.

    ``eps=None`` takes the dtype's machine epsilon. Zhang and Sennrich, "Root mean square layer normalization", 2019.

    >>> import minigrad
    >>> rms_norm(minigrad.tensor([[1.0, 7.0]]), (2,))  # their root mean square is 5
    tensor([[0.2000, 1.4000]])
    """
    ndim = _checked_shape("rms_norm", input, normalized_shape, weight, None)
    if eps is None:
        eps = 2.0**-23 if input.array.dtype.itemsize == 4 else 2.0**-52
    return ops.layer_norm(input, weight, None, ndim, eps, False)


def _checked_shape(
    name: str, input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None
) -> int:
    """Return how many dimensions are normalised; refuse what does not fit."""
    if isinstance(normalized_shape, int):
        raise TypeError(
            f"{name}: expected normalized_shape as a tuple, got {normalized_shape}; write ({normalized_shape},)"
        )
    wanted, shape = tuple(normalized_shape), input.array.shape
    _refuse_integers(name, input)
    if not wanted or shape[len(shape) - len(wanted) :] != wanted or len(wanted) > len(shape):
        raise RuntimeError(f"{name}: expected an input whose last dimensions are {wanted}, got shape {tuple(shape)}")
    for what, v in (("weight", weight), ("bias", bias)):
        if v is not None and v.array.shape != wanted:
            raise RuntimeError(f"{name}: expected a {what} of shape {wanted}, got {tuple(v.shape)}")
    return len(wanted)


# --------------------------------------------------------------------------------------------------------------
# Without statistics


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide each entry of (N, C, ...) by (k + alpha s)^beta, s the mean of the squares in ``size`` channels around it.

    Channels beyond the first and the last count as zeros. Krizhevsky, Sutskever and Hinton (2012).
    """
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise ValueError(f"local_response_norm: expected at least 3 dimensions, (N, C, ...), got shape {shape}")
    if size < 1:
        raise RuntimeError(f"local_response_norm: expected a positive size, got {size}")
    _refuse_integers("local_response_norm", input)

    def zeros_for(channels: int) -> Tensor:
        return zeros(shape[0], channels, *shape[2:], dtype=input.dtype, device=input.device)

    squares = ops.cat([zeros_for(size // 2), ops.square(input), zeros_for((size - 1) // 2)], 1)
    total = ops.narrow(squares, 1, 0, shape[1])
    for start in range(1, size):
        total = total + ops.narrow(squares, 1, start, shape[1])
    return input / (total * (alpha / size) + k) ** beta


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None) -> Tensor:
    """Divide by the p-norm along ``dim``, or by ``eps`` where the norm is smaller: vectors of length 1.

    >>> import minigrad
    >>> normalize(minigrad.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    if out is not None:
        raise NotImplementedError("normalize: out= is not supported; write out.copy_(normalize(x))")
    return input / ops.clamp(ops.norm(input, p, dim, True), eps)
