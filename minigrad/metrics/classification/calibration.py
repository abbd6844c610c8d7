"""Whether the probabilities that a classifier gives are the frequencies with which it is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, array_module
from minigrad.creation import zeros
from minigrad.metrics.classification.inputs import Classification, are_logits, by_task, float32, ratio
from minigrad.ops.activation import sigmoid, softmax
from minigrad.tensor import Tensor


class CalibrationError(Classification):
    """How far confidence is from accuracy: predictions are sorted into bins by confidence, and compared with truth.

    ::

        l1 (expected):  sum_b n_b/n |accuracy_b - confidence_b|
        l2:             sqrt(sum_b n_b/n (accuracy_b - confidence_b)^2)
        max:            max_b |accuracy_b - confidence_b|

    Confidence and accuracy of a bin are means over it. For multiclass, confidence is the largest probability and
    accuracy whether that class is right; for binary, they are the probability of 1 and the share of 1.

    Parameters
    ----------
    task : {"binary", "multiclass"}
        See the table of :mod:`minigrad.metrics.classification`; predictions are scores. If some score of a batch lies
        outside [0, 1], they count as logits.
    n_bins : int
        How many bins, of equal width; a confidence of exactly 1 has one of its own.
    norm : {"l1", "l2", "max"}
        See above.
    num_classes : int
        Needed for multiclass.
    ignore_index : int, optional
        Samples with this target do not count.
    validate_args : bool
        False leaves out the check that labels are in range; those that are not do not count then.

    References
    ----------
    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015. Guo,
    Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> import minigrad
    >>> error = CalibrationError(task="binary", n_bins=2, norm="l1")
    >>> error(minigrad.tensor([0.25, 0.25, 0.55, 0.75, 0.75]), minigrad.tensor([0, 0, 1, 1, 1]))
    tensor(0.2900)
    """

    tasks = ("binary", "multiclass")
    higher_is_better = False
    bins: Tensor

    def __init__(
        self,
        task: str | None = None,
        n_bins: int = 15,
        norm: str = "l1",
        num_classes: int | None = None,
        ignore_index: int | None = None,
        validate_args: bool = True,
    ) -> None:
        super().__init__(task, num_classes, None, ignore_index, validate_args)
        self.require(isinstance(n_bins, int) and n_bins > 0, "n_bins to be an integer >= 1", n_bins)
        self.require(norm in ("l1", "l2", "max"), "norm to be 'l1', 'l2' or 'max'", norm)
        self.n_bins = n_bins
        self.norm = norm
        # of each bin: how many predictions, and the sums of their confidences and of whether they are right
        self.add_state("bins", zeros(3, n_bins + 1, dtype=np.float64), dist_reduce_fx="sum")

    def _takes_labels(self) -> bool:
        return False

    def update(self, preds: Any, target: Any) -> None:
        """Sort a batch of scores into the bins."""
        scores, truth = self._arrays(preds, target)
        if scores.dtype.kind != "f":
            self.require(False, "preds to be scores (floats)", scores.dtype)
        xp = array_module(scores)
        counts = self._counting(truth)
        if self.task == "multiclass":
            scores = xp.where(are_logits(scores), softmax(scores, 1), scores)
            confidence, right = scores.max(axis=1), scores.argmax(axis=1) == truth
        else:
            confidence, right = xp.where(are_logits(scores), sigmoid(scores), scores), truth
        place = xp.where(counts, xp.floor(confidence * self.n_bins).astype(np.int64), 0).ravel()
        bins = self.bins.array.copy()
        for row, amount in zip(bins, (counts, confidence * counts, right * counts)):
            xp.add.at(row, place, amount.ravel().astype(np.float64))
        self.bins = tensor_of(bins)

    def compute(self) -> Tensor:
        """Return the error for everything since the last reset: 0-d float32."""
        self._check_counted()
        number, confidence, right = self.bins.array
        gap: Array = abs(ratio(right, number) - ratio(confidence, number))
        if self.norm == "max":
            return float32(gap.max())
        share = ratio(number, number.sum())
        return float32((gap * share).sum() if self.norm == "l1" else (gap**2 * share).sum() ** 0.5)


BinaryCalibrationError, MulticlassCalibrationError = by_task(
    CalibrationError,
    binary="n_bins norm ignore_index validate_args",
    multiclass="num_classes n_bins norm ignore_index validate_args",
)
