"""The confusion matrix, and what is computed from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, array_module
from minigrad.creation import zeros
from minigrad.metrics.classification.inputs import Classification, by_task, count, float32, ratio, two_by_two
from minigrad.tensor import Tensor


class _Confusion(Classification):
    """How often which class was taken for which."""

    confmat: Tensor

    def __init__(
        self,
        task: str | None,
        threshold: float,
        num_classes: int | None,
        num_labels: int | None,
        ignore_index: int | None,
        validate_args: bool,
    ) -> None:
        super().__init__(task, num_classes, num_labels, ignore_index, validate_args, threshold)
        shape = (self._size, self._size) if task == "multiclass" else (self._size, 2, 2)
        self.add_state("confmat", zeros(shape, dtype=np.int64), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any) -> None:
        """Count a batch; shapes as in the table of :mod:`minigrad.metrics.classification`."""
        found, truth, counts = self._labels(preds, target)
        if self.task == "multiclass":
            n = self._size
            cells = array_module(truth).where(counts, truth * n + found, n * n)
            table = count(cells, n * n).reshape(n, n)
        else:
            table = two_by_two(found, truth, counts)
        self.confmat = tensor_of(self.confmat.array + table)

    def _table(self) -> Array:
        """Return the counts: (C, C) for multiclass, (2, 2) for binary, (L, 2, 2) for multilabel."""
        self._check_counted()
        return self.confmat.array[0] if self.task == "binary" else self.confmat.array


class ConfusionMatrix(_Confusion):
    """How often which class (row) was taken for which (column).

    Parameters
    ----------
    task, threshold, num_classes, num_labels, ignore_index, validate_args
        As for :class:`StatScores`.
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
        choices = ("true", "pred", "all", "none", None)
        self.require(normalize in choices, "normalize to be 'true', 'pred', 'all', 'none' or None", normalize)
        self.normalize = normalize

    def compute(self) -> Tensor:
        """Return the matrix for everything since the last reset."""
        table = self._table()
        if self.normalize in ("none", None):
            return tensor_of(table.copy())  # type: ignore[no-any-return]
        along = {"true": -1, "pred": -2, "all": (-2, -1)}[self.normalize or ""]
        return float32(ratio(table, table.sum(axis=along, keepdims=True)))


class JaccardIndex(_Confusion):
    """Intersection over union of what is so and what was predicted so: tp / (tp + fp + fn). Also called IoU.

    In segmentation: of all pixels that belong to an object or were said to, the share in both.

    Parameters
    ----------
    task, threshold, num_classes, num_labels, validate_args
        As for :class:`StatScores`.
    average : {"micro", "macro", "weighted", "none"} or None
        As for :class:`StatScores`.
    ignore_index : int, optional
        Samples with this target do not count. If it is a class, that class is not averaged.
    zero_division : float
        The value of a class that neither was predicted nor occurs.

    Examples
    --------
    >>> import minigrad
    >>> iou = JaccardIndex(task="multiclass", num_classes=3, average=None)
    >>> iou(minigrad.tensor([2, 1, 0, 1]), minigrad.tensor([2, 1, 0, 0]))
    tensor([0.5000, 0.5000, 1.0000])
    """

    higher_is_better = True

    def __init__(
        self,
        task: str | None = None,
        threshold: float = 0.5,
        num_classes: int | None = None,
        num_labels: int | None = None,
        average: str | None = "macro",
        ignore_index: int | None = None,
        validate_args: bool = True,
        zero_division: float = 0,
    ) -> None:
        super().__init__(task, threshold, num_classes, num_labels, ignore_index, validate_args)
        choices = ("micro", "macro", "weighted", "none", None)
        self.require(average in choices, f"average to be one of {choices}", average)
        self.average = average
        self.zero_division = zero_division

    def compute(self) -> Tensor:
        """Return the index for everything since the last reset, float32: 0-d, or (C,) without averaging."""
        table = self._table()
        if self.task == "multiclass":
            both, support = table.diagonal(), table.sum(axis=1)
            either = support + table.sum(axis=0) - both
        else:
            both, support = table[..., 1, 1], table[..., 1, :].sum(axis=-1)
            either = support + table[..., 0, 1]
        if self.task == "binary":
            return float32(ratio(both, either, self.zero_division))
        counts = array_module(table).ones(self._size, bool)
        if self.ignore_index is not None and 0 <= self.ignore_index < self._size:
            counts[self.ignore_index] = False
        if self.average == "micro":
            return float32(ratio(both.sum(), (either * counts).sum(), self.zero_division))
        index = ratio(both, either, self.zero_division)
        if self.average in ("none", None):
            return float32(index)
        weights = support if self.average == "weighted" else counts
        if self.average == "macro" and self.task == "multiclass":
            weights = weights & (either > 0)
        return float32(ratio((index * weights).sum(), weights.sum()))


