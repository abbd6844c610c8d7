"""Metrics of scores over all thresholds: curves, and the areas under them.

A threshold turns scores into labels; a lower one says yes more often. What each threshold would do is read off the
sorted scores in one go: going down, each score passed is one more true or false positive.

Exact curves (``thresholds=None``) keep all scores until ``compute``. With given thresholds only counts are kept, of the
scores between each two of them: memory does not grow, and the curve is as fine as the thresholds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, DeviceLike, array_module
from minigrad.creation import zeros
from minigrad.metrics.classification.inputs import Classification, are_logits, by_task, count, float32, ratio
from minigrad.ops.activation import sigmoid, softmax
from minigrad.tensor import Tensor

Thresholds = int | Sequence[float] | Tensor | None
Curve = tuple[Any, Any, Any]


class Counts(NamedTuple):
    """What falling thresholds let through, of one class."""

    thresholds: Array
    tps: Array  # how many positives lie at or above each threshold
    fps: Array  # and how many negatives
    positives: Array  # how many there are
    negatives: Array


class _Curve(Classification):
    """What curves share: scores in, and for each class the counts at each threshold out."""

    preds: list[Tensor]
    target: list[Tensor]
    histogram: Tensor

    def __init__(
        self,
        task: str | None = None,
        thresholds: Thresholds = None,
        num_classes: int | None = None,
        num_labels: int | None = None,
        ignore_index: int | None = None,
        validate_args: bool = True,
    ) -> None:
        super().__init__(task, num_classes, num_labels, ignore_index, validate_args)
        self.thresholds = self._rising(thresholds)
        if self.thresholds is None:
            self.add_state("preds", [], dist_reduce_fx="cat")
            self.add_state("target", [], dist_reduce_fx="cat")
        else:  # of each class: how many negatives (0) and positives (1) lie above how many thresholds
            shape = (self._size, 2, self.thresholds.numel() + 1)
            self.add_state("histogram", zeros(shape, dtype=np.int64), dist_reduce_fx="sum")

    def _rising(self, thresholds: Thresholds) -> Tensor | None:
        if thresholds is None:
            return None
        if isinstance(thresholds, Tensor):
            values = thresholds.numpy(force=True)
        elif isinstance(thresholds, int):
            self.require(thresholds >= 2, "thresholds to be None, 2 or more, or a list of them", thresholds)
            values = np.linspace(0, 1, thresholds)
        else:
            values = np.asarray(thresholds, float)
        fine = values.ndim == 1 and values.size > 0 and values.min() >= 0 and values.max() <= 1
        self.require(bool(fine and (np.diff(values) >= 0).all()), "thresholds that rise from 0 to 1", thresholds)
        return tensor_of(values.astype(np.float32))  # type: ignore[no-any-return]

    def to(self, device: DeviceLike) -> Self:
        super().to(device)
        if self.thresholds is not None:
            self.thresholds = self.thresholds.to(self.device)
        return self

    def _takes_labels(self) -> bool:
        return False

    def _check_shapes(self, preds: Array, target: Array) -> None:
        super()._check_shapes(preds, target)
        if preds.dtype.kind != "f":
            raise ValueError(
                f"{type(self).__name__}: expected preds to be scores (floats), got {preds.dtype}; labels have no curve"
            )

    def update(self, preds: Any, target: Any) -> None:
        """Take note of a batch of scores; shapes as in the table of :mod:`minigrad.metrics.classification`."""
        scores, truth = self._arrays(preds, target)
        xp = array_module(scores)
        chances = softmax(scores, 1) if self.task == "multiclass" else sigmoid(scores)
        scores = xp.where(are_logits(scores), chances, scores)
        if self.task == "binary":
            scores = scores.reshape(1, -1)
        else:
            scores = xp.moveaxis(scores, 1, 0).reshape(self._size, -1)
        truth = xp.moveaxis(truth, 1, 0).reshape(self._size, -1) if self.task == "multilabel" else truth.reshape(1, -1)
        counts = self._counting(truth)
        truth = xp.where(counts, truth, -1).astype(np.int64)
        if self.thresholds is None:
            self.preds = [*self.preds, tensor_of(scores.T)]
            self.target = [*self.target, tensor_of(truth.T)]
            return
        n = self.thresholds.numel() + 1
        above = xp.searchsorted(self.thresholds.array, scores.astype(np.float32), side="right")
        positive = truth == xp.arange(self._size)[:, None] if self.task == "multiclass" else truth
        cells = xp.where(counts, positive * n + above, 2 * n)
        self.histogram = tensor_of(self.histogram.array + count(cells, 2 * n).reshape(-1, 2, n))

    # ----------------------------------------------------------------------------------------------------------
    # Counts at falling thresholds

    def _counts(self, pooled: bool = False) -> list[Counts]:
        """Return the counts of each class; ``pooled`` makes one class of all."""
        self._check_counted()
        if self.thresholds is not None:
            table = self.histogram.array
            table = table.sum(axis=0, keepdims=True) if pooled else table
            passed = array_module(table).cumsum(table[..., ::-1], axis=-1)  # above the highest threshold first
            falling = self.thresholds.array[::-1]
            return [Counts(falling, tps[:-1], fps[:-1], tps[-1], fps[-1]) for fps, tps in passed]
        if not self.preds:
            raise RuntimeError(f"{type(self).__name__}.compute: there are no scores yet")
        xp = array_module(self.preds[0].array)
        scores, truth = (xp.concatenate([x.array for x in xs]) for xs in (self.preds, self.target))
        if pooled:
            scores, truth = scores.reshape(-1, 1), truth.reshape(-1, 1)
        found = []
        for k in range(scores.shape[1]):
            here = truth[:, k if truth.shape[1] > 1 else 0]
            kept = here >= 0
            positive = here[kept] == k if self.task == "multiclass" else here[kept]
            found.append(_passed(xp, scores[:, k][kept], positive))
        return found

    def _recall(self, at: Counts) -> Array:
        return ratio(at.tps, at.positives, math.nan if self.thresholds is None else 0.0)

    def _roc(self, at: Counts) -> tuple[Array, Array, Array]:
        """Return false positive rates, true positive rates and thresholds."""
        fpr, tpr, thresholds = ratio(at.fps, at.negatives), ratio(at.tps, at.positives), at.thresholds
        if self.thresholds is not None:
            return fpr, tpr, thresholds
        xp = array_module(at.tps)
        start = xp.zeros(1)
        return tuple(xp.concatenate(x) for x in ([start, fpr], [start, tpr], [start + 1, thresholds]))

    def _arranged(self, curves: list[tuple[Array, Array, Array]]) -> Curve:
        """Return the three parts of the curves as a user sees them."""
        parts = [[float32(x) for x in part] for part in zip(*curves)]
        if self.task == "binary":
            return parts[0][0], parts[1][0], parts[2][0]
        if self.thresholds is None:
            return parts[0], parts[1], parts[2]
        xp = array_module(parts[0][0].array)
        x, y = (tensor_of(xp.stack([one.array for one in part])) for part in parts[:2])
        return x, y, parts[2][0]


def _passed(xp: Any, scores: Array, positive: Array) -> Counts:
    order = xp.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order].astype(np.int64)
    last = xp.ones(len(scores), bool)  # of equal scores: they pass together
    last[:-1] = scores[1:] != scores[:-1]
    at = xp.nonzero(last)[0]
    tps = xp.cumsum(positive)[at]
    positives = positive.sum()
    return Counts(scores[at], tps, at + 1 - tps, positives, len(scores) - positives)


# --------------------------------------------------------------------------------------------------------------
# The curves


class PrecisionRecallCurve(_Curve):
    """Precision against recall, at all thresholds. The one to look at when positives are rare.

    Parameters
    ----------
    task : {"binary", "multiclass", "multilabel"}
        Multiclass is one curve for each class against the others. Target as in the table of
        :mod:`minigrad.metrics.classification`; predictions are scores. If some score of a batch lies outside [0, 1],
        they count as logits, and their sigmoid or softmax is taken.
    thresholds : int or list of float, optional
        None for all thresholds at which anything changes. Else these, or so many from 0 to 1; a score counts as
        positive from the threshold on.
    num_classes, num_labels : int
        Needed for multiclass and for multilabel.
    ignore_index : int, optional
        Samples with this target do not count.
    validate_args : bool
        False leaves out the check that labels are in range; those that are not do not count then.

    Returns
    -------
    (Tensor, Tensor, Tensor)
        From ``compute``: precision (T + 1,), recall (T + 1,) and the rising thresholds (T,). The last point is that of
        no predictions, with precision 1 and recall 0. For the other tasks a list of each, with an entry for each class;
        with given thresholds, of shape (C, T + 1), (C, T + 1) and (T,). Recall of a class without samples is nan, or 0
        with given thresholds.

    Examples
    --------
    >>> import minigrad
    >>> curve = PrecisionRecallCurve(task="binary")
    >>> precision, recall, thresholds = curve(minigrad.tensor([0.0, 0.5, 0.7, 0.8]), minigrad.tensor([0, 1, 1, 0]))
    >>> precision
    tensor([0.5000, 0.6667, 0.5000, 0.0000, 1.0000])
    >>> recall
    tensor([1.0000, 1.0000, 0.5000, 0.0000, 0.0000])
    """

    def compute(self) -> Curve:
        """Return precision, recall and thresholds for everything since the last reset."""
        return self._arranged([self._curve(counts) for counts in self._counts()])

    def _curve(self, at: Counts) -> tuple[Array, Array, Array]:
        xp = array_module(at.tps)
        end = xp.zeros(1)
        precision, recall = ratio(at.tps, at.tps + at.fps), self._recall(at)
        return xp.concatenate([precision[::-1], end + 1]), xp.concatenate([recall[::-1], end]), at.thresholds[::-1]


class ROC(_Curve):
    """True positive rate (recall) against false positive rate (1 - specificity), at all thresholds.

    ``compute`` returns false positive rates, true positive rates and falling thresholds. With ``thresholds=None`` the
    first point is that of no predictions, (0, 0), with threshold 1. A rate without samples is 0. Parameters and
    shapes are those of :class:`PrecisionRecallCurve`, but all parts are of one length.

    References
    ----------
    Fawcett, "An introduction to ROC analysis", 2006.

    Examples
    --------
    >>> import minigrad
    >>> fpr, tpr, thresholds = ROC("binary")(minigrad.tensor([0.1, 0.5, 0.7, 0.8]), minigrad.tensor([0, 1, 1, 0]))
    >>> fpr
    tensor([0.0000, 0.5000, 0.5000, 0.5000, 1.0000])
    >>> tpr
    tensor([0.0000, 0.0000, 0.5000, 1.0000, 1.0000])
    """

    def compute(self) -> Curve:
        """Return false positive rates, true positive rates and thresholds for everything since the last reset."""
        return self._arranged([self._roc(counts) for counts in self._counts()])


# --------------------------------------------------------------------------------------------------------------
# The areas


class _Area(_Curve):
    """An area for each class, and its average."""

    higher_is_better = True

    def __init__(
        self,
        task: str | None = None,
        thresholds: Thresholds = None,
        num_classes: int | None = None,
        num_labels: int | None = None,
        average: str | None = "macro",
        ignore_index: int | None = None,
        validate_args: bool = True,
    ) -> None:
        super().__init__(task, thresholds, num_classes, num_labels, ignore_index, validate_args)
        choices = ("micro",) * (task == "multilabel") + ("macro", "weighted", "none", None)
        self.require(average in choices or task == "binary", f"average to be one of {choices}", average)
        self.average = average

    def compute(self) -> Tensor:
        """Return the area for everything since the last reset, float32: 0-d, or (C,) without averaging."""
        pooled = self.task == "binary" or self.average == "micro"
        counts = self._counts(pooled)
        areas = [self._area(at) for at in counts]
        if pooled:
            return float32(areas[0])
        xp = array_module(areas[0])
        area = xp.stack(areas)
        if self.average in ("none", None):
            return float32(area)
        known = ~xp.isnan(area)
        if not known.all():
            warnings.warn(
                f"{type(self).__name__}: some classes have no samples, and so no value; the average is that of the "
                "others",
                UserWarning,
                stacklevel=3,
            )
        weights = known * xp.stack([at.positives for at in counts]) if self.average == "weighted" else known
        return float32(ratio((xp.where(known, area, 0) * weights).sum(), weights.sum()))

    def _area(self, at: Counts) -> Array:
        raise NotImplementedError


class AUROC(_Area):
    """Area under the :class:`ROC` curve: how probable it is that a positive has a larger score than a negative.

    1 is perfect, 0.5 is guessing. The value of a class without samples is 0.

    Parameters
    ----------
    task, thresholds, num_classes, num_labels, ignore_index, validate_args
        As for :class:`PrecisionRecallCurve`.
    average : {"micro", "macro", "weighted", "none"} or None
        How to come from the values of classes to one: their mean, weighted by samples or not; not at all; or, for
        multilabel, from all labels together.
    max_fpr : float, optional
        For binary: the area up to this false positive rate, scaled so that guessing still has 0.5.

    References
    ----------
    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", 1982.
    ``max_fpr``: McClish, "Analyzing a portion of the ROC curve", 1989.

    Examples
    --------
    >>> import minigrad
    >>> auroc = AUROC(task="binary")
    >>> auroc(minigrad.tensor([0.13, 0.26, 0.08, 0.19, 0.34]), minigrad.tensor([0, 0, 1, 1, 1]))
    tensor(0.5000)
    """

    def __init__(
        self,
        task: str | None = None,
        thresholds: Thresholds = None,
        num_classes: int | None = None,
        num_labels: int | None = None,
        average: str | None = "macro",
        max_fpr: float | None = None,
        ignore_index: int | None = None,
        validate_args: bool = True,
    ) -> None:
        super().__init__(task, thresholds, num_classes, num_labels, average, ignore_index, validate_args)
        fine = max_fpr is None or (task == "binary" and 0 < max_fpr <= 1)
        self.require(fine, "max_fpr above 0 and up to 1, for task 'binary' only", max_fpr)
        self.max_fpr = max_fpr

    def _area(self, at: Counts) -> Array:
        x, y, _ = self._roc(at)
        if self.max_fpr in (None, 1):
            return _under(x, y)
        # Cut the curve at max_fpr, and map the area there between guessing and perfection to [0.5, 1].
        xp, cut = array_module(x), float(self.max_fpr or 1)
        after = xp.minimum(xp.searchsorted(x, xp.full(1, cut), side="right"), len(x) - 1)
        height = y[after - 1] + (y[after] - y[after - 1]) * ratio(cut - x[after - 1], x[after] - x[after - 1])
        area, guessing = _under(xp.minimum(x, cut), xp.where(x > cut, height, y)), cut**2 / 2
        return xp.where(at.positives * at.negatives == 0, 0.0, (1 + (area - guessing) / (cut - guessing)) / 2)


class AveragePrecision(_Area):
    """Area under the :class:`PrecisionRecallCurve`, in steps: the sum of precision times what recall grows by.

    ::

        AP = sum_n (recall_n - recall_(n-1)) precision_n

    over falling thresholds. Guessing has the share of positives. With ``thresholds=None`` the value of a class without
    samples is nan, and it is left out of averages with a warning; with given thresholds it is 0.

    Parameters
    ----------
    task, thresholds, num_classes, num_labels, ignore_index, validate_args
        As for :class:`PrecisionRecallCurve`.
    average : {"micro", "macro", "weighted", "none"} or None
        As for :class:`AUROC`.

    Examples
    --------
    >>> import minigrad
    >>> average_precision = AveragePrecision(task="binary")
    >>> average_precision(minigrad.tensor([0.0, 0.5, 0.7, 0.8]), minigrad.tensor([0, 1, 1, 0]))
    tensor(0.5833)
    """

    def _area(self, at: Counts) -> Array:
        xp = array_module(at.tps)
        recall = xp.concatenate([xp.zeros(1), self._recall(at)])
        area = ((recall[1:] - recall[:-1]) * ratio(at.tps, at.tps + at.fps)).sum()
        return area if self.thresholds is not None else xp.where(at.positives == 0, math.nan, area)


def _under(x: Array, y: Array) -> Array:
    """Return the area under straight lines between the points."""
    return ((x[1:] - x[:-1]) * (y[1:] + y[:-1])).sum() / 2


_END = "ignore_index validate_args"
_ARGUMENTS = {
    "binary": f"thresholds {_END}",
    "multiclass": f"num_classes thresholds {_END}",
    "multilabel": f"num_labels thresholds {_END}",
}
_AREAS = {
    "multiclass": f"num_classes average thresholds {_END}",
    "multilabel": f"num_labels average thresholds {_END}",
}

BinaryPrecisionRecallCurve, MulticlassPrecisionRecallCurve, MultilabelPrecisionRecallCurve = by_task(
    PrecisionRecallCurve, **_ARGUMENTS
)
BinaryROC, MulticlassROC, MultilabelROC = by_task(ROC, **_ARGUMENTS)
BinaryAUROC, MulticlassAUROC, MultilabelAUROC = by_task(AUROC, binary=f"max_fpr thresholds {_END}", **_AREAS)
BinaryAveragePrecision, MulticlassAveragePrecision, MultilabelAveragePrecision = by_task(
    AveragePrecision, binary=_ARGUMENTS["binary"], **_AREAS
)
