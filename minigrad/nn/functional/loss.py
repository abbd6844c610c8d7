"""Losses as functions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import Node, TensorBase
from minigrad.backend import array_module
from minigrad.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "l1_loss",
    "mse_loss",
    "nll_loss",
]

# --------------------------------------------------------------------------------------------------------------
# Losses of regression


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return ops.mean(loss)
    if reduction == "sum":
        return ops.sum_(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction: expected 'mean', 'sum' or 'none', got {reduction!r}")


def _check_same_shape(name: str, input: Tensor, target: Tensor) -> None:
    """Refuse what would broadcast: (N, 1) against (N,) gives N x N differences and trains to nonsense."""
    if not isinstance(target, TensorBase) or not isinstance(input, TensorBase):
        wrong = target if isinstance(input, TensorBase) else input
        raise TypeError(f"{name}: expected tensors, got {type(wrong).__name__}; wrap it in minigrad.tensor(...)")
    a, b = input.array.shape, target.array.shape
    if a != b:
        fix = "the two must be equal"
        if len(a) == len(b) + 1 and a[-1] == 1:
            fix = "use target.unsqueeze(1), or input.squeeze(1)" if len(b) == 1 else "use target.unsqueeze(-1)"
        elif len(b) == len(a) + 1 and b[-1] == 1:
            fix = "use target.squeeze(-1)"
        raise ValueError(f"{name}: input has shape {tuple(a)} and target {tuple(b)}; {fix}")


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
    _check_same_shape("mse_loss", input, target)
    return _weighted(ops.square(input - target), weight, reduction)


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
    _check_same_shape("l1_loss", input, target)
    return _weighted(ops.absolute(input - target), weight, reduction)


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    if weight is None:
        return _reduced(loss, reduction)
    _check_same_shape("weight", loss, weight)
    total = _reduced(loss * weight, "sum" if reduction == "mean" else reduction)
    return total / weight.sum() if reduction == "mean" else total


# --------------------------------------------------------------------------------------------------------------
# Losses of classification

_UNSIGNED = {np.dtype(f"i{size}"): np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def in_range(labels: Any, classes: int) -> bool:
    # Viewed as unsigned a negative label is huge, so that one reduction checks both ends.
    return labels.size == 0 or bool(labels.view(_UNSIGNED.get(labels.dtype, labels.dtype)).max() < classes)


def _check_scores(name: str, input: Tensor, target: Tensor) -> tuple[Any, Any]:
    """Refuse what is no tensor of scores with something to compare them with; return the two arrays."""
    try:
        x, t = input.array, target.array
    except AttributeError:
        wrong = target if isinstance(input, TensorBase) else input
        raise TypeError(
            f"{name}: expected tensors, got {type(wrong).__name__}; wrap it in minigrad.tensor(...)"
        ) from None
    if x.dtype.kind != "f" or x.ndim == 0:
        raise RuntimeError(
            f"{name}: expected floating scores of shape (N, C), (C,) or (N, C, d1, ...), got {x.dtype} of shape "
            f"{tuple(x.shape)}"
        )
    return x, t


def _class_weight(name: str, weight: Tensor, x: Any) -> Tensor:
    classes = x.shape[1 if x.ndim > 1 else 0]
    if weight.shape != (classes,):
        raise RuntimeError(
            f"{name}: expected one weight for each of the {classes} classes, got shape {tuple(weight.shape)}"
        )
    return weight.to(x.dtype)


def _are_plain_labels(x: Any, t: Any, ignore_index: int) -> bool:
    """Return whether ``t`` holds one label for each row of ``x``, all in range and none to be ignored."""
    if x.ndim != 2 or t.ndim != 1 or t.dtype.kind not in "iu":
        return False
    rows, classes = x.shape
    return 0 < rows == len(t) and not 0 <= ignore_index < classes and in_range(t, classes)


def _check_labels(name: str, x: Any, t: Any, ignore_index: int) -> None:
    """Refuse labels ``t`` that do not fit the input ``x``."""
    expected = x.shape[:1] if x.ndim == 2 else x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    if t.dtype.kind not in "iu":
        other = f", or probabilities of the input's shape {tuple(x.shape)}" if name == "cross_entropy" else ""
        raise RuntimeError(
            f"{name}: expected integer labels of shape {tuple(expected)}{other}; got {t.dtype} of shape "
            f"{tuple(t.shape)}. For labels, use target.long()"
        )
    if t.shape != expected:
        hint = "; use target.squeeze(1)" if t.ndim == 2 and t.shape[1] == 1 else ""
        if t.shape == x.shape:
            hint = "; of one-hot rows take target.argmax(1), or target.float() as probabilities"
        raise ValueError(f"{name}: expected labels of shape {tuple(expected)}, got {tuple(t.shape)}{hint}")
    classes = x.shape[1 if x.ndim > 1 else 0]
    if in_range(t, classes):
        return
    wrong = ((t < 0) | (t >= classes)) & (t != ignore_index)
    if bool(wrong.any()):
        at = tuple(int(i[0]) for i in wrong.nonzero())
        place = "" if not at else f" at index {at[0] if len(at) == 1 else at}"
        raise IndexError(f"{name}: target {int(t[at])}{place}, but there are {classes} classes (0..{classes - 1})")


def _warn_of_softmax(node: Any) -> None:
    while type(node) is Node and node.plan.op.view:
        node = node.parents[0] if node.parents else None
    if type(node) is Node and node.plan.op is ops.softmax:
        warnings.warn(
            "cross_entropy: the input comes from softmax, but cross_entropy takes logits and applies softmax itself: "
            "twice trains slowly and badly. Leave the softmax out of the model, or use nll_loss(log(p), target)",
            stacklevel=3,
        )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Take logits (scores before softmax) and return the mean of -log softmax(input)[target].

    Parameters
    ----------
    input : Tensor, shape (N, C), (C,) or (N, C, d1, ...)
        Logits of C classes. Not probabilities: the softmax is part of the loss.
    target : Tensor
        Labels 0 ... C-1, integers of shape (N,), () or (N, d1, ...); or probabilities of the shape of ``input``.
    weight : Tensor, shape (C,), optional
        Factor of each class. The mean is then weighted too.
    ignore_index : int
        Labels of this value count neither in the sum nor in the mean.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        Take this share of the probability from the label and spread it over all classes (Szegedy et al., 2016).

    Raises
    ------
    IndexError
        A label is out of range; the message names it.

    Examples
    --------
    >>> import minigrad
    >>> logits = minigrad.tensor([[2.0, 0.0, 0.0]])
    >>> cross_entropy(logits, minigrad.tensor([0]))
    tensor(0.2395)
    """
    if size_average is not None or reduce is not None:
        refuse_legacy("cross_entropy", size_average, reduce)
    x, t = _check_scores("cross_entropy", input, target)
    node = input.node
    if node is not None and (node.plan.op is ops.softmax or node.plan.op.view):
        _warn_of_softmax(node)
    if weight is None and label_smoothing == 0.0 and reduction == "mean" and _are_plain_labels(x, t, ignore_index):
        return ops.softmax_cross_entropy(input, target)
    dim = 1 if x.ndim > 1 else 0
    if weight is not None:
        weight = _class_weight("cross_entropy", weight, x)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: expected label_smoothing between 0 and 1, got {label_smoothing}")
    if t.dtype.kind == "f" and t.shape == x.shape:
        if ignore_index >= 0:
            raise RuntimeError("cross_entropy: ignore_index names a label, but the target holds probabilities")
        return _cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing, dim)
    _check_labels("cross_entropy", x, t, ignore_index)
    log_p = ops.log_softmax(input, dim)
    loss = nll_loss(log_p, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0.0:
        return loss
    # What the label gave away goes to all classes alike, weighted and ignored as the label itself.
    uniform = -log_p if weight is None else -log_p * _over_classes(weight, x.ndim)
    spread = ops.sum_(uniform, dim) * (t != ignore_index)
    if reduction == "mean":
        spread = ops.sum_(spread) / _label_weights(input, target, weight, ignore_index).sum()
    elif reduction == "sum":
        spread = ops.sum_(spread)
    return (1 - label_smoothing) * loss + spread * (label_smoothing / x.shape[dim])


def _cross_entropy_of_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float, dim: int
) -> Tensor:
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    terms = ops.log_softmax(input, dim) * target
    if weight is not None:
        terms = terms * _over_classes(weight, input.ndim)
    loss = -ops.sum_(terms, dim)
    if reduction == "mean":
        return ops.sum_(loss) / max(loss.numel(), 1)
    return _reduced(loss, reduction)


