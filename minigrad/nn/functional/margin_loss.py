"""Losses with a margin: right and wrong are to be apart by it, and what is further apart costs nothing.

They train rankings, embeddings and support vector machines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.backend import array_module
from minigrad.nn.functional.distance import pairwise_distance
from minigrad.nn.functional.loss import check_labels, check_scores, class_weight, wrong_labels
from minigrad.nn.functional.reduction import check_same_shape, check_tensors, nan_where, reduced, refuse_legacy
from minigrad.ops.promotion import INT64
from minigrad.tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

# --------------------------------------------------------------------------------------------------------------
# Two sides: the target is 1 or -1


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: None = None, reduce: None = None, reduction: str = "mean"
) -> Tensor:
    """log(1 + e^(-t x)) for targets t of 1 and -1: logistic regression, written with signs.

    With targets 0 and 1, half of the entries would cost log 2 whatever x is; those go to
    :func:`binary_cross_entropy_with_logits`.
    """
    refuse_legacy("soft_margin_loss", size_average, reduce)
    check_same_shape("soft_margin_loss", input, target)
    return reduced(-ops.logsigmoid(input * target), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1, for distances x of pairs that belong together or not.

    Hadsell, Chopra and LeCun, 2006, have squares of these.
    """
    refuse_legacy("hinge_embedding_loss", size_average, reduce)
    check_same_shape("hinge_embedding_loss", input, target)
    together = ops.where(target == -1, 0.0, input)
    apart = ops.where(target == 1, 0.0, ops.clamp(margin - input, 0.0))
    return reduced(together + apart, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - t (x1 - x2)): with t = 1, x1 is to be above x2 by the margin, with t = -1 below it.

    The three have one shape; the target may have size 1 in some of its dimensions.
    """
    refuse_legacy("margin_ranking_loss", size_average, reduce)
    check_same_shape("margin_ranking_loss", input1, input2, ("input1", "input2"))
    check_tensors("margin_ranking_loss", target)
    shape = input1.shape
    if target.ndim != len(shape) or any(n not in (1, m) for n, m in zip(target.shape, shape, strict=True)):
        check_same_shape("margin_ranking_loss", input1, target, ("input1", "target"))
    return reduced(ops.clamp(margin - target * (input1 - input2), 0.0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    ``input1`` and ``input2`` are (N, D) or (D,), the target (N,) or ().
    """
    refuse_legacy("cosine_embedding_loss", size_average, reduce)
    check_same_shape("cosine_embedding_loss", input1, input2, ("input1", "input2"))
    check_tensors("cosine_embedding_loss", target)
    if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise RuntimeError(
            "cosine_embedding_loss: expected inputs (N, D) and a target (N,), or (D,) and (); got "
            f"{tuple(input1.shape)} and {tuple(target.shape)}"
        )
    tiny = 1e-12  # keeps the cosine of a vector of zeros finite
    squares = (ops.sum_(ops.square(x), -1) + tiny for x in (input1, input2))
    cosine = ops.sum_(input1 * input2, -1) / ops.sqrt(next(squares) * next(squares))
    alike = ops.where(target == 1, 1 - cosine, 0.0)
    different = ops.where(target == -1, ops.clamp(cosine - margin, 0.0), 0.0)
    return reduced(alike + different, reduction)


# --------------------------------------------------------------------------------------------------------------
# Triplets


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with the p-norm of the difference as distance d.

    The three have one shape, (N, D) or (D,). ``swap`` takes d(positive, negative) where that is the smaller distance
    to the negative. Balntas et al., "Learning shallow convolutional feature descriptors with triplet losses", 2016.
    """
    refuse_legacy("triplet_margin_loss", size_average, reduce)
    _check_triplet("triplet_margin_loss", anchor, positive, negative, margin)
    distance = partial(pairwise_distance, p=p, eps=eps)
    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return :func:`triplet_margin_loss` with another distance: any function of two tensors that can be differentiated.

    Without one it is the 2-norm of the difference.
    """
    _check_triplet("triplet_margin_with_distance_loss", anchor, positive, negative, margin)
    if distance_function is None:
        return triplet_margin_loss(anchor, positive, negative, margin, swap=swap, reduction=reduction)
    return _triplet(distance_function, anchor, positive, negative, margin, swap, reduction)


