"""Normalisation as functions."""

from __future__ import annotations

from minigrad import ops
from minigrad.tensor import Tensor

__all__ = ["batch_norm"]


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
    running = None
    if running_mean is not None and running_var is not None:
        running = (running_mean.array, running_var.array)
        running_mean.writes().add("batch_norm()")
        running_var.writes().add("batch_norm()")
    return ops.batch_norm(input, weight, bias, eps, momentum, running)
