"""Metrics of predicted numbers.

Predictions and targets have one shape. With ``num_outputs=1`` all elements count alike; else they are (N, num_outputs),
and each output gets a value of its own. Sums are kept in float64; values come in the dtype of the data.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, array_module, is_array
from minigrad.creation import zeros
from minigrad.metrics.metric import Metric
from minigrad.tensor import Tensor

__all__ = [
    "ExplainedVariance",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "PearsonCorrCoef",
    "R2Score",
    "SpearmanCorrCoef",
]

_MULTIOUTPUT = ("raw_values", "uniform_average", "variance_weighted")


class _Regression(Metric):
    """Predicted numbers beside true ones."""

    def __init__(self, num_outputs: int | None = 1) -> None:
        super().__init__()
        if num_outputs is not None and (not isinstance(num_outputs, int) or num_outputs < 1):
            raise ValueError(f"{type(self).__name__}: expected num_outputs to be an integer >= 1, got {num_outputs!r}")
        self.num_outputs = num_outputs
        self._dtype: np.dtype[Any] = np.dtype(np.float32)

    def _pair(self, preds: Any, target: Any) -> tuple[Array, Array]:
        """Return both as float64 arrays of shape (n, outputs)."""
        name = type(self).__name__
        for x, which in ((preds, "preds"), (target, "target")):
            if not isinstance(x, Tensor) and not is_array(x):
                raise TypeError(f"{name}: expected {which} to be a tensor, got {type(x).__name__}")
        p, t = (x.array if isinstance(x, Tensor) else x for x in (preds, target))
        got = f"got preds {tuple(p.shape)} and target {tuple(t.shape)}"
        if array_module(p) is not array_module(t):
            raise RuntimeError(f"{name}: expected preds and target on one device, got one on the CPU and one on a GPU")
        if p.shape != t.shape:
            hint = "; use preds.squeeze(1)" if p.shape == (*t.shape, 1) else ""
            hint = hint or ("; use target.squeeze(1)" if t.shape == (*p.shape, 1) else "")
            raise ValueError(f"{name}: expected preds and target of one shape, {got}{hint}")
        if self.num_outputs is None:  # (N,) or (N, outputs)
            fine, shape = p.ndim in (1, 2), (len(p), p.size // max(len(p), 1)) if p.ndim else ()
        else:
            fine = self.num_outputs == 1 or (p.ndim == 2 and p.shape[1] == self.num_outputs)
            shape = (-1, self.num_outputs)
        if not fine:
            wanted = "(N,) or (N, outputs)" if self.num_outputs is None else f"(N, {self.num_outputs})"
            raise ValueError(f"{name}: expected preds and target of shape {wanted}, {got}")
        if np.dtype(np.float64) in (p.dtype, t.dtype):
            self._dtype = np.dtype(np.float64)
        return p.reshape(shape).astype(np.float64), t.reshape(shape).astype(np.float64)

    def _value(self, x: Array) -> Tensor:
        """Return the value of each output, 0-d if there is one, in the dtype of the data."""
        xp = array_module(x)
        x = x[0] if x.shape == (1,) else x
        return tensor_of(xp.asarray(x, dtype=self._dtype))  # type: ignore[no-any-return]


# --------------------------------------------------------------------------------------------------------------
# Means


class _MeanError(_Regression):
    """The mean over all samples of some error."""

    higher_is_better = False
    sum_error: Tensor
    total: Tensor

    def __init__(self, num_outputs: int | None = 1) -> None:
        super().__init__(num_outputs)
        self.add_state("sum_error", zeros(num_outputs or 1, dtype=np.float64), dist_reduce_fx="sum")
        self.add_state("total", zeros((), dtype=np.int64), dist_reduce_fx="sum")

    def _error(self, p: Array, t: Array) -> Array:
        raise NotImplementedError

    def update(self, preds: Any, target: Any) -> None:
        """Add up the errors of a batch."""
        p, t = self._pair(preds, target)
        self.sum_error = tensor_of(self.sum_error.array + self._error(p, t).sum(axis=0))
        self.total = tensor_of(self.total.array + len(p))

    def compute(self) -> Tensor:
        """Return the mean error of everything since the last reset."""
        return self._value(self._mean())

    def _mean(self) -> Array:
        xp = array_module(self.total.array)
        return self.sum_error.array / xp.maximum(self.total.array, 1)


class MeanSquaredError(_MeanError):
    """The mean of (prediction - target)^2, or with ``squared=False`` its root, RMSE.

    >>> import minigrad
    >>> error = MeanSquaredError()
    >>> error(minigrad.tensor([3.0, 5.0, 2.5, 7.0]), minigrad.tensor([2.5, 5.0, 4.0, 8.0]))
    tensor(0.8750)
    """

    def __init__(self, squared: bool = True, num_outputs: int = 1) -> None:
        super().__init__(num_outputs)
        self.squared = squared

    def _error(self, p: Array, t: Array) -> Array:
        return (p - t) ** 2

    def _mean(self) -> Array:
        return super()._mean() if self.squared else super()._mean() ** 0.5


class MeanAbsoluteError(_MeanError):
    """The mean of ``|prediction - target|``. One far outlier matters less than in the squared error.

    >>> import minigrad
    >>> error = MeanAbsoluteError()
    >>> error(minigrad.tensor([3.0, 5.0, 2.5, 7.0]), minigrad.tensor([2.5, 5.0, 4.0, 8.0]))
    tensor(0.7500)
    """

    def __init__(self, num_outputs: int = 1) -> None:
        super().__init__(num_outputs)

    def _error(self, p: Array, t: Array) -> Array:
        return abs(p - t)


class MeanAbsolutePercentageError(_MeanError):
    """The mean of ``|prediction - target| / |target|``, a share, not a percentage: 0.1 is ten percent.

    Targets near 0 are taken as 1.17e-6, and make it huge.

    >>> import minigrad
    >>> error = MeanAbsolutePercentageError()
    >>> error(minigrad.tensor([0.9, 15.0, 1.2e6]), minigrad.tensor([1.0, 10.0, 1e6]))
    tensor(0.2667)
    """

    def __init__(self) -> None:
        super().__init__(1)

    def _error(self, p: Array, t: Array) -> Array:
        return abs(p - t) / array_module(t).maximum(abs(t), 1.17e-6)


# --------------------------------------------------------------------------------------------------------------
# Variances and correlations


class _Moments(_Regression):
    """Means, squared deviations and their product, of two quantities x and y.

    Deviations are from the mean so far, and are moved along when it changes (Chan, Golub and LeVeque, "Algorithms for
    computing the sample variance", 1983). Sums of squares instead would lose all digits where the mean is large.
    """

    total: Tensor
    moments: Tensor

    def __init__(self, num_outputs: int | None) -> None:
        super().__init__(num_outputs)
        self.add_state("total", zeros((), dtype=np.int64))
        self.add_state("moments", zeros(5, num_outputs or 1, dtype=np.float64))  # means of x, y; sums of xx, yy, xy

    def _quantities(self, p: Array, t: Array) -> tuple[Array, Array]:
        return p, t

    def update(self, preds: Any, target: Any) -> None:
        """Take a batch into the moments."""
        x, y = self._quantities(*self._pair(preds, target))
        here, before, xp = len(x), self.total.array, array_module(x)
        if not here:
            return
        mean_x, mean_y, xx, yy, xy = self.moments.array
        dx, dy = x.mean(axis=0), y.mean(axis=0)
        x, y = x - dx, y - dy
        dx, dy = dx - mean_x, dy - mean_y
        shift = before * here / (before + here)
        self.moments = tensor_of(
            xp.stack(
                [
                    mean_x + dx * here / (before + here),
                    mean_y + dy * here / (before + here),
                    xx + (x * x).sum(axis=0) + dx * dx * shift,
                    yy + (y * y).sum(axis=0) + dy * dy * shift,
                    xy + (x * y).sum(axis=0) + dx * dy * shift,
                ]
            )
        )
        self.total = tensor_of(before + here)


class _Explained(_Moments):
    """1 - (what is left) / (variance of the target), of one output or several."""

    higher_is_better = True

    def __init__(self, multioutput: str = "uniform_average") -> None:
        super().__init__(None)
        if multioutput not in _MULTIOUTPUT:
            name = type(self).__name__
            raise ValueError(f"{name}: expected multioutput to be one of {_MULTIOUTPUT}, got {multioutput!r}")
        self.multioutput = multioutput

    def _quantities(self, p: Array, t: Array) -> tuple[Array, Array]:
        return t - p, t

    def _share(self, left: Array, variance: Array) -> Array:
        """Return 1 - left / variance; of a constant target, 1 if nothing is left and else 0."""
        xp = array_module(left)
        constant = variance == 0
        share = xp.where(constant, left == 0, 1 - left / xp.where(constant, 1, variance))
        if self.multioutput == "raw_values":
            return share
        if self.multioutput == "uniform_average":
            return share.mean()
        return xp.where(constant.all(), share.mean(), (share * variance).sum() / xp.maximum(variance.sum(), 1e-300))


class R2Score(_Explained):
    """The coefficient of determination: 1 - sum (target - prediction)^2 / sum (target - mean)^2.

    1 is perfect, 0 is as good as predicting the mean, and it has no lower end. Of a constant target it is 1 if all
    predictions are right, and else 0.

    Parameters
    ----------
    adjusted : int
        The number of independent regressors, to adjust for: 1 - (1 - R2) (n - 1) / (n - adjusted - 1).
    multioutput : {"raw_values", "uniform_average", "variance_weighted"}
        Of several outputs: the value of each, their mean, or their mean weighted by the variance of the target.

    Raises
    ------
    ValueError
        By ``compute`` if there are less than two samples.

    Examples
    --------
    >>> import minigrad
    >>> score = R2Score()
    >>> score(minigrad.tensor([2.5, 0.0, 2, 8]), minigrad.tensor([3, -0.5, 2, 7]))
    tensor(0.9486)
    """

    def __init__(self, adjusted: int = 0, multioutput: str = "uniform_average") -> None:
        super().__init__(multioutput)
        if not isinstance(adjusted, int) or adjusted < 0:
            raise ValueError(f"R2Score: expected adjusted to be an integer >= 0, got {adjusted!r}")
        self.adjusted = adjusted

    def compute(self) -> Tensor:
        """Return the score of everything since the last reset."""
        n = int(self.total.item())
        if n < 2:
            raise ValueError(f"R2Score.compute: it needs two samples or more, got {n}")
        mean, _, xx, yy, _ = self.moments.array
        score = self._share(xx + n * mean**2, yy)
        if self.adjusted >= n - 1:
            warnings.warn(
                f"R2Score: {n} samples are too few to adjust for {self.adjusted} regressors; this is the plain score",
                UserWarning,
                stacklevel=3,
            )
        elif self.adjusted:
            score = 1 - (1 - score) * (n - 1) / (n - self.adjusted - 1)
        return self._value(score)


class ExplainedVariance(_Explained):
    """1 - Var(target - prediction) / Var(target): like :class:`R2Score`, but a constant offset costs nothing.

    >>> import minigrad
    >>> score = ExplainedVariance()
    >>> score(minigrad.tensor([2.5, 0.0, 2, 8]), minigrad.tensor([3, -0.5, 2, 7]))
    tensor(0.9572)
    """

    def compute(self) -> Tensor:
        """Return the score of everything since the last reset."""
        _, _, xx, yy, _ = self.moments.array
        return self._value(self._share(xx, yy))


class PearsonCorrCoef(_Moments):
    """Linear correlation: cov(x, y) / (std(x) std(y)), from -1 to 1; nan if one of them is constant.

    >>> import minigrad
    >>> correlation = PearsonCorrCoef()
    >>> correlation(minigrad.tensor([2.5, 0.0, 2, 8]), minigrad.tensor([3, -0.5, 2, 7]))
    tensor(0.9849)
    """

    def __init__(self, num_outputs: int = 1) -> None:
        super().__init__(num_outputs)

    def compute(self) -> Tensor:
        """Return the correlation of everything since the last reset."""
        _, _, xx, yy, xy = self.moments.array
        return self._value(_correlation(xx, yy, xy))


class SpearmanCorrCoef(_Regression):
    """Correlation of ranks: whether y grows when x does, in a straight line or not. Equal values share their rank.

    All values are kept until ``compute``.

    >>> import minigrad
    >>> correlation = SpearmanCorrCoef()
    >>> correlation(minigrad.tensor([2.5, 0.0, 2, 8]), minigrad.tensor([3, -0.5, 2, 700]))
    tensor(1.)
    """

    preds: list[Tensor]
    target: list[Tensor]

    def __init__(self, num_outputs: int = 1) -> None:
        super().__init__(num_outputs)
        self.add_state("preds", [], dist_reduce_fx="cat")
        self.add_state("target", [], dist_reduce_fx="cat")

    def update(self, preds: Any, target: Any) -> None:
        """Keep a batch."""
        p, t = self._pair(preds, target)
        self.preds, self.target = [*self.preds, tensor_of(p)], [*self.target, tensor_of(t)]

    def compute(self) -> Tensor:
        """Return the correlation of everything since the last reset."""
        if not self.preds:
            raise RuntimeError("SpearmanCorrCoef.compute: there are no samples yet")
        xp = array_module(self.preds[0].array)
        p, t = (xp.concatenate([x.array for x in state]) for state in (self.preds, self.target))
        x, y = (xp.stack([_ranks(xp, column) for column in a.T], axis=1) for a in (p, t))
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        return self._value(_correlation((x * x).sum(axis=0), (y * y).sum(axis=0), (x * y).sum(axis=0)))


def _ranks(xp: Any, x: Array) -> Array:
    """Return the place of each value in the sorted order, of equal values the mean of their places."""
    _, where, times = xp.unique(x, return_inverse=True, return_counts=True)
    return (xp.cumsum(times) - (times - 1) / 2)[where.reshape(-1)]


def _correlation(xx: Array, yy: Array, xy: Array) -> Array:
    xp = array_module(xx)
    constant = (xx == 0) | (yy == 0)
    return xp.where(constant, math.nan, xp.clip(xy / xp.sqrt(xp.where(constant, 1, xx * yy)), -1, 1))