def _check_triplet(name: str, anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> None:
    check_same_shape(name, anchor, positive, ("anchor", "positive"))
    check_same_shape(name, anchor, negative, ("anchor", "negative"))
    if not margin > 0:
        raise ValueError(f"{name}: expected a margin above 0, got {margin}")


def _triplet(
    distance: Callable[[Tensor, Tensor], Tensor],
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduced(ops.clamp(margin + near - far, 0.0), reduction)


# --------------------------------------------------------------------------------------------------------------
# Many classes


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """Sum over the wrong classes i of max(0, margin - x[t] + x[i])^p / C: the support vector machine of C classes.

    Scores (N, C) or (C,), labels (N,) or (); ``p`` is 1 or 2, ``weight`` (C,) a factor of each class. Errors as in
    :func:`cross_entropy`. Crammer and Singer, 2001.
    """
    refuse_legacy("multi_margin_loss", size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: expected p 1 or 2, got {p}")
    x, t = check_scores("multi_margin_loss", input, target)
    if x.ndim > 2:
        raise RuntimeError(f"multi_margin_loss: expected scores (N, C) or (C,), got {tuple(x.shape)}")
    check_labels("multi_margin_loss", x, t)
    xp, classes = array_module(t), x.shape[-1]
    labels = xp.expand_dims(t, -1).astype(INT64)
    short = ops.relu(margin - ops.gather(input, -1, labels) + input) * (labels != xp.arange(classes))
    loss = short if p == 1 else ops.square(short)
    if weight is not None:
        loss = loss * xp.expand_dims(class_weight("multi_margin_loss", weight, x).array[t], -1)
    if xp is not np:
        loss = nan_where(wrong_labels(labels, classes), loss)
    return reduced(ops.sum_(loss, -1) / classes, reduction)


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: None = None, reduce: None = None, reduction: str = "mean"
) -> Tensor:
    """Sum over right classes j and wrong ones i of max(0, 1 - x[j] + x[i]) / C, where several classes can be right.

    Scores (N, C) or (C,); the target, integers of that shape, lists the right classes of each row, and the first -1
    ends the list. It is not a vector of zeros and ones: that goes to :func:`multilabel_soft_margin_loss`.

    Raises
    ------
    IndexError
        A number in the target is neither -1 nor a class. On a GPU the loss is NaN instead, so that nothing waits.
    """
    refuse_legacy("multilabel_margin_loss", size_average, reduce)
    x, t = check_scores("multilabel_margin_loss", input, target)
    if x.ndim > 2 or t.shape != x.shape:
        raise RuntimeError(
            "multilabel_margin_loss: expected scores (N, C) or (C,) and a target of that shape, in which -1 fills up "
            f"each list of classes; got {tuple(x.shape)} and {tuple(t.shape)}"
        )
    if t.dtype.kind not in "iu":
        raise RuntimeError(f"multilabel_margin_loss: expected integer labels, got {t.dtype}; use target.long()")
    xp, classes = array_module(t), x.shape[-1]
    wrong = wrong_labels(t, classes, -1)
    if xp is np and wrong.any():
        raise IndexError(
            f"multilabel_margin_loss: target {t[wrong][0]}, but there are {classes} classes (0..{classes - 1}), and "
            "-1 for the end of a list"
        )
    listed = xp.cumsum(t < 0, axis=-1) == 0  # entries before the first -1
    right = xp.where(listed, t, 0).astype(INT64)
    is_right = ((right[..., None] == xp.arange(classes)) & listed[..., None]).any(axis=-2)
    # x[j] of each list entry against x[i] of each class: (..., C, C)
    short = ops.relu(1 - ops.unsqueeze(ops.gather(input, -1, right), -1) + ops.unsqueeze(input, -2))
    loss = ops.sum_(short * (listed[..., None] & ~is_right[..., None, :]), (-2, -1)) / classes
    if xp is not np:
        loss = nan_where(wrong.any(axis=-1), loss)
    return reduced(loss, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross entropy of each class, -(t log s + (1 - t) log(1 - s)) with s = sigmoid(x), averaged over classes.

    Scores and a target of zeros and ones, both (N, C) or (C,); ``weight`` (C,) is a factor of each class.
    """
    refuse_legacy("multilabel_soft_margin_loss", size_average, reduce)
    check_same_shape("multilabel_soft_margin_loss", input, target)
    loss: Any = ops.binary_cross_entropy_with_logits(input, target)
    if weight is not None:
        loss = loss * weight
    return reduced(ops.mean(loss, -1), reduction)
