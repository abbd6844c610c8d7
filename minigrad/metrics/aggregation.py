"""Sums, means and extremes of numbers that come bit by bit, such as the loss of each batch."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, array_module, is_array
from minigrad.creation import as_tensor, full, zeros
from minigrad.metrics.metric import Metric
from minigrad.tensor import Tensor

__all__ = ["CatMetric", "MaxMetric", "MeanMetric", "MinMetric", "SumMetric"]

_STRATEGIES = ("error", "warn", "ignore", "disable")


class _Aggregator(Metric):
    """Something of all values so far; not-a-numbers are looked for first.

    Parameters
    ----------
    nan_strategy : {"warn", "error", "ignore", "disable"} or float
        What to do with nan: leave it out with a warning, raise, leave it out, take it as any value, or put this number
        in its place. On a GPU, warnings and errors wait for ``compute``, so that no batch has to.
    """

    nans: Tensor

    def __init__(self, nan_strategy: str | float = "warn") -> None:
        super().__init__()
        if nan_strategy not in _STRATEGIES and not isinstance(nan_strategy, (int, float)):
            raise ValueError(
                f"{type(self).__name__}: expected nan_strategy to be a number or one of {_STRATEGIES}, got "
                f"{nan_strategy!r}"
            )
        self.nan_strategy = nan_strategy
        self.add_state("nans", zeros((), dtype=np.int64), dist_reduce_fx="sum")

    def _values(self, *values: Any) -> list[Array]:
        """Return the values, made alike in shape, as flat float64 arrays, and where they count."""
        arrays = []
        for x in values:
            x = x if isinstance(x, Tensor) or is_array(x) else as_tensor(x).to(self.device)
            arrays.append((x.array if isinstance(x, Tensor) else x).astype(np.float64))
        xp = array_module(arrays[0])
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
        arrays = [xp.broadcast_to(x, shape).ravel() for x in arrays]
        if self.nan_strategy == "disable":
            return [*arrays, xp.ones(arrays[0].shape, bool)]
        bad = xp.isnan(sum(arrays[1:], start=arrays[0]))
        if not isinstance(self.nan_strategy, str):
            arrays = [xp.where(xp.isnan(x), float(self.nan_strategy), x) for x in arrays]
            return [*arrays, xp.ones(arrays[0].shape, bool)]
        if self.nan_strategy != "ignore":
            if xp is not np:
                self.nans = tensor_of(self.nans.array + bad.sum())
            elif bad.any():
                self._complain(int(bad.sum()))
        return [*(xp.where(bad, 0, x) for x in arrays), ~bad]

    def _complain(self, count: int) -> None:
        message = f"{type(self).__name__}: {count} of the values are nan"
        if self.nan_strategy == "error":
            raise RuntimeError(message)
        warnings.warn(f"{message}, and were left out", UserWarning, stacklevel=5)

    def _check_nans(self) -> None:
        if self.nan_strategy in ("warn", "error") and (count := int(self.nans.item())):
            self._complain(count)


def _float32(x: Array) -> Tensor:
    return tensor_of(array_module(x).asarray(x, dtype=np.float32))  # type: ignore[no-any-return]


class MeanMetric(_Aggregator):
    """The mean of all values, weighted if weights are given.

    >>> import minigrad
    >>> loss = MeanMetric()
    >>> loss.update(minigrad.tensor(0.5), weight=64)  # the mean loss of a batch of 64
    >>> loss.update(minigrad.tensor(1.0), weight=16)
    >>> loss.compute()
    tensor(0.6000)
    """

    __doc__ = f"{__doc__}\n{_Aggregator.__doc__}"
    mean_value: Tensor
    weight: Tensor

    def __init__(self, nan_strategy: str | float = "warn") -> None:
        super().__init__(nan_strategy)
        self.add_state("mean_value", zeros((), dtype=np.float64), dist_reduce_fx="sum")  # the sum, until divided
        self.add_state("weight", zeros((), dtype=np.float64), dist_reduce_fx="sum")

    def update(self, value: Any, weight: Any = 1.0) -> None:
        """Add a number or a tensor of them, each with its weight or all with one."""
        x, w, counts = self._values(value, weight)
        self.mean_value = tensor_of(self.mean_value.array + (x * w * counts).sum())
        self.weight = tensor_of(self.weight.array + (w * counts).sum())

    def compute(self) -> Tensor:
        """Return the mean: 0-d float32; nan if there were no values."""
        self._check_nans()
        xp, weight = array_module(self.weight.array), self.weight.array
        return _float32(xp.where(weight == 0, math.nan, self.mean_value.array / xp.where(weight == 0, 1, weight)))


class SumMetric(_Aggregator):
    """The sum of all values.

    >>> import minigrad
    >>> samples = SumMetric()
    >>> samples.update(64), samples.update(minigrad.tensor([10.0, 6.0]))
    (None, None)
    >>> samples.compute()
    tensor(80.)
    """

    sum_value: Tensor

    def __init__(self, nan_strategy: str | float = "warn") -> None:
        super().__init__(nan_strategy)
        self.add_state("sum_value", zeros((), dtype=np.float64), dist_reduce_fx="sum")

    def update(self, value: Any) -> None:
        """Add a number or a tensor of them."""
        x, _ = self._values(value)
        self.sum_value = tensor_of(self.sum_value.array + x.sum())

    def compute(self) -> Tensor:
        """Return the sum: 0-d float32."""
        self._check_nans()
        return _float32(self.sum_value.array)


class MaxMetric(_Aggregator):
    """The largest of all values; -inf of none.

    >>> best = MaxMetric()
    >>> best(0.5), best(0.25)
    (tensor(0.5000), tensor(0.2500))
    >>> best.compute()
    tensor(0.5000)
    """

    higher_is_better = True
    max_value: Tensor

    def __init__(self, nan_strategy: str | float = "warn") -> None:
        super().__init__(nan_strategy)
        self.add_state("max_value", full((), -math.inf, dtype=np.float64), dist_reduce_fx="max")

    def update(self, value: Any) -> None:
        """Look at a number or a tensor of them."""
        x, counts = self._values(value)
        if x.size:
            xp = array_module(x)
            self.max_value = tensor_of(xp.maximum(self.max_value.array, xp.where(counts, x, -math.inf).max()))

    def compute(self) -> Tensor:
        """Return the largest value: 0-d float32."""
        self._check_nans()
        return _float32(self.max_value.array)


class MinMetric(_Aggregator):
    """The smallest of all values; inf of none.

    >>> best = MinMetric()
    >>> best.update([0.5, 0.25])
    >>> best.compute()
    tensor(0.2500)
    """

    higher_is_better = False
    min_value: Tensor

    def __init__(self, nan_strategy: str | float = "warn") -> None:
        super().__init__(nan_strategy)
        self.add_state("min_value", full((), math.inf, dtype=np.float64), dist_reduce_fx="min")

    def update(self, value: Any) -> None:
        """Look at a number or a tensor of them."""
        x, counts = self._values(value)
        if x.size:
            xp = array_module(x)
            self.min_value = tensor_of(xp.minimum(self.min_value.array, xp.where(counts, x, math.inf).min()))

    def compute(self) -> Tensor:
        """Return the smallest value: 0-d float32."""
        self._check_nans()
        return _float32(self.min_value.array)


class CatMetric(_Aggregator):
    """All values, in one tensor.

    >>> import minigrad
    >>> every = CatMetric()
    >>> every.update(1), every.update(minigrad.tensor([2.0, 3.0]))
    (None, None)
    >>> every.compute()
    tensor([1., 2., 3.])
    """

    value: list[Tensor]
    kept: list[Tensor]

    def __init__(self, nan_strategy: str | float = "warn") -> None:
        super().__init__(nan_strategy)
        self.add_state("value", [], dist_reduce_fx="cat")
        self.add_state("kept", [], dist_reduce_fx="cat")

    def update(self, value: Any) -> None:
        """Keep a number or a tensor of them."""
        x, counts = self._values(value)
        self.value, self.kept = [*self.value, tensor_of(x)], [*self.kept, tensor_of(counts)]

    def compute(self) -> Tensor:
        """Return the values, 1-d float32."""
        self._check_nans()
        if not self.value:
            return zeros(0).to(self.device)
        xp = array_module(self.value[0].array)
        x, kept = (xp.concatenate([x.array for x in state]) for state in (self.value, self.kept))
        return _float32(x[kept])
