"""What the losses share: the reduction, and the checks of what they are given."""

from __future__ import annotations

import math
from typing import Any

from minigrad import ops
from minigrad.autograd.node import TensorBase
from minigrad.tensor import Tensor

__all__: list[str] = []  # for the losses only


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Return the mean of the entries, their sum, or the entries themselves."""
    if reduction == "mean":
        return ops.mean(loss)
    if reduction == "sum":
        return ops.sum_(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction: expected 'mean', 'sum' or 'none', got {reduction!r}")


def weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Reduce with a weight for each entry: the mean is then sum of w l / sum of w."""
    if weight is None:
        return reduced(loss, reduction)
    check_same_shape("weight", loss, weight)
    total = reduced(loss * weight, "sum" if reduction == "mean" else reduction)
    return total / weight.sum() if reduction == "mean" else total


def check_tensors(name: str, *given: Any) -> None:
    """Refuse arrays, lists and numbers in place of tensors."""
    for x in given:
        if not isinstance(x, TensorBase):
            raise TypeError(f"{name}: expected tensors, got {type(x).__name__}; wrap it in minigrad.tensor(...)")


def check_same_shape(name: str, input: Tensor, target: Tensor, names: tuple[str, str] = ("input", "target")) -> None:
    """Refuse what would broadcast: (N, 1) against (N,) gives N x N differences and trains to nonsense."""
    check_tensors(name, input, target)
    a, b = input.array.shape, target.array.shape
    if a != b:
        first, second = names
        fix = "the two must be equal"
        if len(a) == len(b) + 1 and a[-1] == 1:
            fix = f"use {second}.unsqueeze(-1)"
            if len(b) == 1:
                fix = f"use {second}.unsqueeze(1), or {first}.squeeze(1)"
        elif len(b) == len(a) + 1 and b[-1] == 1:
            fix = f"use {second}.squeeze(-1)"
        raise ValueError(f"{name}: {first} has shape {tuple(a)} and {second} {tuple(b)}; {fix}")


def nan_where(wrong: Any, loss: Tensor) -> Tensor:
    """Return the loss with NaN where a value was wrong.

    For arrays on a GPU. To raise an error there, one would have to wait for the device in every step; so the error
    shows in the loss instead, which then is NaN, whatever the reduction.
    """
    return ops.where(wrong, math.nan, loss)


def refuse_legacy(name: str, size_average: None, reduce: None) -> None:
    """Refuse what ``reduction`` has replaced."""
    if size_average is not None or reduce is not None:
        raise TypeError(f"{name}: size_average and reduce are gone; use reduction='mean', 'sum' or 'none'")
