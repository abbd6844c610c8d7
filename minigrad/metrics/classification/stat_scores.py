"""Metrics made of four counts for each class: true and false positives, true and false negatives.

::

                    predicted so    predicted otherwise
    is so           tp              fn
    is otherwise    fp              tn
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, array_module
from minigrad.creation import zeros
from minigrad.metrics.classification.inputs import Classification, by_task, count, float32, ratio, two_by_two
from minigrad.tensor import Tensor

_AVERAGES = ("micro", "macro", "weighted", "none", None)
_COUNTS = ("tp", "fp", "tn", "fn")


class StatScores(Classification):
    """The counts themselves: tp, fp, tn, fn and support (tp + fn), in the last dimension.

    All metrics of this module are made of these counts, and share its arguments.

    Parameters
    ----------
    task : {"binary", "multiclass", "multilabel"}
        See the table of :mod:`minigrad.metrics.classification`.
    threshold : float
        From where on a score means 1; for binary and multilabel.
    num_classes, num_labels : int
        Needed for multiclass and for multilabel.
    average : {"micro", "macro", "weighted", "none"} or None
        For multiclass and multilabel, how to come to one value:

        - "micro": from the counts of all classes together;
        - "macro": the mean of the values of the classes, for multiclass of those that occur, as label or prediction;
        - "weighted": their mean, weighted by the samples of each class;
        - "none" or None: not at all, a value for each class.
    multidim_average : {"global", "samplewise"}
        Whether further dimensions count as further samples, or each sample gets a value of its own, so that the
        result has a first dimension of N.
    top_k : int
        For multiclass: a prediction is right if the true class is among the k largest scores; of equal scores the
        earlier class comes first.
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
        If labels are out of range; on a GPU in ``compute``.

    Examples
    --------
    >>> import minigrad
    >>> scores = StatScores(task="multiclass", num_classes=3, average=None)
    >>> scores(minigrad.tensor([0, 1, 1, 2]), minigrad.tensor([0, 1, 0, 2]))
    tensor([[1, 0, 2, 1, 2],
            [1, 1, 2, 0, 1],
            [1, 0, 3, 0, 1]])
    """

    tp: Tensor | list[Tensor]

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
        super().__init__(task, num_classes, num_labels, ignore_index, validate_args, threshold)
        self.require(average in _AVERAGES, f"average to be one of {_AVERAGES}", average)
        fine = multidim_average in ("global", "samplewise")
        self.require(fine, "multidim_average to be 'global' or 'samplewise'", multidim_average)
        fine = isinstance(top_k, int) and 1 <= top_k <= (self._size if task == "multiclass" else 1)
        self.require(fine, "top_k from 1 to num_classes, for task 'multiclass' only", top_k)
        self.average = average
        self.multidim_average = multidim_average
        self.top_k = top_k
        for name in _COUNTS:
            if multidim_average == "global":
                self.add_state(name, zeros(self._size, dtype=np.int64), dist_reduce_fx="sum")
            else:
                self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, preds: Any, target: Any) -> None:
        """Count a batch; shapes as in the table of :mod:`minigrad.metrics.classification`."""
        samplewise = self.multidim_average == "samplewise"
        found, truth, counts = self._labels(preds, target, samplewise)
        if self.task == "multiclass":
            n, xp = self._size, array_module(truth)
            found, truth = xp.where(counts, found, n), xp.where(counts, truth, n)
            tp = count(xp.where(found == truth, truth, n), n)
            fp, fn = count(found, n) - tp, count(truth, n) - tp
            tn = counts.sum(axis=1, keepdims=True) - tp - fp - fn
        else:
            (tn, fp), (fn, tp) = two_by_two(found, truth, counts).transpose(1, 2, 0)
        for name, counted in zip(_COUNTS, (tp, fp, tn, fn)):
            counted = counted.reshape((-1, self._size) if samplewise else self._size)
            before = getattr(self, name)
            setattr(self, name, [*before, tensor_of(counted)] if samplewise else tensor_of(before.array + counted))

    def compute(self) -> Tensor:
        """Return the counts, int64, or their averages: (5,), or (C, 5) without averaging."""
        tp, fp, tn, fn = self._counted()
        table = array_module(tp).stack([tp, fp, tn, fn, tp + fn], axis=-1)
        if self.task == "binary":
            return tensor_of(table[..., 0, :])  # type: ignore[no-any-return]
        if self.average in ("none", None):
            return tensor_of(table)  # type: ignore[no-any-return]
        if self.average == "micro":
            return tensor_of(table.sum(axis=-2))  # type: ignore[no-any-return]
        weights = (tp + fn if self.average == "weighted" else tp * 0 + 1)[..., None]
        return float32(ratio((table * weights).sum(axis=-2), weights.sum(axis=-2)))

    def _counted(self) -> list[Array]:
        """Return tp, fp, tn and fn, of shape (C,), (L,) or (1,), behind that of the samples if they are apart."""
        self._check_counted()
        states = [getattr(self, name) for name in _COUNTS]
        if self.multidim_average == "global":
            return [state.array for state in states]
        if not states[0]:
            raise RuntimeError(f"{type(self).__name__}.compute: no samples yet")
        return [array_module(state[0].array).concatenate([x.array for x in state]) for state in states]


class _Score(StatScores):
    """A value for each class from its counts, and its average."""

    higher_is_better = True

    def compute(self) -> Tensor:
        """Return the value for everything since the last reset, float32: 0-d, or (C,) without averaging."""
        counts = self._counted()
        if self.task != "binary" and self.average == "micro":
            counts = [x.sum(axis=-1, keepdims=True) for x in counts]
        score = self._score(*counts)
        if self.task == "binary" or self.average == "micro":
            return float32(score[..., 0])
        if self.average in ("none", None):
            return float32(score)
        tp, fp, _, fn = counts
        weights = tp + fn
        if self.average == "macro":
            # Of several guesses, only the best is counted as wrong; a class that is nothing but that does not occur.
            occurs = weights if self.top_k > 1 else weights + fp
            weights = (occurs > 0) if self.task == "multiclass" else (occurs >= 0)
        return float32(ratio((score * weights).sum(axis=-1), weights.sum(axis=-1)))

    def _score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        raise NotImplementedError


class _ScoreOrZero(_Score):
    """One with a choice of what 0 / 0 is."""

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
        zero_division: float = 0,
    ) -> None:
        super().__init__(
            task, threshold, num_classes, num_labels, average, multidim_average, top_k, ignore_index, validate_args
        )
        self.zero_division = zero_division


class Accuracy(_Score):
    """The share of predictions that are right.

    For ``multiclass``, with ``average``:

    - "micro": right predictions / all predictions;
    - "none": for each class, right predictions / samples of that class, shape (C,); 0 for a class without samples;
    - "macro": the mean of these over the classes that occur, as label or prediction;
    - "weighted": their mean, weighted by the samples of each class: the same number as "micro".

    For ``binary`` all predictions count alike. For ``multilabel``, the share is taken for each label over the samples,
    and averaged over the labels likewise. Arguments and errors are those of :class:`StatScores`.

    Examples
    --------
    >>> import minigrad
    >>> accuracy = Accuracy(task="multiclass", num_classes=3)
    >>> accuracy.update(minigrad.tensor([[0.1, 0.8, 0.1], [0.7, 0.2, 0.1]]), minigrad.tensor([1, 2]))
    >>> accuracy.update(minigrad.tensor([2]), minigrad.tensor([2]))
    >>> accuracy.compute()
    tensor(0.6667)
    """

    def _score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        return ratio(tp, tp + fn) if self.task == "multiclass" else ratio(tp + tn, tp + fp + tn + fn)


class HammingDistance(_Score):
    """The share of predictions that are wrong: 1 - :class:`Accuracy`, for each class or label, and averaged.

    >>> import minigrad
    >>> distance = HammingDistance(task="multilabel", num_labels=3)
    >>> distance(minigrad.tensor([[0, 1, 1], [1, 0, 0]]), minigrad.tensor([[0, 1, 0], [1, 0, 0]]))
    tensor(0.1667)
    """

    higher_is_better = False

    def _score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        return 1 - (ratio(tp, tp + fn) if self.task == "multiclass" else ratio(tp + tn, tp + fp + tn + fn))


class Precision(_ScoreOrZero):
    """Of what was predicted so, how much is so: tp / (tp + fp).

    Arguments and errors are those of :class:`StatScores`; ``zero_division`` is the value of a class that was never
    predicted.

    >>> import minigrad
    >>> precision = Precision(task="binary")
    >>> precision(minigrad.tensor([0.9, 0.8, 0.1, 0.7]), minigrad.tensor([1, 1, 1, 0]))
    tensor(0.6667)
    """

    def _score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        return ratio(tp, tp + fp, self.zero_division)


class Recall(_ScoreOrZero):
    """Of what is so, how much was predicted so: tp / (tp + fn). Also called sensitivity.

    Arguments and errors are those of :class:`StatScores`; ``zero_division`` is the value of a class without samples.

    >>> import minigrad
    >>> recall = Recall(task="binary")
    >>> recall(minigrad.tensor([0.9, 0.8, 0.1, 0.7]), minigrad.tensor([1, 1, 1, 0]))
    tensor(0.6667)
    """

    def _score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        return ratio(tp, tp + fn, self.zero_division)


class Specificity(_Score):
    """Of what is otherwise, how much was predicted otherwise: tn / (tn + fp), the recall of the negatives.

    >>> import minigrad
    >>> specificity = Specificity(task="binary")
    >>> specificity(minigrad.tensor([0.9, 0.8, 0.1, 0.7]), minigrad.tensor([1, 0, 0, 0]))
    tensor(0.3333)
    """

    def _score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        return ratio(tn, tn + fp)


class F1Score(_ScoreOrZero):
    """The harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn).

    It is large only if both are. Arguments and errors are those of :class:`StatScores`; ``zero_division`` is the value
    of a class that neither was predicted nor occurs.

    >>> import minigrad
    >>> f1 = F1Score(task="multiclass", num_classes=3, average="macro")
    >>> f1(minigrad.tensor([0, 2, 1, 0, 0, 1]), minigrad.tensor([0, 1, 2, 0, 1, 2]))
    tensor(0.2667)
    """

    beta = 1.0

    def _score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        square = self.beta**2
        return ratio((1 + square) * tp, (1 + square) * tp + square * fn + fp, self.zero_division)


class FBetaScore(F1Score):
    """The weighted harmonic mean of precision and recall, in which recall counts beta times as much.

    ::

        F = (1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp)

    References
    ----------
    van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7.

    Examples
    --------
    >>> import minigrad
    >>> score = FBetaScore(task="multiclass", beta=0.5, num_classes=3)
    >>> score(minigrad.tensor([0, 2, 1, 0, 0, 1]), minigrad.tensor([0, 1, 2, 0, 1, 2]))
    tensor(0.3333)
    """

    def __init__(
        self,
        task: str | None = None,
        beta: float = 1.0,
        threshold: float = 0.5,
        num_classes: int | None = None,
        num_labels: int | None = None,
        average: str | None = "micro",
        multidim_average: str = "global",
        top_k: int = 1,
        ignore_index: int | None = None,
        validate_args: bool = True,
        zero_division: float = 0,
    ) -> None:
        super().__init__(
            task, threshold, num_classes, num_labels, average, multidim_average, top_k, ignore_index, validate_args,
            zero_division,
        )  # fmt: skip
        self.require(isinstance(beta, (int, float)) and beta > 0, "beta above 0", beta)
        self.beta = beta


_END = "multidim_average ignore_index validate_args"
_ARGUMENTS = {
    "binary": f"threshold {_END}",
    "multiclass": f"num_classes top_k average {_END}",
    "multilabel": f"num_labels threshold average {_END}",
}
_OR_ZERO = {task: f"{names} zero_division" for task, names in _ARGUMENTS.items()}
_BETA = {task: f"beta {names}" for task, names in _OR_ZERO.items()}

BinaryStatScores, MulticlassStatScores, MultilabelStatScores = by_task(StatScores, **_ARGUMENTS)
BinaryAccuracy, MulticlassAccuracy, MultilabelAccuracy = by_task(Accuracy, **_ARGUMENTS)
BinaryHammingDistance, MulticlassHammingDistance, MultilabelHammingDistance = by_task(HammingDistance, **_ARGUMENTS)
BinaryPrecision, MulticlassPrecision, MultilabelPrecision = by_task(Precision, **_OR_ZERO)
BinaryRecall, MulticlassRecall, MultilabelRecall = by_task(Recall, **_OR_ZERO)
BinarySpecificity, MulticlassSpecificity, MultilabelSpecificity = by_task(Specificity, **_ARGUMENTS)
BinaryF1Score, MulticlassF1Score, MultilabelF1Score = by_task(F1Score, **_OR_ZERO)
BinaryFBetaScore, MulticlassFBetaScore, MultilabelFBetaScore = by_task(FBetaScore, **_BETA)