class CohenKappa(_Confusion):
    """Agreement beyond chance: 1 - (observed disagreement) / (disagreement expected by chance).

    1 is full agreement; 0 is what guessing with the same frequencies of the classes would reach.

    Parameters
    ----------
    task : {"binary", "multiclass"}
        See the table of :mod:`minigrad.metrics.classification`.
    threshold, num_classes, ignore_index, validate_args
        As for :class:`StatScores`.
    weights : {"linear", "quadratic", "none"} or None
        How bad it is to take class i for j: as bad as any other, ``|i - j|``, or (i - j)^2. For classes with an order.

    References
    ----------
    Cohen, "A coefficient of agreement for nominal scales", 1960.

    Examples
    --------
    >>> import minigrad
    >>> kappa = CohenKappa(task="multiclass", num_classes=3)
    >>> kappa(minigrad.tensor([2, 1, 0, 1]), minigrad.tensor([2, 1, 0, 0]))
    tensor(0.6364)
    """

    tasks = ("binary", "multiclass")
    higher_is_better = True

    def __init__(
        self,
        task: str | None = None,
        threshold: float = 0.5,
        num_classes: int | None = None,
        weights: str | None = None,
        ignore_index: int | None = None,
        validate_args: bool = True,
    ) -> None:
        super().__init__(task, threshold, num_classes, None, ignore_index, validate_args)
        choices = ("linear", "quadratic", "none", None)
        self.require(weights in choices, f"weights to be one of {choices}", weights)
        self.weights = weights

    def compute(self) -> Tensor:
        """Return kappa for everything since the last reset: 0-d float32; nan if only one class occurs."""
        table = self._table()
        xp = array_module(table)
        rows, columns = table.sum(axis=1).astype(float), table.sum(axis=0)
        expected = rows[:, None] * columns / table.sum()
        apart = xp.arange(len(table))
        apart = abs(apart[:, None] - apart)
        cost = apart if self.weights == "linear" else apart**2 if self.weights == "quadratic" else apart > 0
        return float32(1 - ratio((cost * table).sum(), (cost * expected).sum(), float("nan")))


class MatthewsCorrCoef(_Confusion):
    """The correlation of predictions and labels, from -1 to 1, fair also where one class is rare.

    For two classes::

        (tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn))

    and for more the form of Gorodkin. 0 where it is 0 / 0; but of two classes, 1 if nothing is wrong and -1 if nothing
    is right. Multilabel tables are added up first.

    Parameters
    ----------
    task, threshold, num_classes, num_labels, ignore_index, validate_args
        As for :class:`StatScores`.

    References
    ----------
    Matthews, "Comparison of the predicted and observed secondary structure of T4 phage lysozyme", 1975. Gorodkin,
    "Comparing two K-category assignments by a K-category correlation coefficient", 2004.

    Examples
    --------
    >>> import minigrad
    >>> correlation = MatthewsCorrCoef(task="multiclass", num_classes=3)
    >>> correlation(minigrad.tensor([2, 1, 0, 1]), minigrad.tensor([2, 1, 0, 0]))
    tensor(0.7000)
    """

    higher_is_better = True

    def __init__(
        self,
        task: str | None = None,
        threshold: float = 0.5,
        num_classes: int | None = None,
        num_labels: int | None = None,
        ignore_index: int | None = None,
        validate_args: bool = True,
    ) -> None:
        super().__init__(task, threshold, num_classes, num_labels, ignore_index, validate_args)

    def compute(self) -> Tensor:
        """Return the coefficient for everything since the last reset: 0-d float32."""
        table = self._table().astype(float)
        xp = array_module(table)
        table = table.sum(axis=0) if table.ndim == 3 else table
        truth, found = table.sum(axis=1), table.sum(axis=0)
        right, everything = table.trace(), table.sum()
        covariance = right * everything - (truth * found).sum()
        spread = (everything**2 - (found**2).sum()) * (everything**2 - (truth**2).sum())
        result = ratio(covariance, xp.sqrt(spread))
        if len(table) == 2:
            result = xp.where((right == everything) & (right > 0), 1.0, result)
            result = xp.where((right == 0) & (everything > 0), -1.0, result)
        return float32(result)


_END = "ignore_index validate_args"

BinaryConfusionMatrix, MulticlassConfusionMatrix, MultilabelConfusionMatrix = by_task(
    ConfusionMatrix,
    binary="threshold ignore_index normalize validate_args",
    multiclass="num_classes ignore_index normalize validate_args",
    multilabel="num_labels threshold ignore_index normalize validate_args",
)
BinaryJaccardIndex, MulticlassJaccardIndex, MultilabelJaccardIndex = by_task(
    JaccardIndex,
    binary=f"threshold {_END} zero_division",
    multiclass=f"num_classes average {_END} zero_division",
    multilabel=f"num_labels threshold average {_END} zero_division",
)
BinaryCohenKappa, MulticlassCohenKappa = by_task(
    CohenKappa,
    binary="threshold ignore_index weights validate_args",
    multiclass="num_classes ignore_index weights validate_args",
)
BinaryMatthewsCorrCoef, MulticlassMatthewsCorrCoef, MultilabelMatthewsCorrCoef = by_task(
    MatthewsCorrCoef,
    binary=f"threshold {_END}",
    multiclass=f"num_classes {_END}",
    multilabel=f"num_labels threshold {_END}",
)
