"""CTC: the loss of sequences without alignment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import TensorBase
from minigrad.backend import array_module
from minigrad.nn.functional.loss import wrong_labels
from minigrad.nn.functional.reduction import check_tensors, nan_where, reduced
from minigrad.ops.loss import IMPOSSIBLE
from minigrad.ops.promotion import INT64
from minigrad.tensor import Tensor

__all__ = ["ctc_loss"]


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of a label sequence, summed over all its alignments to the times of the input.

    At every time the model says a label or nothing (``blank``). What it said over all times becomes a label sequence
    by joining repeats, then dropping blanks: "aa-ab" is "aab". Many of these lead to the target; dynamic programming
    sums them all. Graves et al., "Connectionist temporal classification", 2006.

    Parameters
    ----------
    log_probs : Tensor, shape (T, N, C) or (T, C)
        *Log* probabilities of C labels, one of them the blank, from ``log_softmax``; times first.
    targets : Tensor of integers, shape (N, S), (S,) or (sum of target_lengths,)
        Label sequences without blanks, filled up to S with anything; or one after the other.
    input_lengths, target_lengths : tensor on the CPU, or sequence of integers, N each
        How many of the T times, and of the S labels, count.
    blank : int
        The label that means nothing.
    reduction : {"mean", "sum", "none"}
        "mean" first divides each sequence's loss by its target length.
    zero_infinity : bool
        Count 0 for a target that does not fit into its input, whose loss is inf. Its gradient is 0 either way.

    Raises
    ------
    IndexError
        A label is out of range. On a GPU the loss is NaN instead, so that nothing waits.

    Notes
    -----
    The gradient is that with respect to ``log_probs``. PyTorch returns the one with respect to the scores before
    ``log_softmax``; once it has passed through ``log_softmax``, it is the same.

    Examples
    --------
    >>> import minigrad
    >>> half = minigrad.full((2, 1, 2), 0.5).log()  # blank or label 1, twice: "11", "-1" and "1-" mean "1"
    >>> ctc_loss(half, minigrad.tensor([[1]]), (2,), (1,)).exp()  # 1 / (3/4)
    tensor(1.3333)
    """
    check_tensors("ctc_loss", log_probs, targets)
    if log_probs.ndim not in (2, 3) or log_probs.dtype.kind != "f":
        raise RuntimeError(
            f"ctc_loss: expected floating log_probs (T, N, C) or (T, C), got {log_probs.dtype} of shape "
            f"{tuple(log_probs.shape)}"
        )
    alone = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if alone else log_probs
    times, n, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: expected a blank from 0 to {classes - 1}, got {blank}")
    t_in = _lengths("input_lengths", input_lengths, n, 1, times)
    labels, t_out = _padded(targets, target_lengths, n, alone)
    xp = array_module(x.array)
    states, ways, wrong = _states(xp, labels, t_out, blank, classes)

    emit = ops.gather(x, 2, xp.broadcast_to(states, (times, *states.shape)))
    paths = ops.ctc_paths(ops.clamp(emit, IMPOSSIBLE), ways)
    # A path ends with the last label or the blank behind it.
    rows = np.arange(n)
    end, last, has_label = (xp.asarray(a) for a in (2 * t_out, np.maximum(2 * t_out - 1, 0), t_out > 0))
    at = xp.asarray(t_in - 1), xp.asarray(rows)
    ends = ops.stack([paths[(*at, end)], ops.where(has_label, paths[(*at, last)], IMPOSSIBLE)])
    loss = -ops.logsumexp(ends, 0)
    loss = ops.where(loss > -0.1 * IMPOSSIBLE, 0.0 if zero_infinity else math.inf, loss)
    if wrong is not None:
        loss = nan_where(wrong, loss)
    if reduction == "mean":
        loss = loss / xp.asarray(np.maximum(t_out, 1)).astype(x.dtype)
    return reduced(loss[0] if alone and reduction == "none" else loss, reduction)


def _lengths(name: str, given: Any, n: int, low: int, high: int | None) -> np.ndarray[Any, Any]:
    """Return lengths as a NumPy array; they say how much is to be computed, so they have to be known on the CPU."""
    array = given.array if isinstance(given, TensorBase) else np.asarray(given)
    if not isinstance(array, np.ndarray):
        raise RuntimeError(f"ctc_loss: expected {name} on the CPU, got them on a GPU; use {name}.cpu(), or a tuple")
    if array.dtype.kind not in "iu" or array.size != n or array.ndim > 1:
        raise RuntimeError(
            f"ctc_loss: expected {n} integers as {name}, one for each sequence, got {array.dtype}, shape {array.shape}"
        )
    if array.size and (array.min() < low or (high is not None and array.max() > high)):
        limits = f"from {low} on" if high is None else f"from {low} to {high}"
        raise RuntimeError(f"ctc_loss: expected {name} {limits}, got {array.min()} to {array.max()}")
    return array.reshape(-1).astype(np.int64)


def _padded(targets: Tensor, target_lengths: Any, n: int, alone: bool) -> tuple[Any, np.ndarray[Any, Any]]:
    """Return the label sequences as (N, S), and their lengths."""
    t = targets.array
    if t.dtype.kind not in "iu" or t.ndim not in (1, 2):
        raise RuntimeError(f"ctc_loss: expected targets of integers, (N, S) or (S,), got {t.dtype} of shape {t.shape}")
    if alone or t.ndim == 2:
        labels = t.reshape(1, -1) if alone else t
        if len(labels) != n:
            raise RuntimeError(f"ctc_loss: expected targets of {n} sequences, as log_probs has, got {tuple(t.shape)}")
        return labels, _lengths("target_lengths", target_lengths, n, 0, labels.shape[1])
    lengths = _lengths("target_lengths", target_lengths, n, 0, None)
    if lengths.sum() != len(t):
        raise RuntimeError(f"ctc_loss: target_lengths sum to {lengths.sum()}, but there are {len(t)} targets")
    starts = np.cumsum(lengths) - lengths
    index = starts[:, None] + np.arange(max(lengths, default=0))
    xp = array_module(t)
    return t[xp.asarray(np.minimum(index, max(len(t) - 1, 0)))], lengths


def _states(xp: Any, labels: Any, lengths: np.ndarray[Any, Any], blank: int, classes: int) -> tuple[Any, Any, Any]:
    """Return the label of each state (blank, label, blank, label, ..., blank), and the ways into it.

    The third way, past a blank, is open between labels that differ: between equal ones a blank must be said. The
    last result says which sequences have a wrong label, on a GPU; on the CPU that is an error.
    """
    n, size = labels.shape
    inside = xp.asarray(np.arange(size) < lengths[:, None])
    wrong = (wrong_labels(labels, classes) | (labels == blank)) & inside
    if xp is np and wrong.any():
        raise IndexError(
            f"ctc_loss: target {labels[wrong][0]}; expected labels from 0 to {classes - 1} other than the blank {blank}"
        )
    states = xp.full((n, 2 * size + 1), blank, INT64)
    states[:, 1::2] = xp.where(inside & ~wrong, labels, blank)
    ways = xp.ones((3, *states.shape), bool)
    ways[1, :, :1] = False
    ways[2, :, :2] = False
    ways[2, :, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    return states, ways, None if xp is np else wrong.any(axis=1)
