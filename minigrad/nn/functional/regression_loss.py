"""Losses of regression, and of distributions: how far numbers are from numbers, or a distribution from another."""

from __future__ import annotations

import math
import warnings

import numpy as np

from minigrad import ops
from minigrad.nn.functional.reduction import (
    check_same_shape,
    check_tensors,
    nan_where,
    reduced,
    refuse_legacy,
    weighted,
)
from minigrad.tensor import Tensor

__all__ = ["gaussian_nll_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss"]


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean squared error: mean of (x - t)^2; with ``weight``, of its shape, sum of w (x - t)^2 / sum of w."""
    refuse_legacy("mse_loss", size_average, reduce)
    check_same_shape("mse_loss", input, target)
    return weighted(ops.square(input - target), weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean absolute error: mean of abs(x - t); ``weight`` as in :func:`mse_loss`."""
    refuse_legacy("l1_loss", size_average, reduce)
    check_same_shape("l1_loss", input, target)
    return weighted(ops.absolute(input - target), weight, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 for an error d up to ``delta``, and a straight line of slope ``delta`` beyond: outliers pull less.

    Huber, "Robust estimation of a location parameter", 1964. ``weight``, of the input's shape, multiplies each entry;
    the mean is that of w l, not divided by the sum of the weights as in :func:`mse_loss`.
    """
    if not delta > 0:
        raise RuntimeError(f"huber_loss: expected delta above 0, got {delta}")
    check_same_shape("huber_loss", input, target)
    loss = ops.huber(input, target, delta)
    if weight is not None:
        check_same_shape("huber_loss", loss, weight, ("input", "weight"))
        loss = loss * weight
    return reduced(loss, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """abs(d) - beta / 2 for an error d beyond ``beta``, and the parabola d^2 / (2 beta) that joins it, below.

    It is :func:`huber_loss` divided by ``beta``: the slope stays 1 whatever beta is (Girshick, "Fast R-CNN", 2015).
    """
    refuse_legacy("smooth_l1_loss", size_average, reduce)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: expected beta from 0 on, got {beta}")
    check_same_shape("smooth_l1_loss", input, target)
    loss = ops.absolute(input - target) if beta == 0 else ops.huber(input, target, beta)
    return reduced(loss if beta in (0, 1) else loss / beta, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: None = None,
    eps: float = 1e-8,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of counts t: e^x - t x, where x is the logarithm of the expected count.

    With ``log_input=False`` x is the expected count itself, x - t log(x + eps). The term log(t!), which depends on the
    target only, is left out, unless ``full=True`` adds Stirling's approximation of it for t > 1.
    """
    refuse_legacy("poisson_nll_loss", size_average, reduce)
    check_same_shape("poisson_nll_loss", input, target)
    loss = ops.exp(input) - target * input if log_input else input - target * ops.log(input + eps)
    if full:
        large = target > 1
        t = ops.where(large, target, 1.0)  # so that log(0) is never taken
        loss = loss + ops.where(large, t * ops.log(t) - t + 0.5 * ops.log(2 * math.pi * t), 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of t under a normal distribution: (log v + (x - t)^2 / v) / 2 for mean x, variance v.

    Nix and Weigend, "Estimating the mean and variance of the target probability distribution", 1994.

    Parameters
    ----------
    input, target : Tensor
        Means and values, of one shape.
    var : Tensor or float
        Variances: one number, a tensor of the shape of ``input``, or one with a single variance for each row. It is
        the variance, not its logarithm nor a standard deviation; a network's output is made one by softplus or exp.
    full : bool
        Add the constant log(2 pi) / 2.
    eps : float
        Smaller variances are raised to it; their gradient goes through as if they were not.

    Raises
    ------
    ValueError
        A variance is negative. On a GPU, where to look would mean to wait, the loss is NaN instead.
    """
    check_same_shape("gaussian_nll_loss", input, target)
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError(f"gaussian_nll_loss: expected a variance from 0 on, got {var}")
        v: Tensor | float = max(float(var), eps)
        log_v: Tensor | float = math.log(v)
    else:
        v = _variance(input, var, eps)
        log_v = ops.log(v)
    loss = 0.5 * (ops.square(input - target) / v + log_v)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def _variance(input: Tensor, var: Tensor, eps: float) -> Tensor:
    check_tensors("gaussian_nll_loss", var)
    if var.shape == input.shape[:-1] and var.shape != input.shape:
        var = var.unsqueeze(-1)
    if var.shape not in (input.shape, (*input.shape[:-1], 1)):
        raise ValueError(
            f"gaussian_nll_loss: expected a var of the input's shape {tuple(input.shape)}, or one for each row, "
            f"{tuple(input.shape[:-1])}; got {tuple(var.shape)}"
        )
    array = var.array
    raised = var + (ops.clamp(var.detach(), eps) - var.detach())  # the value of clamp, the gradient of var
    if type(array) is not np.ndarray:
        return nan_where(array < 0, raised)
    if array.size and array.min() < 0:
        raise ValueError(
            f"gaussian_nll_loss: expected variances from 0 on, got one of {array.min()}; is it the logarithm? Then "
            "pass var.exp(). softplus makes a variance of anything"
        )
    return raised


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of the target from the input: sum of t (log t - x), where x are *log* probabilities.

    KL(t || input) = sum t log(t / p) with x = log p: the model's output comes first and as a logarithm, from
    :func:`log_softmax`; probabilities in its place give a number that means nothing. Kullback and Leibler, 1951.

    Parameters
    ----------
    input : Tensor
        Log probabilities.
    target : Tensor
        Probabilities, of the same shape; their logarithms with ``log_target=True``.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" divides the sum by the size of dim 0, which is the divergence; "mean" divides it by the number of
        entries, and warns.

    Examples
    --------
    >>> import minigrad
    >>> p, t = minigrad.tensor([[0.5, 0.5]]), minigrad.tensor([[0.75, 0.25]])
    >>> kl_div(p.log(), t, reduction="batchmean")
    tensor(0.1308)
    """
    refuse_legacy("kl_div", size_average, reduce)
    check_same_shape("kl_div", input, target)
    if log_target:
        loss = ops.exp(target) * (target - input)
    else:
        positive = target > 0
        log_t = ops.log(ops.where(positive, target, 1.0))  # so that 0 log 0 is 0
        loss = target * (ops.where(positive, log_t, 0.0) - input)
    if reduction == "batchmean":
        total = ops.sum_(loss)
        return total / input.shape[0] if input.ndim else total
    if reduction == "mean":
        warnings.warn(
            "kl_div: reduction='mean' divides by the number of entries, which is not the divergence; use "
            "reduction='batchmean', which divides by the size of the batch",
            stacklevel=2,
        )
    return reduced(loss, reduction)
