"""Metrics of classifiers, all made of counts: how often was which class predicted for which.

Predictions may be labels (integers) or scores (floats: probabilities or logits), for three tasks:

==============  ==================================  ====================  ============================
task            predictions                         target                from scores to labels
==============  ==================================  ====================  ============================
``binary``      (N, ...)                            (N, ...) of 0 and 1   score above the threshold
``multiclass``  (N, C, ...) scores, (N, ...) labels (N, ...) of 0 to C-1  the class of the largest score
``multilabel``  (N, L, ...)                         (N, L, ...) of 0, 1   each score above the threshold
==============  ==================================  ====================  ============================

Binary and multilabel scores count as probabilities if all of a batch lie in [0, 1], else as logits, as in torchmetrics.
That guess is wrong for a batch of logits which happen to lie in [0, 1]: hand over ``logits.sigmoid()`` to be sure.

Further dimensions ``...`` count as further samples.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, array_module, is_array
from minigrad.creation import zeros
from minigrad.metrics.metric import Metric
from minigrad.tensor import Tensor

_TASKS = ("binary", "multiclass", "multilabel")
_AVERAGES = ("micro", "macro", "weighted", "none", None)


class _Classification(Metric):
    """What metrics of classifiers share: their task, and reading labels off predictions."""

    invalid: Tensor  # how many labels were out of range, counted on GPUs only

    def __init__(
        self,
        task: str | None,
        threshold: float,
        num_classes: int | None,
        num_labels: int | None,
        ignore_index: int | None,
        validate_args: bool,
        top_k: int = 1,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if task is None:
            raise TypeError(
                f"{name}: say which task: {name}(task='binary'), {name}(task='multiclass', num_classes=10), or "
                f"{name}(task='multilabel', num_labels=5)"
            )
        if task not in _TASKS:
            raise ValueError(f"{name}: expected task to be one of {_TASKS}, got {task!r}")
        argument, size = {
            "binary": ("", 1),
            "multiclass": ("num_classes", num_classes),
            "multilabel": ("num_labels", num_labels),
        }[task]
        if argument and (not isinstance(size, int) or size < 2):
            raise TypeError(f"{name}: task={task!r} needs {argument}, an integer of 2 or more, got {size!r}")
        if not 0 <= threshold <= 1:
            raise ValueError(f"{name}: expected threshold from 0 to 1, got {threshold}")
        if ignore_index is not None and not isinstance(ignore_index, int):
            raise ValueError(f"{name}: expected ignore_index to be None or an integer, got {ignore_index!r}")
        self.task = task
        self.threshold = threshold
        self.num_classes = num_classes
        self.num_labels = num_labels
        self.ignore_index = ignore_index
        self.validate_args = validate_args
        self.top_k = top_k
        self._size = size or 1
        self.add_state("invalid", zeros((), dtype=np.int64), dist_reduce_fx="sum")

    def _labels(self, preds: Any, target: Any) -> tuple[Array, Array, Array]:
        """Return predicted labels, true labels, and where they count; as (N,) for multiclass, else as (L, N)."""
        scores, truth = self._array(preds, "preds"), self._array(target, "target")
        self._check_shapes(scores, truth)
        if truth.dtype.kind == "f":
            raise ValueError(
                f"{type(self).__name__}: expected target to hold labels (integers or bools), got {truth.dtype}; "
                "convert them: target.long()"
            )
        found = self._best(scores, truth) if self.task == "multiclass" else self._above(scores)
        if self.task == "multilabel":
            found, truth = (array_module(x).moveaxis(x, 1, 0) for x in (found, truth))
        shape = (-1,) if self.task == "multiclass" else (self._size, -1)
        found, truth = (x.reshape(shape).astype(np.int64) for x in (found, truth))
        return found, truth, self._counting(found, truth)

    def _array(self, x: Any, name: str) -> Array:
        if not isinstance(x, Tensor) and not is_array(x):
            raise TypeError(f"{type(self).__name__}: expected {name} to be a tensor, got {type(x).__name__}")
        return x.array if isinstance(x, Tensor) else x

    def _check_shapes(self, preds: Array, target: Array) -> None:
        name = type(self).__name__
        got = f"got preds {tuple(preds.shape)} {preds.dtype} and target {tuple(target.shape)} {target.dtype}"
        if array_module(preds) is not array_module(target):
            raise RuntimeError(f"{name}: expected preds and target on one device, got one on the CPU and one on a GPU")
        if self.task != "multiclass":
            if preds.shape != target.shape:
                hint = "; use preds.squeeze(1)" if preds.shape == (*target.shape, 1) else ""
                raise ValueError(f"{name}: task {self.task!r} expects preds and target of one shape, {got}{hint}")
            if self.task == "multilabel" and (preds.ndim < 2 or preds.shape[1] != self._size):
                raise ValueError(f"{name}: expected preds and target of shape (N, {self._size}, ...), {got}")
            return
        if preds.ndim == target.ndim + 1 and preds.dtype.kind == "f":
            if preds.shape == (*target.shape[:1], self._size, *target.shape[1:]):
                return
        elif preds.shape == target.shape and preds.dtype.kind != "f" and self.top_k == 1:
            return
        labels = ", or labels (N, ...) as integers," if self.top_k == 1 else ""
        raise ValueError(
            f"{name}: expected preds to be scores (N, {self._size}, ...){labels} and target labels (N, ...), {got}"
        )

    def _above(self, scores: Array) -> Array:
        """Return where the score is above the threshold; sigmoid(x) > t is the same as x > log(t / (1 - t))."""
        if scores.dtype.kind != "f":
            return scores
        t = self.threshold
        logit = math.log(t / (1 - t)) if 0 < t < 1 else math.inf if t else -math.inf
        are_logits = ~((scores >= 0) & (scores <= 1)).all()
        return scores > array_module(scores).where(are_logits, logit, t).astype(scores.dtype)

    def _best(self, scores: Array, target: Array) -> Array:
        """Return the class of the largest score, or the true one if it is among the ``top_k`` largest."""
        if scores.ndim == target.ndim:
            return scores
        if self.top_k == 1:
            return scores.argmax(axis=1)
        xp = array_module(scores)
        best = xp.argsort(-scores, axis=1, kind="stable")[:, : self.top_k]  # of equal scores the first, like argmax
        hit = (best == xp.expand_dims(target, 1)).any(axis=1)
        return xp.where(hit, target, best[:, 0])

    def _counting(self, found: Array, truth: Array) -> Array:
        """Return where to count: not at ``ignore_index``, and not at labels that do not exist.

        Such labels are an error at once on the CPU. On a GPU, asking whether there are any would make it wait in each
        batch, so they are counted too, and ``compute`` complains.
        """
        xp = array_module(truth)
        known = xp.ones(truth.shape, bool) if self.ignore_index is None else truth != self.ignore_index
        n = self._size if self.task == "multiclass" else 2
        invalid = known & ((truth < 0) | (truth >= n) | (found < 0) | (found >= n))
        if xp is not np:
            self.invalid = tensor_of(self.invalid.array + invalid.sum())
        elif self.validate_args and invalid.any():
            raise RuntimeError(
                f"{type(self).__name__}: expected labels from 0 to {n - 1}, got preds from {found[known].min()} to "
                f"{found[known].max()} and target from {truth[known].min()} to {truth[known].max()}"
                + ("" if self.ignore_index is None else f" (besides ignore_index={self.ignore_index})")
            )
        return known & ~invalid

    def _check_counted(self) -> None:
        if self.validate_args and (count := int(self.invalid.item())):
            raise RuntimeError(f"{type(self).__name__}: {count} labels in the batches so far were out of range")

    def __repr__(self) -> str:
        size = {"binary": "", "multiclass": f", num_classes={self._size}", "multilabel": f", num_labels={self._size}"}
        return f"{type(self).__name__}(task={self.task!r}{size[self.task]})"


class _StatScores(_Classification):
    """Metrics made of the numbers of true and false positives and negatives of each class."""

    def __init__(
        self,
        task: str | None = None,
        threshold: float = 0.5,
        num_classes: int | None = None,
        num_labels: int | None = None,
        average: str | None = "micro",
        multidim_average: str = "global",
        top_k: int = 1,
        ignore_index: int | None = None,
        validate_args: bool = True,
    ) -> None:
        super().__init__(task, threshold, num_classes, num_labels, ignore_index, validate_args, top_k)
        name = type(self).__name__
        if average not in _AVERAGES:
            raise ValueError(f"{name}: expected average to be one of {_AVERAGES}, got {average!r}")
        if multidim_average != "global":
            raise NotImplementedError(f"{name}: only multidim_average='global' is supported, got {multidim_average!r}")
        if not isinstance(top_k, int) or not 1 <= top_k <= (self._size if task == "multiclass" else 1):
            raise ValueError(f"{name}: expected top_k from 1 to num_classes, for task 'multiclass' only, got {top_k}")
        self.average = average
        for state in ("tp", "fp", "tn", "fn"):
            self.add_state(state, zeros(self._size, dtype=np.int64), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any) -> None:
        """Count a batch; shapes as in the table of :mod:`minigrad.metrics.classification`."""
        found, truth, counts = self._labels(preds, target)
        if self.task == "multiclass":
            n, xp = self._size, array_module(truth)
            found, truth = xp.where(counts, found, n), xp.where(counts, truth, n)
            tp = _count(xp.where(found == truth, truth, n), n)
            fp, fn = _count(found, n) - tp, _count(truth, n) - tp
            tn = counts.sum() - tp - fp - fn
        else:
            (tn, fp), (fn, tp) = _two_by_two(found, truth, counts).transpose(1, 2, 0)
        for name, count in (("tp", tp), ("fp", fp), ("tn", tn), ("fn", fn)):
            setattr(self, name, tensor_of(getattr(self, name).array + count))


class Accuracy(_StatScores):
    """The share of predictions that are right.

    For ``multiclass``, with ``average``:

    - "micro": right predictions / all predictions;
    - "none": for each class, right predictions / samples of that class, shape (C,); 0 for a class without samples;
    - "macro": the mean of these over the classes that occur, as label or prediction;
    - "weighted": their mean, weighted by the samples of each class: the same number as "micro".

    For ``binary`` all predictions count alike. For ``multilabel``, the share is taken for each label over the samples,
    and averaged over the labels likewise.

    Parameters
    ----------
    task : {"binary", "multiclass", "multilabel"}
        See the table of :mod:`minigrad.metrics.classification`.
    threshold : float
        From where on a score means 1; for binary and multilabel.
    num_classes, num_labels : int
        Needed for multiclass and for multilabel.
    average : {"micro", "macro", "weighted", "none"} or None
        See above; None is "none".
    multidim_average : {"global"}
        Further dimensions count as further samples.
    top_k : int
        A prediction is right if the true class is among the k largest scores; of equal scores the earlier class
        comes first.
    ignore_index : int, optional
        Samples with this target do not count.
    validate_args : bool
        False leaves out the check that labels are in range; those that are not do not count then.

    Raises
    ------
    TypeError
        If the task is missing, or the number of classes that it needs.
    ValueError
        If shapes or dtypes do not fit the task; other arguments out of range.
    RuntimeError
        If labels are out of range (on a GPU in ``compute``), or ``compute`` comes before ``update``. torchmetrics
        warns there and returns 0.

    Examples
    --------
    >>> import minigrad
    >>> accuracy = Accuracy(task="multiclass", num_classes=3)
    >>> accuracy.update(minigrad.tensor([[0.1, 0.8, 0.1], [0.7, 0.2, 0.1]]), minigrad.tensor([1, 2]))
    >>> accuracy.update(minigrad.tensor([2]), minigrad.tensor([2]))
    >>> accuracy.compute()
    tensor(0.6667)
    """

    higher_is_better = True

    def compute(self) -> Tensor:
        """Return the accuracy of everything since the last reset: 0-d float32, or (C,) without averaging."""
        self._check_counted()
        tp, fp, tn, fn = (getattr(self, name).array for name in ("tp", "fp", "tn", "fn"))
        right, all_ = (tp, tp + fn) if self.task == "multiclass" else (tp + tn, tp + fp + tn + fn)
        if self.task == "binary" or self.average == "micro":
            return _float(_ratio(right.sum(), all_.sum()))
        share = _ratio(right, all_)
        if self.average == "weighted":
            return _float(_ratio((share * (tp + fn)).sum(), (tp + fn).sum()))
        if self.average == "macro":
            occurs = tp + fn if self.top_k > 1 else tp + fp + fn
            present = occurs > 0 if self.task == "multiclass" else occurs >= 0
            return _float(_ratio(share.sum(), present.sum()))
        return _float(share)


class ConfusionMatrix(_Classification):
    """How often which class (row) was taken for which (column).

    Parameters
    ----------
    task, threshold, num_classes, num_labels, ignore_index, validate_args
        As for :class:`Accuracy`.
    normalize : {"true", "pred", "all", "none"} or None
        Divide by the sum of each row (samples of a class), of each column (predictions of a class), or of everything.
        A row or column without counts stays 0.

    Returns
    -------
    Tensor
        From ``compute``: (C, C) for multiclass, (2, 2) for binary, (L, 2, 2) for multilabel; int64, or float32 if
        normalized.

    Examples
    --------
    >>> import minigrad
    >>> confusion = ConfusionMatrix(task="multiclass", num_classes=3)
    >>> confusion(minigrad.tensor([2, 1, 0, 1]), minigrad.tensor([2, 1, 0, 0]))
    tensor([[1, 1, 0],
            [0, 1, 0],
            [0, 0, 1]])
    """

    confmat: Tensor

    def __init__(
        self,
        task: str | None = None,
        threshold: float = 0.5,
        num_classes: int | None = None,
        num_labels: int | None = None,
        normalize: str | None = None,
        ignore_index: int | None = None,
        validate_args: bool = True,
    ) -> None:
        super().__init__(task, threshold, num_classes, num_labels, ignore_index, validate_args)
        if normalize not in ("true", "pred", "all", "none", None):
            raise ValueError(
                f"ConfusionMatrix: expected normalize to be 'true', 'pred', 'all', 'none' or None, got {normalize!r}"
            )
        self.normalize = normalize
        shape = (self._size, self._size) if task == "multiclass" else (self._size, 2, 2)
        self.add_state("confmat", zeros(shape, dtype=np.int64), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any) -> None:
        """Count a batch; shapes as in the table of :mod:`minigrad.metrics.classification`."""
        found, truth, counts = self._labels(preds, target)
        if self.task == "multiclass":
            n = self._size
            cells = array_module(truth).where(counts, truth * n + found, n * n)
            table = _count(cells, n * n).reshape(n, n)
        else:
            table = _two_by_two(found, truth, counts)
        self.confmat = tensor_of(self.confmat.array + table)

    def compute(self) -> Tensor:
        """Return the matrix for everything since the last reset."""
        self._check_counted()
        table = self.confmat.array[0] if self.task == "binary" else self.confmat.array
        if self.normalize in ("none", None):
            return tensor_of(table.copy())  # type: ignore[no-any-return]
        along = {"true": -1, "pred": -2, "all": (-2, -1)}[self.normalize or ""]
        return _float(_ratio(table, table.sum(axis=along, keepdims=True)))


def _count(index: Array, n: int) -> Array:
    """Return how often each of 0 ... n-1 occurs in ``index``, leaving out n, the bin for what does not count."""
    xp = array_module(index)
    bins = xp.zeros(n + 1, np.int64)
    xp.add.at(bins, index, 1)  # bincount would do, but on a GPU it reads the largest index back
    return bins[:n]


def _two_by_two(found: Array, truth: Array, counts: Array) -> Array:
    """Return the (L, 2, 2) tables of (L, N) labels: [[tn, fp], [fn, tp]] for each."""
    xp = array_module(truth)
    n = 4 * len(truth)
    cells = xp.arange(0, n, 4)[:, None] + 2 * truth + found
    return _count(xp.where(counts, cells, n), n).reshape(-1, 2, 2)


def _ratio(part: Array, whole: Array) -> Array:
    """Return part / whole, and 0 for 0 / 0."""
    return part / array_module(whole).maximum(whole, 1)


def _float(x: Array) -> Tensor:
    return tensor_of(array_module(x).asarray(x, dtype=np.float32))  # type: ignore[no-any-return]