def _over_classes(weight: Tensor, ndim: int) -> Tensor:
    return ops.reshape(weight, (-1,) + (1,) * max(ndim - 2, 0))


def _label_weights(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> Any:
    """Return the array of each label's factor: its class's weight, 0 for those to be ignored."""
    t = target.array
    counted = (t != ignore_index).astype(input.dtype)
    if weight is None:
        return counted
    xp = array_module(t)
    return weight.array[xp.where(t == ignore_index, 0, t)] * counted


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood: mean of -input[target], for log probabilities such as ``log_softmax`` gives.

    Shapes, ``weight``, ``ignore_index`` and errors as in :func:`cross_entropy`. The mean is weighted:
    sum of w l / sum of w.
    """
    refuse_legacy("nll_loss", size_average, reduce)
    x, t = _check_scores("nll_loss", input, target)
    if weight is not None:
        weight = _class_weight("nll_loss", weight, x)
    _check_labels("nll_loss", x, t, ignore_index)
    dim = 1 if input.ndim > 1 else 0
    xp = array_module(t)
    labels = xp.where(t == ignore_index, 0, t)
    picked = ops.squeeze(ops.gather(input, xp.expand_dims(labels, dim), dim), dim)
    weights = _label_weights(input, target, weight, ignore_index)
    loss = -picked * weights
    if reduction == "mean":
        return ops.sum_(loss) / weights.sum()
    return _reduced(loss, reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean of -(t log x + (1 - t) log(1 - x)) for probabilities x; logarithms are held above -100, as in PyTorch.

    Prefer :func:`binary_cross_entropy_with_logits`, which loses no digits near 0 and 1.
    """
    refuse_legacy("binary_cross_entropy", size_average, reduce)
    _check_same_shape("binary_cross_entropy", input, target)
    _check_float_target("binary_cross_entropy", target)
    for what, x in (("probabilities", input.array), ("targets", target.array)):
        if x.size and not bool(((x >= 0) & (x <= 1)).all()):
            fix = "; apply sigmoid first, or use binary_cross_entropy_with_logits" if x is input.array else ""
            raise RuntimeError(
                f"binary_cross_entropy: expected {what} between 0 and 1, got values from {x.min()} to {x.max()}{fix}"
            )
    loss = ops.binary_cross_entropy(input, target)
    return _reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of sigmoid(x), without computing the sigmoid: (1 - t) x - (1 + (p - 1) t) log sigmoid(x).

    ``pos_weight`` p multiplies the positive term: above 1 it raises recall, below 1 precision.
    """
    refuse_legacy("binary_cross_entropy_with_logits", size_average, reduce)
    _check_same_shape("binary_cross_entropy_with_logits", input, target)
    _check_float_target("binary_cross_entropy_with_logits", target)
    log_p = ops.logsigmoid(input)
    if pos_weight is not None:
        log_p = log_p * (1 + (pos_weight - 1) * target)
    loss = (1 - target) * input - log_p
    return _reduced(loss if weight is None else loss * weight, reduction)


def _check_float_target(name: str, target: Tensor) -> None:
    if target.array.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating target, got {target.dtype}; use target.float()")


def refuse_legacy(name: str, size_average: None, reduce: None) -> None:
    if size_average is not None or reduce is not None:
        raise TypeError(f"{name}: size_average and reduce are gone; use reduction='mean', 'sum' or 'none'")
